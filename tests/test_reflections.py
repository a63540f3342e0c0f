"""Which reflections are listed: complete, without repetition, and known to be complete while the cell moves."""

import numpy as np
import pytest
import torch
from crystals import CARRIED, COARSE, carried, parameters_of, random_lattice, strained
from pymatgen.core import Lattice

from xrdscape.crystal.cell import reciprocal_metric
from xrdscape.crystal.structures import to_tensors
from xrdscape.diffraction.pattern import Simulator
from xrdscape.diffraction.reflections import Reflections, enumerate_reflections, in_reach, joined
from xrdscape.errors import CellError

RADIUS = 0.92
"""1/angstrom; 2theta = 90 deg for copper radiation."""

Triples = set[tuple[int, ...]]


def listed(reflections: Reflections, index: int = 0) -> Triples:
    """The triples of one sample, each with its Friedel mate; none may be listed twice."""
    hkl = reflections.hkl[index][reflections.multiplicity[index] > 0].to(torch.int64)
    both = [tuple(row) for row in torch.cat([hkl, -hkl]).tolist()]
    assert len(set(both)) == len(both)
    return set(both)


def brute_force(lattice: Lattice, radius: float) -> Triples:
    """All triples in the sphere, from reciprocal vectors and a box that is far too large."""
    largest = int(2 * max(lattice.abc) * radius) + 3
    axis = np.arange(-largest, largest + 1)
    hkl = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    length = np.linalg.norm(hkl @ lattice.reciprocal_lattice_crystallographic.matrix, axis=1)
    return {tuple(row) for row in hkl[(length > 0) & (length <= radius)].tolist()}


def cell(lattice: Lattice) -> torch.Tensor:
    return torch.tensor([lattice.parameters], dtype=torch.float64)


@pytest.mark.parametrize("name", [name for name in CARRIED if name != "Bi2Te3"])
def test_complete_for_the_carried(name: str) -> None:
    lattice = carried(name).lattice
    assert listed(enumerate_reflections(cell(lattice), RADIUS)) == brute_force(lattice, RADIUS)


def test_complete_for_random_cells() -> None:
    rng = np.random.default_rng(1)
    for _ in range(15):
        lattice = random_lattice(rng)
        assert listed(enumerate_reflections(cell(lattice), RADIUS)) == brute_force(lattice, RADIUS)


def test_oblique_cell_keeps_what_rounding_would_lose() -> None:
    lattice = carried("triclinic_oblique").lattice
    reflections = listed(enumerate_reflections(cell(lattice), RADIUS))
    rounded = np.round(RADIUS / np.array(lattice.reciprocal_lattice_crystallographic.abc))
    beyond = {hkl for hkl in reflections if (np.abs(hkl) > rounded).any()}
    assert len(beyond) > 10
    assert listed(enumerate_reflections(cell(lattice), RADIUS)) == brute_force(lattice, RADIUS)


def test_batch_lists_are_those_of_singles_and_padding_counts_nothing() -> None:
    rng = np.random.default_rng(2)
    cells = torch.cat([cell(random_lattice(rng)) for _ in range(5)] + [cell(Lattice.cubic(3.0))])
    together = enumerate_reflections(cells, RADIUS)
    for i, single in enumerate(cells):
        alone = enumerate_reflections(single[None], RADIUS)
        assert listed(together, i) == listed(alone)
        assert set(alone.multiplicity[0].tolist()) == {2.0}
        padding = together.multiplicity[i] == 0
        assert int(padding.sum()) == together.hkl.shape[1] - alone.hkl.shape[1]
        assert bool((together.hkl[i][padding] == together.hkl[i, 0]).all())
    assert bool((together.multiplicity[-1] == 0).any())
    assert not bool((together.multiplicity == 0).all(0).any()), "no column may be padding for all"


def test_float32_cells_give_the_same_list_in_float32() -> None:
    lattice = cell(carried("CuO").lattice)
    single = enumerate_reflections(lattice.float(), RADIUS)
    assert single.hkl.dtype == single.multiplicity.dtype == torch.float32
    assert listed(single) == listed(enumerate_reflections(lattice, RADIUS))


def test_hkl_max_clips_the_complete_list() -> None:
    lattice = carried("CaCO3_calcite").lattice
    clipped = listed(enumerate_reflections(cell(lattice), RADIUS, hkl_max=6))
    full = brute_force(lattice, RADIUS)
    assert clipped == {hkl for hkl in full if max(map(abs, hkl)) <= 6}
    assert len(clipped) < len(full)


@pytest.mark.parametrize("reach", [1.02, 1.05, 1.2])
def test_superset_stays_complete_within_reach(reach: float) -> None:
    """Deformations whose largest stretch is just the reach, whatever they do otherwise."""
    rng = np.random.default_rng(3)
    entered = 0
    for _ in range(12):
        lattice = random_lattice(rng)
        reflections = enumerate_reflections(cell(lattice), RADIUS, reach)
        superset, fresh_at_anchor = listed(reflections), brute_force(lattice, RADIUS)
        for _ in range(4):
            deformation = np.eye(3) + rng.uniform(-0.3, 0.3, (3, 3))
            deformation *= reach / np.linalg.norm(deformation, 2)
            fresh = brute_force(Lattice(lattice.matrix @ deformation), RADIUS)
            assert fresh <= superset
            entered += len(fresh - fresh_at_anchor)
    assert entered > 0, "the deformations must be large enough to bring reflections in"


def test_without_reach_the_list_would_miss_some() -> None:
    lattice = Lattice.cubic(5.0)
    exact = listed(enumerate_reflections(cell(lattice), RADIUS))
    assert not brute_force(Lattice.cubic(5.0 * 1.05), RADIUS) <= exact


