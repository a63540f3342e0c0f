"""Crystals and coarse instruments that several tests use."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from pymatgen.core import Lattice, Structure
from torch import Tensor

from xrdscape.crystal.structures import load_structure, to_tensors
from xrdscape.diffraction.instrument import Instrument
from xrdscape.diffraction.pattern import Simulator

DATA = Path(__file__).parent / "data"
CARRIED = tuple(sorted(path.stem for path in DATA.glob("*.cif")))

COARSE = Instrument(two_theta_min_deg=10.0, step_deg=0.1)
"""Resolves every peak (FWHM 0.32 deg), at a tenth of the default's cost."""


def carried(name: str) -> Structure:
    """A crystal of tests/data."""
    return load_structure(DATA / f"{name}.cif")


def random_lattice(rng: np.random.Generator, low: float = 55.0, high: float = 125.0) -> Lattice:
    """A random cell of 3 to 7 angstrom with volume."""
    while True:
        angles = rng.uniform(low, high, 3)
        cosines = np.cos(np.radians(angles))
        if 1 - (cosines**2).sum() + 2 * cosines.prod() > 0.05:
            return Lattice.from_parameters(*rng.uniform(3.0, 7.0, 3), *angles)


def parameters_of(vectors: np.ndarray) -> Tensor:
    """Lattice parameters [1, 6] of lattice vectors in rows, by pymatgen."""
    return torch.tensor([Lattice(vectors).parameters], dtype=torch.float64)


def strained(vectors: np.ndarray, rng: np.random.Generator, largest: float) -> np.ndarray:
    """Lattice vectors after a random deformation, strain components up to `largest`."""
    return vectors @ (np.eye(3) + rng.uniform(-largest, largest, (3, 3)))


def pattern_of(structure: Structure, instrument: Instrument = COARSE) -> Tensor:
    """Its pattern [n], float64."""
    return Simulator(structure, instrument)(*to_tensors([structure]))[0]


def clear_of_edge(structure: Structure, instrument: Instrument, clearance_deg: float = 0.05) -> Instrument:
    """The instrument with its upper end moved down a little until no reflection lies near the edge."""
    while True:
        simulator = Simulator(structure, replace(instrument, two_theta_max_deg=instrument.two_theta_max_deg + 1))
        lattice, sites = to_tensors([structure])
        lists = simulator.reflections(lattice)
        centre = simulator.peaks(lattice, lists, simulator.geometrical(lists, sites)).centre
        if float((centre - instrument.edge_deg).abs().min()) > clearance_deg:
            return instrument
        instrument = replace(instrument, two_theta_max_deg=instrument.two_theta_max_deg - clearance_deg / 2)
