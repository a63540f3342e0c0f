"""Finishing: to the true minimum in a few steps, in any parameters, and never up."""

import pytest
import torch
from tolerances import FINISHED, FINISHED_ANGLE, RULE

from xrdscape.analysis.evaluation import tight_match
from xrdscape.engine.blur import softened
from xrdscape.engine.pattern import Simulator
from xrdscape.engine.similarity import OBJECTIVES
from xrdscape.engine.structures import from_tensors, load_structure, to_tensors
from xrdscape.errors import DescentError, InstrumentError
from xrdscape.recovery.descent import Stage
from xrdscape.recovery.finish import finish
from xrdscape.recovery.noise import start
from xrdscape.recovery.parameterisation import ScaledLattice
from xrdscape.recovery.symmetric import SymmetricCrystal, symmetry_of


@pytest.fixture(scope="module")
def truth():  # type: ignore[no-untyped-def]
    return load_structure("MnOF")


@pytest.fixture(scope="module")
def stage(truth) -> Stage:  # type: ignore[no-untyped-def]
    simulator = Simulator(truth)
    return Stage(simulator, simulator(*to_tensors([truth]))[0])


def near(truth, noise: str = "lattice", level: float = 0.002, copies: int = 3):  # type: ignore[no-untyped-def]
    return to_tensors([start("MnOF", noise, level, copy, 3, truth) for copy in range(copies)])


def test_a_few_steps_go_all_the_way(truth, stage) -> None:  # type: ignore[no-untyped-def]
    lattice, sites = near(truth)
    ends = finish(stage, ScaledLattice.of(lattice, sites), lattice, sites)
    known = to_tensors([truth])[0].expand_as(lattice)
    free = [0, 1, 2, 4]
    torch.testing.assert_close(ends.lattice[:, free], known[:, free], rtol=FINISHED, atol=0)
    torch.testing.assert_close(ends.lattice, known, rtol=FINISHED_ANGLE, atol=0)
    torch.testing.assert_close(ends.loss, torch.full_like(ends.loss, -1.0))
    assert (ends.steps <= 10).all()
    assert torch.equal(ends.frac_coords, sites)


def test_float32_is_enough(truth, stage) -> None:  # type: ignore[no-untyped-def]
    lattice, sites = near(truth)
    single = Stage(Simulator(truth, dtype=torch.float32), stage.target.float())
    ends = finish(single, ScaledLattice.of(lattice.float(), sites.float()), lattice.float(), sites.float())
    known = to_tensors([truth])[0].expand_as(lattice)
    torch.testing.assert_close(ends.lattice.double(), known, rtol=FINISHED_ANGLE, atol=0)


def test_the_loss_is_the_cosine_of_what_is_compared(truth, stage) -> None:  # type: ignore[no-untyped-def]
    lattice, sites = near(truth, level=0.05)
    soft = Stage(stage.simulator, softened(stage.target, 40), 40)
    ends = finish(soft, ScaledLattice.of(lattice, sites), lattice, sites, max_steps=2)
    by_hand = OBJECTIVES["cosine"].loss(softened(stage.simulator(ends.lattice, sites), 40), soft.target)
    torch.testing.assert_close(ends.loss, by_hand)
    before = OBJECTIVES["cosine"].loss(softened(stage.simulator(lattice, sites), 40), soft.target)
    assert (ends.loss < before).all()
    assert ends.steps.tolist() == [2, 2, 2]


def test_a_sample_goes_its_own_way_whatever_its_company(truth, stage) -> None:  # type: ignore[no-untyped-def]
    lattice, sites = near(truth, level=0.05)
    together = finish(stage, ScaledLattice.of(lattice, sites), lattice, sites, max_steps=4)
    alone = finish(stage, ScaledLattice.of(lattice[1:2], sites[1:2]), lattice[1:2], sites[1:2], max_steps=4)
    torch.testing.assert_close(together.lattice[1:2], alone.lattice, rtol=RULE, atol=RULE)
    assert together.steps[1] == alone.steps[0]


@pytest.mark.parametrize("level", [0.002, 0.2])
def test_no_end_is_above_its_start(truth, stage, level: float) -> None:  # type: ignore[no-untyped-def]
    lattice, sites = near(truth, level=level)
    before = OBJECTIVES["cosine"].loss(stage.simulator(lattice, sites), stage.target)
    for steps in (1, 5):
        assert (finish(stage, ScaledLattice.of(lattice, sites), lattice, sites, max_steps=steps).loss <= before).all()


def test_a_family_is_kept(truth, stage) -> None:  # type: ignore[no-untyped-def]
    lattice, sites = near(truth)
    family = symmetry_of(truth).family
    ends = finish(stage, ScaledLattice.of(lattice, sites, family), lattice, sites)
    torch.testing.assert_close(ends.lattice, to_tensors([truth])[0].expand_as(lattice), rtol=FINISHED, atol=0)


def test_coordinates_and_cell_together(truth, stage) -> None:  # type: ignore[no-untyped-def]
    lattice, _ = near(truth)
    _, sites = near(truth, "coordinates", 0.005)
    moved = SymmetricCrystal.of(symmetry_of(truth), lattice, sites)
    ends = finish(stage, moved, lattice, sites, max_steps=15)
    assert all(
        tight_match(truth, from_tensors(truth, *end)) for end in zip(ends.lattice, ends.frac_coords, strict=True)
    )
    assert (ends.loss < -1 + 1e-9).all()


def test_what_is_refused(truth, stage) -> None:  # type: ignore[no-untyped-def]
    lattice, sites = near(truth)
    with pytest.raises(DescentError, match="max_steps >= 1"):
        finish(stage, ScaledLattice.of(lattice, sites), lattice, sites, max_steps=0)
    with pytest.raises(InstrumentError, match="zero everywhere"):
        finish(Stage(stage.simulator, 0 * stage.target), ScaledLattice.of(lattice, sites), lattice, sites)
