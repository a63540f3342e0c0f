"""Simulated patterns of nanocrystals, as a search is given them."""

import numpy as np
from pymatgen.core import Structure

from xrdscape.diffraction.nano_patterns import NANO_CONVENTIONS, nano_pattern
from xrdscape.diffraction.sticks import CU_K_ALPHA_ANGSTROM
from xrdscape.patterns.pattern import Pattern

SIZE_ANGSTROM = 100.0


def made_pattern(structure: Structure, seed: int = 0) -> Pattern:
    """The pattern of crystallites of 100 angstrom with noise, by PXRDnet's code."""
    made = nano_pattern(structure, SIZE_ANGSTROM, NANO_CONVENTIONS["reference-code"], np.random.default_rng(seed))
    return over_q(made.q_inv_angstrom, made.intensity)


def over_q(q: np.ndarray, intensity: np.ndarray) -> Pattern:
    """A pattern over Q without a wavelength."""
    angle = 2 * np.degrees(np.arcsin(q * CU_K_ALPHA_ANGSTROM / (4 * np.pi)))
    return Pattern(angle, intensity, q_inv_angstrom=q, origin="made")
