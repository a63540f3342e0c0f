"""The simulator's interface: simulate, Simulator, reflection_table, the edge and its taper, and refusals."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from crystals import CARRIED, COARSE, carried, pattern_of
from pymatgen.core import Lattice, Structure
from tolerances import FLOAT32_PATTERN, JUMP, ROUNDING, SUMMED

from xrdscape.crystal.structures import load_structure, to_tensors
from xrdscape.diffraction.instrument import PAPER_INSTRUMENT, Instrument
from xrdscape.diffraction.pattern import Simulator, reflection_table
from xrdscape.diffraction.profile import pseudo_voigt
from xrdscape.errors import CellError, StructureError
from xrdscape.patterns.pattern import Pattern
from xrdscape.patterns.simulated import simulate


def close(result: torch.Tensor, expected: torch.Tensor, tolerance: float = SUMMED) -> bool:
    """Equal to the tolerance, relative to the maximum."""
    return float((result - expected).abs().max()) <= tolerance * float(expected.abs().max())


def test_simulate_is_the_simulator_in_float64() -> None:
    structure = carried("CuO")
    pattern = simulate(structure, PAPER_INSTRUMENT)
    assert isinstance(pattern, Pattern)
    assert pattern.two_theta_deg.shape == pattern.intensity.shape == (9000,)
    assert pattern.intensity.dtype == np.float64
    assert bool((pattern.intensity > 0).all()), "Lorentzian tails reach everywhere"
    simulator = Simulator(structure)
    np.testing.assert_array_equal(pattern.intensity, simulator(*to_tensors([structure]))[0])
    np.testing.assert_array_equal(pattern.two_theta_deg, simulator.two_theta_deg)


def test_silicon_has_its_textbook_lines() -> None:
    table = reflection_table(carried("Si"))
    rows = [tuple(row) for row in table[["h", "k", "l", "multiplicity"]].to_numpy().tolist()]
    assert rows == [(1, 1, 1, 8), (2, 2, 0, 12), (3, 1, 1, 24), (4, 0, 0, 6), (3, 3, 1, 24), (4, 2, 2, 24)]
    assert table.two_theta_deg.round(2).tolist() == [28.44, 47.3, 56.12, 69.13, 76.38, 88.03]
    np.testing.assert_allclose(table.d_angstrom, 5.431 / np.sqrt([3, 8, 11, 16, 19, 24]), rtol=ROUNDING)


@pytest.mark.parametrize("name", ["CuO", "triclinic_alloy", "ZnS"])
def test_table_is_sorted_scaled_and_consistent(name: str) -> None:
    structure = carried(name)
    table = reflection_table(structure)
    assert table.columns.tolist() == ["h", "k", "l", "multiplicity", "d_angstrom", "two_theta_deg", "intensity"]
    assert table.intensity.max() == 100
    assert table.intensity.min() >= 1e-3
    assert bool((table.two_theta_deg.diff().dropna() > 0).all())
    # pymatgen's own d of the named indices.
    d = [structure.lattice.d_hkl(row) for row in table[["h", "k", "l"]].to_numpy().tolist()]
    np.testing.assert_allclose(table.d_angstrom, d, rtol=1e-6)
    np.testing.assert_allclose(
        2 * table.d_angstrom * np.sin(np.radians(table.two_theta_deg) / 2), 1.5406, rtol=ROUNDING
    )


@pytest.mark.parametrize("name", ["Si", "CuO", "triclinic_alloy"])
def test_pattern_is_the_sum_of_the_tables_lines(name: str) -> None:
    """Merged lines and split reflections give one pattern, but for the lines too weak for the table."""
    table = reflection_table(carried(name), COARSE)
    centre = torch.tensor(table.two_theta_deg)
    pattern = pattern_of(carried(name), COARSE)
    grid = torch.as_tensor(simulate(carried(name), COARSE).two_theta_deg)
    width = COARSE.fwhm_deg(centre)
    shape = pseudo_voigt(grid[:, None] - centre, width.expand(len(grid), -1), COARSE.eta)
    summed = shape @ torch.tensor(table.intensity)
    # The scale alone is free: the table's maximum is 100. Left-out lines are below 1e-5 of the strongest each.
    assert close(pattern * (summed @ pattern) / (pattern @ pattern), summed, 1e-4)


@pytest.mark.parametrize("name", CARRIED)
def test_float32_is_close_to_float64(name: str) -> None:
    structure = carried(name)
    single = Simulator(structure, dtype=torch.float32)(*to_tensors([structure], torch.float32))[0]
    assert single.dtype == torch.float32
    assert close(single.double(), pattern_of(structure, PAPER_INSTRUMENT), FLOAT32_PATTERN)


def test_batch_equals_singles_and_padding_changes_nothing() -> None:
    """Cells from small to large, so that the small ones' lists are mostly padding."""
    structure = carried("TiO2_rutile")
    lattice, sites = to_tensors([structure] * 5)
    lattice[:, :3] *= torch.tensor([0.8, 0.9, 1.0, 1.3, 1.8], dtype=torch.float64)[:, None]
    lattice[:, 3:] += torch.tensor([[0.0, 3, -2], [5, 0, 0], [0, 0, 0], [-4, 1, 2], [0, -6, 3]])
    sites = sites + 0.02 * torch.randn(sites.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    simulator = Simulator(structure, COARSE)
    together = simulator(lattice, sites)
    assert together.shape == (5, COARSE.n_steps)
    assert int((simulator.reflections(lattice).multiplicity[0] == 0).sum()) > 100
    for i in range(5):
        assert close(simulator(lattice[i : i + 1], sites[i : i + 1])[0], together[i], ROUNDING)


@pytest.mark.parametrize("reach", [1.05, 1.5])
def test_superset_gives_the_pattern_of_the_exact_list(reach: float) -> None:
    structure = carried("triclinic_oblique")
    lattice, sites = to_tensors([structure])
    simulator = Simulator(structure, COARSE)
    superset = simulator.reflections(lattice, reach)
    assert superset.hkl.shape[1] > simulator.reflections(lattice).hkl.shape[1]
    assert close(simulator(lattice, sites, superset), simulator(lattice, sites), ROUNDING)
    moved = lattice * torch.tensor([1.01, 0.99, 1.012, 1.001, 1.0, 0.999])
    assert close(simulator(moved, sites, superset), simulator(moved, sites), ROUNDING)


def test_hkl_max_leaves_out_exactly_the_high_indices() -> None:
    structure = carried("CaCO3_calcite")
    lattice, sites = to_tensors([structure])
    clipped, full = Simulator(structure, COARSE, hkl_max=6), Simulator(structure, COARSE)
    lists = full.reflections(lattice)
    low = lists.hkl.abs().amax(-1) <= 6
    assert bool((~low).any())
    expected = full(lattice, sites, replace(lists, multiplicity=lists.multiplicity * low))
    assert close(clipped(lattice, sites), expected, ROUNDING)


def test_with_instrument_is_a_new_simulator_of_the_same_crystal() -> None:
    structure = carried("CuO")
    simulator = Simulator(structure, COARSE, hkl_max=4)
    other = replace(COARSE, two_theta_max_deg=60.0, W=0.5)
    changed = simulator.with_instrument(other)
    fresh = Simulator(structure, other, hkl_max=4)
    torch.testing.assert_close(changed(*to_tensors([structure])), fresh(*to_tensors([structure])))
    assert simulator.instrument is COARSE


def test_partial_occupancy_scatters_in_proportion() -> None:
    """A half-filled site in a cubic cell with one atom: a quarter of the intensity."""
    full = Structure(Lattice.cubic(3.5), ["Fe"], [[0.1, 0.2, 0.3]])
    half = Structure(Lattice.cubic(3.5), [{"Fe": 0.5}], [[0.1, 0.2, 0.3]])
    assert close(4 * pattern_of(half), pattern_of(full), ROUNDING)


def crossing(instrument: Instrument, step: float = 1e-5, count: int = 41) -> float:
    """Largest change of the last value, over the maximum, in a series of cells that takes a reflection past 90 deg."""
    structure = Structure(Lattice.cubic(4.0), ["Cs"], [[0, 0, 0]])
    # The cubic cell whose (2, 2, 2) stands at the end of the range, 90 deg.
    a = np.sqrt(12) / Instrument().max_reciprocal_length
    simulator = Simulator(structure, instrument)
    scale = 1 + step * (torch.arange(count, dtype=torch.float64) - count // 2 + 0.5)
    lattice = torch.tensor([[a, a, a, 90, 90, 90]], dtype=torch.float64).repeat(count, 1)
    lattice[:, :3] *= scale[:, None]
    # The end of the range alone: the strong lines move too, and are not the question.
    patterns = simulator(lattice, torch.zeros(count, 1, 3, dtype=torch.float64))
    return float(patterns[:, -1].diff().abs().max() / patterns.max())


def test_the_sharp_cut_jumps_and_the_taper_does_not() -> None:
    assert crossing(Instrument()) > 10 * JUMP
    assert crossing(Instrument(taper_deg=3.0)) < JUMP / 10


def test_taper_joins_smoothly_at_its_far_end() -> None:
    """The cell that takes a reflection across the far end of the taper, where the list itself gains a member."""
    instrument = Instrument(two_theta_max_deg=87.0, taper_deg=3.0)
    assert crossing(instrument) < JUMP / 10


def test_a_taper_changes_only_what_reflections_past_the_edge_add() -> None:
    structure = carried("CuO")
    sharp, tapered = pattern_of(structure, COARSE), pattern_of(structure, replace(COARSE, taper_deg=3.0))
    assert bool((tapered >= sharp * (1 - ROUNDING)).all())
    difference = tapered - sharp
    assert int(difference.argmax()) == len(difference) - 1


def test_wrong_number_of_sites_is_refused() -> None:
    structure = load_structure("U2Ti")
    lattice, sites = to_tensors([structure])
    with pytest.raises(StructureError, match=r"must have shape \[batch, 3, 3\].*Received \[1, 2, 3\]"):
        Simulator(structure, COARSE)(lattice, sites[:, :2])


def test_coordinates_that_are_not_finite_are_refused() -> None:
    structure = load_structure("U2Ti")
    lattice, sites = to_tensors([structure])
    sites[0, 1, 2] = float("nan")
    with pytest.raises(StructureError, match="not finite"):
        Simulator(structure, COARSE)(lattice, sites)


def test_impossible_cells_are_refused() -> None:
    structure = load_structure("U2Ti")
    lattice, sites = to_tensors([structure])
    lattice[0, 3:] = torch.tensor([50.0, 50.0, 110.0])
    with pytest.raises(CellError, match="close no cell"):
        Simulator(structure, COARSE)(lattice, sites)


def test_a_cell_out_of_reach_of_its_list_is_refused() -> None:
    structure = load_structure("U2Ti")
    lattice, sites = to_tensors([structure])
    simulator = Simulator(structure, COARSE)
    with pytest.raises(CellError, match=r"left the reach.*simulator\.reflections\(lattice\)"):
        simulator(lattice * 1.01, sites, simulator.reflections(lattice))


def test_a_crystal_without_reflections_in_range_is_refused() -> None:
    with pytest.raises(CellError, match="no reflection"):
        simulate(carried("W"), Instrument(two_theta_max_deg=10.0))


def test_element_without_form_factor_is_refused() -> None:
    with pytest.raises(StructureError, match="No X-ray form factor is tabulated for Es"):
        Simulator(Structure(Lattice.cubic(4), ["Es"], [[0, 0, 0]]))
