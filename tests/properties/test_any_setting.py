"""What leaves the pattern of any crystal as it is."""

import numpy as np
import torch
from crystals import pattern_of
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from pymatgen.core import Lattice, Structure
from strategies import FADING, FEWER, bases, crystals, in_basis, numbers
from tolerances import SUMMED

from xrdscape.crystal.structures import to_tensors
from xrdscape.diffraction.pattern import Simulator

SHIFTS = arrays.arrays(np.float64, 3, elements=numbers(-3.0, 3.0))


def assert_same(one: Structure, other: Structure, factor: float = 1.0) -> None:
    """The pattern of one is the other's times a factor."""
    pattern, expected = pattern_of(one, FADING), factor * pattern_of(other, FADING)
    assert float((pattern - expected).abs().max()) <= SUMMED * float(expected.max())


def placed(structure: Structure, frac_coords: NDArray[np.float64]) -> Structure:
    return Structure(structure.lattice, structure.species_and_occu, frac_coords)


@FEWER
@given(crystals(), SHIFTS)
def test_the_origin(structure: Structure, shift: NDArray[np.float64]) -> None:
    assert_same(placed(structure, structure.frac_coords + shift), structure)


@FEWER
@given(crystals(), st.integers(-3, 3), st.randoms(use_true_random=False))
def test_whole_cells_and_the_order_of_sites(structure: Structure, cells: int, random) -> None:  # type: ignore[no-untyped-def]
    order = random.sample(range(len(structure)), len(structure))
    moved = structure.frac_coords + cells * np.arange(len(structure))[:, None]
    kinds = [structure.species_and_occu[place] for place in order]
    assert_same(Structure(structure.lattice, kinds, moved[order]), structure)


@FEWER
@given(crystals())
def test_inversion(structure: Structure) -> None:
    assert_same(placed(structure, -structure.frac_coords), structure)


@FEWER
@given(crystals(), bases())
def test_the_basis_of_the_lattice(structure: Structure, basis: NDArray[np.int64]) -> None:
    assert_same(in_basis(structure, basis), structure)


@FEWER
@given(crystals(most_sites=2), st.sampled_from([(2, 1, 1), (1, 2, 1), (1, 1, 2), (2, 1, 2)]))
def test_a_supercell(structure: Structure, scaling: tuple[int, int, int]) -> None:
    """n cells in one scatter n^2 times as strongly a cell."""
    assert_same(structure.make_supercell(scaling, in_place=False), structure, float(np.prod(scaling)) ** 2)


@FEWER
@given(crystals())
def test_a_site_may_be_split(structure: Structure) -> None:
    """One element at one place, in two parts of its occupancy."""
    parts = [{element: amount / 2 for element, amount in kind.items()} for kind in structure.species_and_occu]
    assert_same(Structure(structure.lattice, parts * 2, np.tile(structure.frac_coords, (2, 1))), structure)


@FEWER
@given(crystals(), numbers(0.5, 2.0))
def test_angles_follow_wavelength_over_cell(structure: Structure, factor: float) -> None:
    """A cell stretched with the wavelength has its reflections where they were; form factors alone differ."""
    lattice, sites = to_tensors([structure])
    stretched = lattice * torch.tensor([factor] * 3 + [1.0] * 3, dtype=torch.float64)
    wavelength = factor * FADING.wavelength_angstrom
    near = Simulator(structure, FADING)
    far = near.with_instrument(type(FADING)(**{**vars(FADING), "wavelength_angstrom": wavelength}))
    here, there = near.reflections(lattice, reach=1.01), far.reflections(stretched, reach=1.01)
    assert torch.equal(here.hkl, there.hkl)
    one, other = (
        simulator.peaks(cell, lists, simulator.geometrical(lists, sites))
        for simulator, cell, lists in ((near, lattice, here), (far, stretched, there))
    )
    torch.testing.assert_close(one.centre, other.centre, rtol=SUMMED, atol=SUMMED)
    torch.testing.assert_close(one.fwhm, other.fwhm, rtol=SUMMED, atol=SUMMED)


def test_another_crystal_has_another_pattern() -> None:
    """So that the comparison above can fail."""
    structure = Structure(Lattice.cubic(4.0), ["Fe", "O"], [[0, 0, 0], [0.1, 0.2, 0.4]])
    moved = placed(structure, structure.frac_coords + np.array([[0, 0, 0], [0.001, 0, 0]]))
    pattern, other = (pattern_of(crystal, FADING) for crystal in (structure, moved))
    assert float((pattern - other).abs().max()) > 10 * SUMMED * float(pattern.max())
