"""Finishing: to the true minimum in a few steps, in any parameters, and never up."""

from dataclasses import replace

import pytest
import torch
from tolerances import FINISHED, FINISHED_ANGLE, RULE

from xrdscape.crystal.structures import from_tensors, load_structure, to_tensors
from xrdscape.crystal.symmetry import symmetry_of
from xrdscape.diffraction.pattern import Simulator
from xrdscape.errors import DescentError, InstrumentError
from xrdscape.evaluation.matching import tight_match
from xrdscape.optimisation.blur import softened
from xrdscape.optimisation.descent import Stage
from xrdscape.optimisation.objectives import OBJECTIVES
from xrdscape.optimisation.parameters import ScaledLattice
from xrdscape.optimisation.polish import polish
from xrdscape.optimisation.symmetric import SymmetricCrystal
from xrdscape.study.starts import start


@pytest.fixture(scope="module")
def reference():  # type: ignore[no-untyped-def]
    return load_structure("MnOF")


@pytest.fixture(scope="module")
def stage(reference) -> Stage:  # type: ignore[no-untyped-def]
    simulator = Simulator(reference)
    return Stage(simulator, simulator(*to_tensors([reference]))[0])


def near(reference, noise: str = "lattice", level: float = 0.002, copies: int = 3):  # type: ignore[no-untyped-def]
    return to_tensors([start("MnOF", noise, level, copy, 3, reference) for copy in range(copies)])


def test_a_few_steps_go_all_the_way(reference, stage) -> None:  # type: ignore[no-untyped-def]
    lattice, sites = near(reference)
    ends = polish(stage, ScaledLattice.of(lattice, sites), lattice, sites)
    known = to_tensors([reference])[0].expand_as(lattice)
    free = [0, 1, 2, 4]
    torch.testing.assert_close(ends.lattice[:, free], known[:, free], rtol=FINISHED, atol=0)
    torch.testing.assert_close(ends.lattice, known, rtol=FINISHED_ANGLE, atol=0)
    torch.testing.assert_close(ends.loss, torch.full_like(ends.loss, -1.0))
    assert (ends.steps <= 10).all()
    assert torch.equal(ends.frac_coords, sites)


def test_float32_is_enough(reference, stage) -> None:  # type: ignore[no-untyped-def]
    lattice, sites = near(reference)
    single = Stage(Simulator(reference, dtype=torch.float32), stage.target.float())
    ends = polish(single, ScaledLattice.of(lattice.float(), sites.float()), lattice.float(), sites.float())
    known = to_tensors([reference])[0].expand_as(lattice)
    torch.testing.assert_close(ends.lattice.double(), known, rtol=FINISHED_ANGLE, atol=0)


def test_the_loss_is_the_cosine_of_what_is_compared(reference, stage) -> None:  # type: ignore[no-untyped-def]
    lattice, sites = near(reference, level=0.05)
    soft = Stage(stage.simulator, softened(stage.target, 40), 40)
    ends = polish(soft, ScaledLattice.of(lattice, sites), lattice, sites, max_steps=2)
    by_hand = OBJECTIVES["cosine"].loss(softened(stage.simulator(ends.lattice, sites), 40), soft.target)
    torch.testing.assert_close(ends.loss, by_hand)
    before = OBJECTIVES["cosine"].loss(softened(stage.simulator(lattice, sites), 40), soft.target)
    assert (ends.loss < before).all()
    assert ends.steps.tolist() == [2, 2, 2]


def test_a_sample_goes_its_own_way_whatever_its_batch(reference, stage) -> None:  # type: ignore[no-untyped-def]
    lattice, sites = near(reference, level=0.05)
    together = polish(stage, ScaledLattice.of(lattice, sites), lattice, sites, max_steps=4)
    alone = polish(stage, ScaledLattice.of(lattice[1:2], sites[1:2]), lattice[1:2], sites[1:2], max_steps=4)
    torch.testing.assert_close(together.lattice[1:2], alone.lattice, rtol=RULE, atol=RULE)
    assert together.steps[1] == alone.steps[0]


@pytest.mark.parametrize("level", [0.002, 0.2])
def test_no_end_is_above_its_start(reference, stage, level: float) -> None:  # type: ignore[no-untyped-def]
    lattice, sites = near(reference, level=level)
    before = OBJECTIVES["cosine"].loss(stage.simulator(lattice, sites), stage.target)
    for steps in (1, 5):
        assert (polish(stage, ScaledLattice.of(lattice, sites), lattice, sites, max_steps=steps).loss <= before).all()


def test_a_family_is_kept(reference, stage) -> None:  # type: ignore[no-untyped-def]
    lattice, sites = near(reference)
    family = symmetry_of(reference).family
    ends = polish(stage, ScaledLattice.of(lattice, sites, family), lattice, sites)
    torch.testing.assert_close(ends.lattice, to_tensors([reference])[0].expand_as(lattice), rtol=FINISHED, atol=0)


def test_coordinates_and_cell_together(reference, stage) -> None:  # type: ignore[no-untyped-def]
    lattice, _ = near(reference)
    _, sites = near(reference, "coordinates", 0.005)
    moved = SymmetricCrystal.of(symmetry_of(reference), lattice, sites)
    ends = polish(stage, moved, lattice, sites, max_steps=15)
    assert all(
        tight_match(reference, from_tensors(reference, *end))
        for end in zip(ends.lattice, ends.frac_coords, strict=True)
    )
    assert (ends.loss < -1 + 1e-9).all()


def test_what_is_refused(reference, stage) -> None:  # type: ignore[no-untyped-def]
    lattice, sites = near(reference)
    with pytest.raises(DescentError, match="max_steps >= 1"):
        polish(stage, ScaledLattice.of(lattice, sites), lattice, sites, max_steps=0)
    with pytest.raises(InstrumentError, match="zero everywhere"):
        polish(replace(stage, target=0 * stage.target), ScaledLattice.of(lattice, sites), lattice, sites)
    with pytest.raises(DescentError, match="weighs all points alike"):
        polish(replace(stage, weights=stage.target), ScaledLattice.of(lattice, sites), lattice, sites)
