"""Graduated descent: it finds what plain descent does not, alone or in a batch, and knows what it cannot do."""

from dataclasses import replace

import pytest
import torch
from tolerances import COARSE_GRID, RULE

from xrdscape.crystal.families import detect_family
from xrdscape.crystal.structures import from_tensors, load_structure, structures_from_tensors, to_tensors
from xrdscape.diffraction.pattern import Simulator
from xrdscape.errors import DescentError
from xrdscape.evaluation.matching import tight_match
from xrdscape.optimisation.blur import blurred, half_width
from xrdscape.optimisation.descent import Descent, Schedule, Stage, constant, init
from xrdscape.optimisation.fused_steps import steps_at_once
from xrdscape.optimisation.graduated import Narrowing, blurred_stage, graduated, narrowing_stages
from xrdscape.optimisation.loop import DescentResult, run_descent
from xrdscape.optimisation.objectives import OBJECTIVES
from xrdscape.optimisation.parameters import CoordinateParameters, LatticeParameters, ScaledLattice
from xrdscape.optimisation.problem import Problem
from xrdscape.optimisation.published import published_descent
from xrdscape.optimisation.rules import PLAIN, Adam
from xrdscape.study.problems import problem_of
from xrdscape.study.starts import start

NAME, LEVEL, COPIES = "U2Ti", 0.1, 4
SHORT = Narrowing(stages=3, steps=4, last_steps=5)


@pytest.fixture(scope="module")
def reference():  # type: ignore[no-untyped-def]
    return load_structure(NAME)


@pytest.fixture(scope="module")
def starts(reference):  # type: ignore[no-untyped-def]
    return [start(NAME, "lattice", LEVEL, copy, 0, reference) for copy in range(COPIES)]


@pytest.fixture(scope="module")
def problem(reference) -> Problem:  # type: ignore[no-untyped-def]
    return problem_of(reference)


@pytest.fixture(scope="module")
def stage(problem: Problem) -> Stage:
    return Stage.of(problem, problem.simulator())


def test_it_solves_what_plain_descent_does_not(reference, starts, problem) -> None:  # type: ignore[no-untyped-def]
    def found(result: DescentResult) -> list[bool]:
        refined = structures_from_tensors(reference, result.lattice, result.frac_coords)
        return [tight_match(reference, model) for model in refined]

    result = graduated(problem, *to_tensors(starts))
    assert all(found(result))
    assert (result.loss < -0.9999).all()
    schedule = Schedule(1e-2, int(result.steps.max()))
    assert not any(found(published_descent(problem, starts, "lattice", OBJECTIVES["cosine"], schedule)))


def test_a_sample_goes_its_own_way_whatever_its_batch(starts, problem) -> None:  # type: ignore[no-untyped-def]
    together = graduated(problem, *to_tensors(starts), narrowing=SHORT)
    alone = graduated(problem, *to_tensors(starts[2:3]), narrowing=SHORT)
    torch.testing.assert_close(together.lattice[2:3], alone.lattice, rtol=RULE, atol=RULE)


def test_it_stays_in_the_family(reference, starts, problem) -> None:  # type: ignore[no-untyped-def]
    result = graduated(problem, *to_tensors(starts), family=detect_family(reference), narrowing=SHORT)
    a, b, _, alpha, beta, gamma = result.lattice.double().unbind(-1)
    torch.testing.assert_close(a, b, rtol=1e-6, atol=0)
    for angle, value in ((alpha, 90.0), (beta, 90.0), (gamma, 120.0)):
        torch.testing.assert_close(angle, torch.full_like(angle, value), rtol=1e-6, atol=0)


def test_the_scale_of_the_target_does_not_matter(starts, problem) -> None:  # type: ignore[no-untyped-def]
    scaled = replace(problem, target=1024 * problem.target)
    one, other = (graduated(each, *to_tensors(starts), narrowing=SHORT) for each in (problem, scaled))
    torch.testing.assert_close(one.lattice, other.lattice)


def test_blurs_narrow_by_equal_factors_and_end(stage: Stage) -> None:
    narrowing = Narrowing(widest_deg=4.0, narrowest_deg=1.0, stages=3, steps=10)
    assert narrowing.widths_deg == pytest.approx([4.0, 2.0, 1.0])
    assert Narrowing(stages=1).widths_deg == [Narrowing.widest_deg]
    stages = narrowing_stages(stage, narrowing)
    halves = [half_width(width, stages(0).simulator.instrument.step_deg) for width in (4.0, 2.0, 1.0)]
    assert [stages(step).blur for step in (0, 9, 10, 29, 30, 500)] == [halves[0], halves[0], *halves[1:], 0, 0]
    assert stages(30) is stage
    assert stages(3) is stages(7), "a stage that changes makes the best seen start afresh"
    unblurred = narrowing_stages(stage, Narrowing(stages=0))
    assert [unblurred(step).blur for step in (0, 1000)] == [0, 0]


