"""What is moved, by how much at most, and where it is brought back to."""

import pytest
import torch

from xrdscape.crystal.families import FAMILIES, project
from xrdscape.errors import CellError
from xrdscape.optimisation.parameters import CoordinateParameters, LatticeParameters

CELLS = torch.tensor([[4.0, 4.2, 6.0, 88.0, 91.0, 119.0], [3.0, 5.0, 7.0, 90.0, 100.0, 90.0]], dtype=torch.float64)
SITES = torch.tensor([[[0.1, -0.2, 0.5], [0.0, 0.9, 1.4]], [[0.3, 0.3, 0.3], [0.7, 0.6, 0.5]]], dtype=torch.float64)


def test_lattice_parameters_are_the_cell_at_fixed_sites() -> None:
    parameterisation = LatticeParameters(SITES)
    assert (parameterisation.moves_cell, parameterisation.moves_sites) == (True, False)
    parameters = parameterisation.start(CELLS, SITES)
    torch.testing.assert_close(parameters, CELLS)
    lattice, sites = parameterisation.crystal(parameters + 1)
    torch.testing.assert_close(lattice, CELLS + 1)
    assert sites is SITES


def test_coordinate_parameters_are_the_sites_in_a_fixed_cell() -> None:
    parameterisation = CoordinateParameters(CELLS)
    assert (parameterisation.moves_cell, parameterisation.moves_sites) == (False, True)
    parameters = parameterisation.start(CELLS, SITES)
    torch.testing.assert_close(parameters, SITES)
    lattice, sites = parameterisation.crystal(parameters + 0.5)
    assert lattice is CELLS
    torch.testing.assert_close(sites, SITES + 0.5)
    assert parameterisation.project(parameters) is parameters


@pytest.mark.parametrize("family", FAMILIES)
def test_family_holds_at_the_start_and_after_each_move(family: str) -> None:
    parameterisation = LatticeParameters(SITES, family)
    torch.testing.assert_close(parameterisation.start(CELLS, SITES), project(CELLS, family))
    torch.testing.assert_close(parameterisation.project(CELLS + 0.3), project(CELLS + 0.3, family))


def test_without_family_the_cell_is_free() -> None:
    torch.testing.assert_close(LatticeParameters(SITES).project(CELLS), CELLS)


@pytest.mark.usefixtures("unchecked")
def test_unknown_family_is_refused_at_the_start() -> None:
    with pytest.raises(CellError, match="Unknown crystal family 'rhombic'"):
        LatticeParameters(SITES, "rhombic").start(CELLS, SITES)


def test_lattice_clamp_by_hand() -> None:
    """Beyond a tenth of itself, up or down, a parameter moves by one per cent; up to there, freely."""
    value = torch.tensor([[4.0, 4.0, 4.0, 90.0, 90.0, 90.0]], dtype=torch.float64)
    move = torch.tensor([[0.39, 0.41, -0.41, 8.9, -9.1, 1e6]], dtype=torch.float64)
    expected = torch.tensor([[0.39, 0.04, -0.04, 8.9, -0.9, 0.9]], dtype=torch.float64)
    torch.testing.assert_close(LatticeParameters(SITES).limit(value, move), expected)
    assert LatticeParameters(SITES, clamp=False).limit(value, move) is move


def test_coordinate_clamp_by_hand() -> None:
    """Beyond 0.1 a coordinate moves by a thousandth of itself, the way it wanted; one at 0 stays, as published."""
    value = torch.tensor([[[0.5, -0.5, 0.0], [0.2, 0.8, 0.4]]], dtype=torch.float64)
    move = torch.tensor([[[0.11, 0.11, 5.0], [-0.3, 0.09, -0.1]]], dtype=torch.float64)
    expected = torch.tensor([[[0.0005, 0.0005, 0.0], [-0.0002, 0.09, -0.1]]], dtype=torch.float64)
    torch.testing.assert_close(CoordinateParameters(CELLS[:1]).limit(value, move), expected)
    assert CoordinateParameters(CELLS, clamp=False).limit(value, move) is move


def test_possible_tells_crystals_from_others() -> None:
    bad = CELLS.clone()
    bad[1, 3:] = torch.tensor([40.0, 40.0, 100.0])
    assert LatticeParameters(SITES).possible(bad).tolist() == [True, False]
    bad[0, 0] = float("nan")
    assert LatticeParameters(SITES).possible(bad).tolist() == [False, False]
    sites = SITES.clone()
    sites[0, 1, 2] = float("inf")
    assert CoordinateParameters(CELLS).possible(sites).tolist() == [False, True]


def test_select_keeps_the_settings_and_some_samples() -> None:
    part = LatticeParameters(SITES, "cubic", clamp=False).select(torch.tensor([False, True]))
    assert (part.family, part.clamp) == ("cubic", False)
    torch.testing.assert_close(part.frac_coords, SITES[1:])
    other = CoordinateParameters(CELLS, clamp=False).select(torch.tensor([1]))
    assert other.clamp is False
    torch.testing.assert_close(other.lattice, CELLS[1:])