@pytest.mark.parametrize("reach", [1.0, 1.05, 1.3])
def test_in_reach_is_never_true_when_a_reflection_is_missing(reach: float) -> None:
    rng = np.random.default_rng(4)
    said_yes = missing = 0
    for _ in range(25):
        lattice = random_lattice(rng)
        reflections = enumerate_reflections(cell(lattice), RADIUS, reach)
        superset = listed(reflections)
        for largest in (1e-12, 0.005, 0.02, 0.06, 0.15, 0.4, 1.0):
            deformed = Lattice(strained(lattice.matrix, rng, largest))
            if deformed.volume < 8 or max(deformed.abc) > 15 or not _sensible(deformed):
                continue
            complete = brute_force(deformed, RADIUS) <= superset
            yes = bool(in_reach(reflections, cell(deformed)).all())
            assert complete or not yes
            said_yes += yes
            missing += not complete
    assert missing > 10, "the search must meet incomplete lists"
    assert said_yes > 10, "and must not be answered by always saying no"


def _sensible(lattice: Lattice) -> bool:
    return lattice.volume / np.prod(lattice.abc) > 0.05


@pytest.mark.parametrize("shear", [0.2, 0.5, 1.0, 2.0])
def test_a_sheared_cell_of_equal_volume_is_out_of_reach(shear: float) -> None:
    """A shear by a whole lattice vector describes the same lattice, but with other indices: the list does not hold."""
    lattice = Lattice.orthorhombic(4.0, 5.0, 6.0)
    reflections = enumerate_reflections(cell(lattice), RADIUS, 1.05)
    sheared = lattice.matrix.copy()
    sheared[1] += shear * sheared[0]
    assert not bool(in_reach(reflections, parameters_of(sheared)).any())
    assert not brute_force(Lattice(sheared), RADIUS) <= listed(reflections)


def test_in_reach_answers_for_each_sample() -> None:
    anchor = cell(Lattice.cubic(4.0)).repeat(4, 1)
    reflections = enumerate_reflections(anchor, RADIUS, 1.05)
    moved = anchor.clone()
    moved[1, 0] *= 1.04
    moved[2, 0] *= 1.06
    moved[3, 4] = float("nan")
    assert in_reach(reflections, moved).tolist() == [True, True, False, False]


def test_reach_one_holds_for_the_anchor_itself() -> None:
    rng = np.random.default_rng(5)
    cells = torch.cat([cell(random_lattice(rng)) for _ in range(50)])
    assert bool(in_reach(enumerate_reflections(cells, RADIUS), cells).all())


def test_select_keeps_samples_together() -> None:
    rng = np.random.default_rng(6)
    cells = torch.cat([cell(random_lattice(rng)) for _ in range(3)])
    reflections = enumerate_reflections(cells, RADIUS, 1.05)
    part = reflections.select(torch.tensor([True, False, True]))
    assert part.reach == reflections.reach
    torch.testing.assert_close(part.anchor, cells[[0, 2]])
    assert listed(part, 1) == listed(reflections, 2)
    torch.testing.assert_close(reflections.select(torch.tensor([2])).hkl, reflections.hkl[2:])


def test_every_listed_reflection_lies_in_the_widened_sphere() -> None:
    lattice = cell(carried("CuO").lattice)
    reflections = enumerate_reflections(lattice, RADIUS, 1.1)
    hkl = reflections.hkl[0]
    length = torch.sqrt(((hkl @ reciprocal_metric(lattice)[0]) * hkl).sum(-1))
    assert RADIUS < float(length.max()) <= 1.1 * RADIUS * (1 + 1e-6)


def test_a_cell_without_reflections_is_refused() -> None:
    cells = torch.cat([cell(Lattice.cubic(4.0)), cell(Lattice.cubic(1.0))])
    with pytest.raises(
        CellError, match=r"\(1\.0, 1\.0, 1\.0, 90.*no reflection with d above 1\.087.*shorter wavelength"
    ):
        enumerate_reflections(cells, RADIUS)
    with pytest.raises(CellError, match="no reflection"):
        enumerate_reflections(cells[1:], RADIUS)


def test_an_impossible_cell_is_refused() -> None:
    with pytest.raises(CellError, match="close no cell"):
        enumerate_reflections(torch.tensor([[4.0, 4.0, 4.0, 40.0, 40.0, 100.0]], dtype=torch.float64), RADIUS)


@pytest.mark.parametrize("scale", [0.7, 1.4])
def test_lists_of_some_samples_are_replaced(scale: float) -> None:
    """New lists may be shorter or longer than those that stay."""
    structure = carried("TiO2_rutile")
    simulator = Simulator(structure, COARSE)
    lattice, sites = to_tensors([structure] * 3)
    old = simulator.reflections(lattice)
    changed = lattice.clone()
    changed[1, :3] *= scale
    which = torch.tensor([False, True, False])
    fresh = simulator.reflections(changed[which])
    lists, sums = joined(
        which, (old, simulator.geometrical(old, sites)), (fresh, simulator.geometrical(fresh, sites[which]))
    )
    for place, one, own in ((0, old, 0), (1, fresh, 0), (2, old, 2)):
        count = int((one.multiplicity[own] > 0).sum())
        assert torch.equal(lists.hkl[place, :count], one.hkl[own, :count])
        assert torch.equal(lists.multiplicity[place, :count], one.multiplicity[own, :count])
        assert (lists.multiplicity[place, count:] == 0).all()
    torch.testing.assert_close(simulator.patterns(changed, lists, sums), simulator(changed, sites))
