"""Anomalous dispersion in patterns, against a complex sum over atoms, and in what descends."""

import numpy as np
import pytest
import torch
from pymatgen.core import Lattice, Structure
from tolerances import COMPILED, ROUNDING, SUMMED

from xrdscape.crystal.structures import to_tensors
from xrdscape.diffraction.form_factor_tables import form_factor, gaussians, resonance
from xrdscape.diffraction.instrument import Instrument
from xrdscape.diffraction.pattern import Simulator
from xrdscape.diffraction.reflection_peaks import compiled_peaks
from xrdscape.optimisation.fixed_cell import fixed_cell_loss
from xrdscape.optimisation.objectives import OBJECTIVES

INSTRUMENT = Instrument(two_theta_min_deg=10.0, step_deg=0.1, anomalous=True)
PLACES = [[1 / 3, 2 / 3, 0], [2 / 3, 1 / 3, 0.31], [0, 0, 0.12]]
IRON = Structure(Lattice.hexagonal(3.2, 5.2), ["Fe", "Co", "O"], PLACES)
"""Without a centre of symmetry, so that hkl and -hkl differ."""


def squares(structure: Structure, hkl: np.ndarray, s: np.ndarray) -> np.ndarray:
    """Return the mean |F|^2 of hkl and -hkl by a sum over atoms with complex form factors."""
    elements = tuple(site.specie.symbol for site in structure)
    f = form_factor(gaussians(elements, "international-tables"), s)
    real, imaginary = resonance(elements, INSTRUMENT.wavelength_angstrom)
    f = f + real[:, None] + 1j * imaginary[:, None]
    both = [(f * np.exp(2j * np.pi * sign * structure.frac_coords @ hkl.T)).sum(0) for sign in (1, -1)]
    return np.asarray((abs(both[0]) ** 2 + abs(both[1]) ** 2) / 2)


def test_heights_are_those_of_a_complex_sum() -> None:
    simulator = Simulator(IRON, INSTRUMENT)
    lattice, coords = to_tensors([IRON])
    lists = simulator.reflections(lattice)
    factors = simulator.cell_factors(lattice, lists)
    peaks = simulator.peaks(lattice, lists, simulator.geometrical(lists, coords))
    hkl = lists.hkl[0].numpy()
    s = np.array([1 / (2 * IRON.lattice.d_hkl(row)) for row in hkl.tolist()])
    expected = factors.strength[0].numpy() * squares(IRON, hkl, s)
    np.testing.assert_allclose(peaks.height[0], expected, rtol=1e-9, atol=ROUNDING * expected.max())


def test_iron_under_copper_radiation_scatters_less() -> None:
    lattice, coords = to_tensors([IRON])
    plain, resonant = (
        Simulator(IRON, Instrument(anomalous=anomalous))(lattice, coords)[0].sum() for anomalous in (False, True)
    )
    assert resonant < 0.98 * plain


@pytest.mark.parametrize("b_iso", [0.0, 1.0])
def test_the_compiled_way_is_the_same_with_its_slope(b_iso: float) -> None:
    simulator = Simulator(IRON, INSTRUMENT, b_iso=b_iso)
    lattice, coords = to_tensors([IRON])
    lists = simulator.reflections(lattice)
    geometrical = simulator.geometrical(lists, coords)
    found = []
    for compiled in (False, True):
        cell = lattice.clone().requires_grad_()
        peaks = (
            compiled_peaks(cell, lists, geometrical, simulator.constants)
            if compiled
            else simulator.peaks(cell, lists, geometrical)
        )
        found.append((peaks.height.detach(), torch.autograd.grad(peaks.height.sum(), cell)[0]))
    for plain, fast in zip(*found, strict=True):
        torch.testing.assert_close(plain, fast, rtol=COMPILED, atol=COMPILED * float(plain.abs().max()))


def test_descents_of_the_atoms_see_the_same_pattern() -> None:
    simulator = Simulator(IRON, INSTRUMENT)
    lattice, coords = to_tensors([IRON])
    target = simulator(lattice, coords)[0]
    moved = coords + 0.02 * torch.randn(coords.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    objective = OBJECTIVES["cosine"]
    loss = fixed_cell_loss(simulator, lattice, objective, target)(moved)
    expected = objective.loss(simulator(lattice, moved), target)
    torch.testing.assert_close(loss, expected, rtol=SUMMED, atol=SUMMED)


def test_another_instrument_changes_the_dispersion() -> None:
    lattice, coords = to_tensors([IRON])
    changed = Simulator(IRON, Instrument(step_deg=0.1)).with_instrument(Instrument(step_deg=0.1, anomalous=True))
    made = Simulator(IRON, Instrument(step_deg=0.1, anomalous=True))
    torch.testing.assert_close(changed(lattice, coords), made(lattice, coords), rtol=0, atol=0)
    assert not torch.allclose(changed(lattice, coords), Simulator(IRON, Instrument(step_deg=0.1))(lattice, coords))
