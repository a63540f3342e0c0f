"""PXRDnet's patterns step by step, and what its residual makes of small changes to a right crystal."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
import pandas as pd
from pymatgen.core import Element, Lattice, Structure
from scipy.signal import fftconvolve

from xrdscape.crystal.standard_cells import ordered_cell
from xrdscape.crystal.structures import load_structure
from xrdscape.diffraction.finite_size import SizeConvention
from xrdscape.diffraction.nano_patterns import (
    NANO_CONVENTIONS,
    binned,
    nano_convention,
    nano_pattern,
    sharp_pattern,
    sharp_pattern_of_cell,
    size_filter,
)
from xrdscape.diffraction.sticks import sticks_by_pymatgen
from xrdscape.evaluation.pattern_residual import r_wp_squared
from xrdscape.study.solving import asked_crystal

Exact = np.ndarray
Change = Callable[[Structure, np.random.Generator], Structure | None]


@dataclass(frozen=True, eq=False)
class NanoSteps:
    """A crystal's pattern on its way to what PXRDnet is given; each with maximum 1.

    Args:
        crystal: name of the crystal.
        convention: of the pattern.
        size_angstrom: of the crystallites, in its meaning.
        fine_q_inv_angstrom: of the next two [fine].
        sharp: as R_wp^2 compares it [fine].
        filtered: lines convolved with sinc^2 alone, on the same points [fine].
        q_inv_angstrom: of the last [points].
        given: with the Gaussian, pooled, with noise [points].
    """

    crystal: str
    convention: SizeConvention
    size_angstrom: float
    fine_q_inv_angstrom: Exact
    sharp: Exact
    filtered: Exact
    q_inv_angstrom: Exact
    given: Exact


def nano_steps(crystal: str, sizes_angstrom: Sequence[float], seed: int = 0) -> list[NanoSteps]:
    """Return the steps of a crystal's patterns at some sizes, by both conventions."""
    structure, found = load_structure(crystal), []
    for size, (name, rules) in product(sizes_angstrom, NANO_CONVENTIONS.items()):
        sticks = sticks_by_pymatgen(structure, rules.two_theta_max_deg, rules.wavelength_angstrom)
        lines = binned(sticks, rules.bins, rules.q_max_inv_angstrom)
        filtered = fftconvolve(lines, size_filter(size, rules), mode="same")
        given = nano_pattern(sticks, size, rules, np.random.default_rng(seed))
        sharp = sharp_pattern(sticks, rules)[::2]
        found.append(
            NanoSteps(
                crystal,
                name,
                size,
                rules.sharp_q_inv_angstrom[::2],
                sharp,
                filtered / filtered.max(),
                given.q_inv_angstrom,
                given.intensity,
            )
        )
    return found


def longer(share: float) -> Change:
    """Return the change that makes all edges longer by a share."""
    return lambda crystal, _: _with_lattice(crystal, crystal.lattice.matrix * (1 + share))


def displaced(rms_angstrom: float) -> Change:
    """Return the change that displaces all atoms at random, by this root mean square in angstrom."""

    def change(crystal: Structure, generator: np.random.Generator) -> Structure:
        steps = generator.normal(0, rms_angstrom / 3**0.5, (len(crystal), 3))
        moved = crystal.cart_coords + steps
        return Structure(crystal.lattice, crystal.species, moved, coords_are_cartesian=True)

    return change


def exchanged(crystal: Structure, generator: np.random.Generator) -> Structure | None:
    """Return a crystal with the two elements of nearest atomic number exchanged; None if it has only one."""
    del generator
    elements = sorted(crystal.composition.elements, key=lambda element: element.Z)
    if len(elements) < 2:
        return None
    first, second = min(combinations(elements, 2), key=lambda pair: pair[1].Z - pair[0].Z)
    other = {first: second, second: first}
    return Structure(crystal.lattice, [other.get(Element(s.symbol), s) for s in crystal.species], crystal.frac_coords)


CHANGES: dict[str, Change] = {
    "all edges 0.5 % longer": longer(0.005),
    "all edges 1 % longer": longer(0.01),
    "all edges 2 % longer": longer(0.02),
    "atoms displaced by 0.05 Å": displaced(0.05),
    "atoms displaced by 0.1 Å": displaced(0.1),
    "atoms displaced by 0.2 Å": displaced(0.2),
    "two elements exchanged, the nearest in atomic number": exchanged,
}
"""Changes of a right crystal by name."""


def residuals_of_changes(crystals: int, asked: int, convention: SizeConvention, seed: int = 0) -> pd.DataFrame:
    """Return R_wp^2 of changed crystals against themselves as they are.

    Args:
        crystals: how many of those that are asked for, the first.
        asked: how many are asked for in all.
        convention: of the sharp patterns.
        seed: of the random changes.

    Returns:
        DataFrame: change, crystal, residual.
    """
    rules, rows = nano_convention(convention), []
    for number in range(crystals):
        truth = asked_crystal(number, asked).structure
        pattern = sharp_pattern_of_cell(ordered_cell(truth), rules)
        for name, change in CHANGES.items():
            changed = change(truth, np.random.default_rng((seed, number)))
            if changed is not None:
                share = r_wp_squared(pattern, sharp_pattern_of_cell(ordered_cell(changed), rules))
                rows.append((name, truth.composition.reduced_formula, float(share)))
    return pd.DataFrame(rows, columns=["change", "crystal", "residual"])


def _with_lattice(crystal: Structure, matrix: Exact) -> Structure:
    return Structure(Lattice(matrix), crystal.species, crystal.frac_coords)