@pytest.mark.parametrize("width_deg", [0.1, 0.5, 3.0, 10.0])
def test_a_coarse_grid_sees_the_same_blurred_pattern(reference, starts, width_deg: float) -> None:  # type: ignore[no-untyped-def]
    """Both patterns of a stage are blurred by the same amount, though one on the fine grid and one on the coarse."""
    simulator = Simulator(reference)
    stage = blurred_stage(Stage(simulator, simulator(*to_tensors([reference]))[0]), width_deg)
    assert stage.simulator.instrument.step_deg > 5 * simulator.instrument.step_deg
    assert len(stage.target) == stage.simulator.instrument.n_steps
    coarse = blurred(stage.simulator(*to_tensors([reference]))[0], stage.blur)
    # At the ends the fine average takes in up to four bins that no coarse bin stands for.
    inner = slice(3 * stage.blur + 1, -3 * stage.blur - 1)
    torch.testing.assert_close(coarse[inner], stage.target[inner], rtol=0, atol=COARSE_GRID * float(stage.target.max()))
    middle = stage.simulator.two_theta_deg[5]
    assert float(simulator.two_theta_deg[5 * 9 + 4]) == pytest.approx(float(middle))


@pytest.mark.parametrize(
    "settings", [{"widest_deg": 0.1}, {"narrowest_deg": 0.0}, {"stages": -1}, {"steps": 0}, {"last_steps": 0}]
)
def test_an_impossible_narrowing_is_refused(settings: dict[str, float]) -> None:
    with pytest.raises(DescentError, match="A blur narrows from widest_deg to narrowest_deg"):
        Narrowing(**settings)  # type: ignore[arg-type]


def test_parameters_of_one_scale(reference, starts) -> None:  # type: ignore[no-untyped-def]
    lattice, sites = to_tensors(starts)
    scaled = ScaledLattice.of(lattice, sites)
    parameters = scaled.start(lattice, sites)
    torch.testing.assert_close(parameters[:, :3], torch.ones_like(parameters[:, :3]))
    torch.testing.assert_close(parameters[:, 3:], torch.deg2rad(lattice[:, 3:]))
    torch.testing.assert_close(scaled.crystal(parameters)[0], lattice)
    for family in ("cubic", "hexagonal", "monoclinic"):
        projected = ScaledLattice.of(lattice, sites, family)
        published = LatticeParameters(sites, family)
        cells = projected.crystal(projected.start(lattice, sites))[0]
        torch.testing.assert_close(cells, published.start(lattice, sites))
    flat = parameters.clone()
    flat[0, 0] = -1.0
    assert scaled.possible(flat).tolist() == [False, True, True, True]


def test_adam_and_blurs_are_taken_step_by_step(starts, stage) -> None:  # type: ignore[no-untyped-def]
    lattice, sites = to_tensors(starts, dtype=torch.float32)
    soft = replace(stage, target=blurred(stage.target, 9), blur=9)
    for each, rule, together in ((stage, PLAIN, True), (stage, Adam(), False), (soft, PLAIN, False)):
        descent = Descent(constant(each), OBJECTIVES["cosine"], Schedule(1e-2, 50, rule=rule))
        assert (steps_at_once(descent, init(descent, LatticeParameters(sites), lattice, sites), 20) > 1) == together


def test_a_blur_is_refused_where_the_cell_stays(reference, stage) -> None:  # type: ignore[no-untyped-def]
    lattice, sites = to_tensors([reference], dtype=torch.float32)
    descent = Descent(constant(replace(stage, blur=5)), OBJECTIVES["cosine"], Schedule(1e-4, 5))
    with pytest.raises(DescentError, match="A blur is for cells that move"):
        init(descent, CoordinateParameters(lattice), lattice, sites)


def test_an_interrupted_run_goes_on_with_its_memory(reference, starts, stage, tmp_path) -> None:  # type: ignore[no-untyped-def]
    lattice, sites = to_tensors(starts, dtype=torch.float32)
    schedule = Schedule(2e-3, SHORT.stages * SHORT.steps + SHORT.last_steps, rule=Adam())
    descent = Descent(narrowing_stages(stage, SHORT), OBJECTIVES["cosine"], schedule)
    whole = run_descent(descent, ScaledLattice.of(lattice, sites), lattice, sites)
    stages, seen = descent.stage, []

    def interrupted(step: int) -> Stage:
        seen.append(step)
        if step == 7 and seen.count(7) == 1:
            raise KeyboardInterrupt
        return stages(step)

    kept = tmp_path / "run.pt"
    broken = replace(descent, stage=interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_descent(broken, ScaledLattice.of(lattice, sites), lattice, sites, resume_file=kept)
    resumed = run_descent(broken, ScaledLattice.of(lattice, sites), lattice, sites, resume_file=kept)
    assert torch.equal(resumed.lattice, whole.lattice)
    assert from_tensors(reference, resumed.lattice[0].double(), sites[0].double()).is_valid()
