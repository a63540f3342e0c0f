"""The descent: its step by hand, independence of samples, stopping, the best seen, interruption, and recovery."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch
from crystals import carried
from tolerances import RECOVERED, ROUNDING
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from xrdscape.crystal.families import project
from xrdscape.crystal.structures import load_structure, to_tensors
from xrdscape.diffraction import pattern, peaks
from xrdscape.diffraction.instrument import Instrument
from xrdscape.diffraction.pattern import Simulator
from xrdscape.errors import CellError, DescentError, RecordError
from xrdscape.optimisation import descent, fixed_cell, moving_cell
from xrdscape.optimisation.descent import Descent, Schedule, Stage, State, constant, init, step
from xrdscape.optimisation.loop import DescentResult, run_descent
from xrdscape.optimisation.objectives import OBJECTIVES, Objective
from xrdscape.optimisation.parameters import CoordinateParameters, LatticeParameters

FAST = Instrument(two_theta_min_deg=10.0, step_deg=0.2)
COSINE = OBJECTIVES["cosine"]
BATCH = 4


@dataclass(frozen=True)
class Case:
    """A small descent that is ready to run: U2Ti and some starts near it."""

    simulator: Simulator
    target: Tensor
    reference: Tensor
    lattice: Tensor
    sites: Tensor

    def descent(self, learning_rate: float = 1e-3, objective: Objective = COSINE, **schedule: float) -> Descent:
        return Descent(
            constant(Stage(self.simulator, self.target)),
            objective,
            Schedule(learning_rate, **schedule),  # type: ignore[arg-type]
        )

    def run_descent(self, descent: Descent, parameterisation: object = None, **options: object) -> DescentResult:
        moved = parameterisation or LatticeParameters(self.sites)
        return run_descent(descent, moved, self.lattice, self.sites, **options)  # type: ignore[arg-type]

    def part(self, keep: list[int]) -> "Case":
        return replace(self, lattice=self.lattice[keep], sites=self.sites[keep])


def make_case(strain: float = 0.02, dtype: torch.dtype = torch.float64, instrument: Instrument = FAST) -> Case:
    structure = load_structure("U2Ti")
    simulator = Simulator(structure, instrument, dtype=dtype)
    reference, sites = to_tensors([structure], dtype)
    generator = torch.Generator().manual_seed(3)
    noise = 2 * torch.rand(BATCH, 6, dtype=torch.float64, generator=generator) - 1
    lattice = reference * (1 + strain * noise.to(dtype))
    return Case(simulator, simulator(reference, sites)[0], reference, lattice, sites.repeat(BATCH, 1, 1))


def assert_same_run(result: DescentResult, expected: DescentResult) -> None:
    """Bit for bit, but for the time it took."""
    for name in ("lattice", "frac_coords", "loss", "start_loss", "steps"):
        assert torch.equal(getattr(result, name), getattr(expected, name)), name
    assert result.stop_reason == expected.stop_reason
    assert (result.trajectory is None) == (expected.trajectory is None)
    if result.trajectory and expected.trajectory:
        assert torch.equal(result.trajectory.steps, expected.trajectory.steps)
        for name in ("parameters", "loss"):
            ours, theirs = getattr(result.trajectory, name), getattr(expected.trajectory, name)
            torch.testing.assert_close(ours, theirs, rtol=0, atol=0, equal_nan=True)


@contextmanager
def watched(before_call: Callable[[int], None]) -> Iterator[None]:
    """Let a function hear of each evaluation of a loss, counted from 0, before it happens. Steps are taken singly."""
    calls, evaluate = iter(range(10**9)), descent.evaluate

    def watch(descent: Descent, state: State) -> tuple[Tensor, Tensor]:
        before_call(next(calls))
        return evaluate(descent, state)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(descent, "evaluate", watch)
        patch.setattr("xrdscape.optimisation.loop.steps_at_once", lambda descent, state, most: 0)
        yield


# One step by hand.


@pytest.mark.parametrize("family", [None, "hexagonal"])
@pytest.mark.parametrize("learning_rate", [1e-3, 1.0])
def test_lattice_step_by_hand(family: str | None, learning_rate: float) -> None:
    """p - lr g, but one per cent where that is over a tenth; then projected. A rate of 1 makes some moves too large."""
    case = make_case()
    descent = case.descent(learning_rate)
    state = step(descent, init(descent, LatticeParameters(case.sites, family), case.lattice, case.sites))
    start = project(case.lattice, family) if family else case.lattice
    x = start.clone().requires_grad_()
    loss = COSINE.loss(case.simulator(x, case.sites), case.target)
    (gradient,) = torch.autograd.grad(loss.sum(), x)
    expected, clamped = start.clone(), 0
    for b in range(BATCH):
        for i in range(6):
            move = -learning_rate * float(gradient[b, i])
            if abs(move) > 0.1 * float(start[b, i]):
                move = 0.01 * float(start[b, i]) * (1 if move > 0 else -1)
                clamped += 1
            expected[b, i] += move
    assert (clamped > 0) == (learning_rate == 1.0)
    expected = project(expected, family) if family else expected
    torch.testing.assert_close(state.parameters, expected, rtol=ROUNDING, atol=0)
    torch.testing.assert_close(state.loss, loss, rtol=ROUNDING, atol=0)
    assert torch.equal(state.best_parameters, start)
    assert state.step == 1


def test_coordinate_step_by_hand() -> None:
    case = make_case()
    generator = torch.Generator().manual_seed(1)
    sites = case.sites + 0.03 * torch.randn(case.sites.shape, dtype=torch.float64, generator=generator)
    lattice = case.reference.repeat(BATCH, 1)
    descent = case.descent(2.0)
    state = step(descent, init(descent, CoordinateParameters(lattice), lattice, sites))
    x = sites.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(COSINE.loss(case.simulator(lattice, x), case.target).sum(), x)
    move = -2.0 * gradient
    large = move.abs() > 0.1
    assert bool(large.any())
    assert not bool(large.all())
    expected = sites + torch.where(large, torch.sign(move) * 0.001 * sites.abs(), move)
    torch.testing.assert_close(state.parameters, expected, rtol=ROUNDING, atol=ROUNDING)


def test_step_and_init_leave_their_arguments_alone() -> None:
    case = make_case()
    descent = case.descent()
    lattice = case.lattice.clone()
    first = init(descent, LatticeParameters(case.sites), case.lattice, case.sites)
    parameters = first.parameters.clone()
    once, again = step(descent, first), step(descent, first)
    assert torch.equal(first.parameters, parameters)
    assert torch.equal(case.lattice, lattice)
    assert torch.equal(once.parameters, again.parameters)


def test_snap_is_init_and_steps() -> None:
    case = make_case()
    descent = case.descent(max_steps=5)
    state = init(descent, LatticeParameters(case.sites), case.lattice, case.sites)
    for _ in range(5):
        state = step(descent, state)
    result = case.run_descent(descent)
    assert torch.equal(result.lattice, state.best_parameters)
    assert torch.equal(result.loss, state.best_loss)
    assert result.steps.tolist() == [5] * BATCH
    assert set(result.stop_reason) == {"out of steps"}
    torch.testing.assert_close(
        result.start_loss, COSINE.loss(case.simulator(case.lattice, case.sites), case.target), rtol=ROUNDING, atol=0
    )


# Samples stand alone.


def test_samples_do_not_influence_each_other() -> None:
    """Alone, in pairs or all together; some leave long before others."""
    case = make_case(0.01)
    descent = case.descent(3e-4, max_steps=60, check_every=3, tolerance=1e-3)
    together = case.run_descent(descent, LatticeParameters(case.sites, "hexagonal"))
    assert len(set(together.steps.tolist())) > 1, "the starts must stop at different times for this to show anything"
    for keep in ([0], [1], [2, 3], [3, 0]):
        part = case.part(keep)
        alone = part.run_descent(descent, LatticeParameters(part.sites, "hexagonal"))
        torch.testing.assert_close(alone.lattice, together.lattice[keep], rtol=1e-8, atol=0)
        torch.testing.assert_close(alone.loss, together.loss[keep], rtol=1e-8, atol=0)
        assert alone.steps.tolist() == together.steps[keep].tolist()
        assert alone.stop_reason == tuple(together.stop_reason[i] for i in keep)


# Stopping, on losses that are written down in advance.


def scripted(case: Case, losses: list[list[float]]) -> Objective:
    """An objective that says sample i has losses[i][k] at the k-th evaluation, whatever the crystal, with no gradient.

    Nothing moves then, so that a sample is known by its pattern after others have left the batch.
    """
    signature = case.simulator(case.lattice, case.sites).sum(-1)
    step_number = iter(range(10**9))

    def loss(pattern: Tensor, target: Tensor) -> Tensor:
        k = next(step_number)
        who = (pattern.detach().sum(-1)[:, None] - signature).abs().argmin(-1).tolist()
        values = torch.tensor([losses[i][min(k, len(losses[i]) - 1)] for i in who], dtype=pattern.dtype)
        return values + 0 * pattern.sum(-1)

    return Objective("scripted", "Scripted", loss, loss)


def test_each_sample_stops_by_its_own_progress() -> None:
    case = make_case()
    falling = [1 - 0.01 * k for k in range(40)]
    losses = [
        [1.0] * 40,  # never improves: the first test ends it
        falling[:12] + [falling[11]] * 28,  # improves until step 11: the third test (10 to 15: 0.01), then the fourth
        falling,  # improves until the end
        falling[:3] + [5.0] * 20 + [0.5] + [5.0] * 20,  # best at 2; worse after that does not count as progress
    ]
    descent = case.descent(objective=scripted(case, losses), max_steps=30, check_every=5, tolerance=0.005)
    result = case.run_descent(descent)
    # The test due at step k happens with that step's evaluation, so that k + 1 evaluations were made.
    assert result.steps.tolist() == [6, 21, 30, 11]
    assert result.stop_reason == ("converged", "converged", "out of steps", "converged")
    torch.testing.assert_close(result.loss, torch.tensor([1.0, 0.89, 0.71, 0.98], dtype=torch.float64))
    torch.testing.assert_close(result.start_loss, torch.ones(4, dtype=torch.float64))


@pytest.mark.parametrize(("improvement", "stops"), [(0.0011, False), (0.0009, True)])
def test_the_tolerance_is_on_the_best_loss_between_two_tests(improvement: float, stops: bool) -> None:
    case = make_case()
    losses = [[1.0] * 5 + [1.0 - improvement] * 5 + [0.5] * 30] * BATCH
    descent = case.descent(objective=scripted(case, losses), max_steps=9, check_every=7, tolerance=0.001)
    result = case.run_descent(descent)
    assert result.stop_reason == (("converged",) if stops else ("out of steps",)) * BATCH


def test_a_loss_that_is_not_a_number_ends_its_sample_and_keeps_its_best() -> None:
    case = make_case()
    losses = [[3.0, 2.0, float("nan"), 0.0], [3.0, 2.0, 1.0, 0.0], [float("nan")], [1.0, float("inf"), 0.0]]
    result = case.run_descent(case.descent(objective=scripted(case, losses), max_steps=4))
    assert result.stop_reason == ("loss not finite", "out of steps", "loss not finite", "loss not finite")
    assert result.steps.tolist() == [3, 4, 1, 2]
    assert result.loss.tolist() == [2.0, 0.0, float("inf"), 1.0]
    torch.testing.assert_close(result.lattice, case.lattice)


@dataclass(frozen=True)
class Pushed(LatticeParameters):
    """Moves that are given, not found: each sample's angle gamma grows by its own amount a step."""

    push_deg: Tensor = field(default_factory=lambda: torch.zeros(0))

    def limit(self, parameters: Tensor, move: Tensor) -> Tensor:
        given = torch.zeros_like(move)
        given[:, 5] = self.push_deg
        return given

    def select(self, keep: Tensor) -> "Pushed":
        return Pushed(self.frac_coords[keep], self.family, self.clamp, self.push_deg[keep])


def test_an_impossible_cell_ends_its_sample_and_the_best_is_kept() -> None:
    """Away from the truth in steps of 25 deg: 120, 145, 170, and 195 is no cell; the others go on."""
    case = make_case()
    lattice = case.reference.repeat(BATCH, 1)
    push = torch.tensor([0.0, 25.0, 0.1, -0.1], dtype=torch.float64)
    result = run_descent(
        case.descent(max_steps=8), Pushed(case.sites, push_deg=push), lattice, case.sites, record_every=1
    )
    assert result.stop_reason == ("out of steps", "impossible cell", "out of steps", "out of steps")
    assert result.steps.tolist() == [8, 3, 8, 8]
    torch.testing.assert_close(result.lattice, lattice)
    torch.testing.assert_close(result.loss, torch.full_like(result.loss, -1))
    assert result.trajectory is not None
    assert result.trajectory.parameters[:3, 1, 5].tolist() == pytest.approx([120, 145, 170])
    assert bool(result.trajectory.parameters[3:, 1].isnan().all())
    assert bool(result.trajectory.loss[3:, 1].isnan().all())
    assert bool(result.trajectory.loss[:, [0, 2, 3]].isfinite().all())


def test_cells_that_leave_the_reach_of_their_list_get_a_new_one() -> None:
    """Growing by a fifth in all: the losses on the way are those of lists that are made afresh each time."""

    @dataclass(frozen=True)
    class Growing(LatticeParameters):
        def limit(self, parameters: Tensor, move: Tensor) -> Tensor:
            return parameters * torch.tensor([0.02, 0.01, 0.015, 0, 0, 0.005], dtype=parameters.dtype)

        def select(self, keep: Tensor) -> "Growing":
            return Growing(self.frac_coords[keep])

    case = make_case()
    result = case.run_descent(case.descent(max_steps=10), Growing(case.sites), record_every=1)
    assert result.trajectory is not None
    for parameters, loss in zip(result.trajectory.parameters, result.trajectory.loss, strict=True):
        fresh = COSINE.loss(case.simulator(parameters, case.sites), case.target)
        torch.testing.assert_close(loss, fresh, rtol=1e-9, atol=0)


# The best seen and the trajectory.


def test_the_best_crystal_seen_is_returned_not_the_last() -> None:
    """A rate so large that the descent goes past the best and comes back."""
    case = make_case(0.005)
    result = case.run_descent(case.descent(0.05, max_steps=40), record_every=1)
    assert result.trajectory is not None
    loss, parameters = result.trajectory.loss, result.trajectory.parameters
    assert bool((loss[-1] > loss.amin(0)).any()), "otherwise the last would be the best"
    assert torch.equal(result.loss, loss.amin(0))
    best = loss.argmin(0)
    assert torch.equal(result.lattice, parameters[best, torch.arange(BATCH)])
    assert torch.equal(result.start_loss, loss[0])


def test_trajectory_holds_every_stride_th_step_with_its_own_loss() -> None:
    case = make_case()
    descent = case.descent(max_steps=11)
    every, third = case.run_descent(descent, record_every=1), case.run_descent(descent, record_every=3)
    assert every.trajectory is not None
    assert third.trajectory is not None
    assert every.trajectory.steps.tolist() == list(range(11))
    assert third.trajectory.steps.tolist() == [0, 3, 6, 9]
    assert torch.equal(third.trajectory.parameters, every.trajectory.parameters[::3])
    assert torch.equal(third.trajectory.loss, every.trajectory.loss[::3])
    torch.testing.assert_close(every.trajectory.parameters[0], case.lattice)
    for parameters, loss in zip(every.trajectory.parameters, every.trajectory.loss, strict=True):
        expected = COSINE.loss(case.simulator(parameters, case.sites), case.target)
        torch.testing.assert_close(loss, expected, rtol=1e-9, atol=0)
    assert case.run_descent(descent).trajectory is None


# Interruption.


class KilledError(Exception):
    """Stands for the end of a process that had no time to save."""


def interruptible(case: Case, objective: Objective = COSINE, learning_rate: float = 3e-4) -> Descent:
    """Some samples converge on the way, some do not."""
    return case.descent(learning_rate, objective, max_steps=50, check_every=3, tolerance=1e-3)


def stop_at(call: int, error: type[BaseException]) -> Callable[[int], None]:
    def check(k: int) -> None:
        if k == call:
            raise error

    return check


PARAMETERISATIONS: dict[str, Callable[[Case], object]] = {
    "lattice": lambda case: LatticeParameters(case.sites, "hexagonal"),
    "coordinates": lambda case: CoordinateParameters(case.lattice),
}


RATES = {"lattice": 3e-4, "coordinates": 0.1}


@pytest.mark.parametrize(
    ("kind", "call"),
    [("lattice", 0), ("lattice", 1), ("lattice", 22), ("lattice", 37), ("coordinates", 0), ("coordinates", 5)],
)
def test_an_interrupted_run_resumes_to_the_same_result(tmp_path: Path, kind: str, call: int) -> None:
    case = make_case(0.01)
    if kind == "coordinates":
        generator = torch.Generator().manual_seed(1)
        noise = torch.randn(case.sites.shape, dtype=torch.float64, generator=generator)
        case = replace(case, lattice=case.reference.repeat(BATCH, 1), sites=case.sites + 0.03 * noise)
    parameterisation = PARAMETERISATIONS[kind](case)
    whole = case.run_descent(interruptible(case, COSINE, RATES[kind]), parameterisation, record_every=4)
    assert len(set(whole.steps.tolist())) > 1
    resume_file = tmp_path / "run.pt"
    descent = interruptible(case, COSINE, RATES[kind])
    with watched(stop_at(call, KeyboardInterrupt)), pytest.raises(KeyboardInterrupt):
        case.run_descent(descent, parameterisation, record_every=4, resume_file=resume_file)
    assert resume_file.exists()
    calls: list[int] = []
    with watched(calls.append):
        resumed = case.run_descent(descent, parameterisation, record_every=4, resume_file=resume_file)
    assert_same_run(resumed, whole)
    assert len(calls) == int(whole.steps.max()) - call, "what was done is not done again"
    assert not resume_file.exists()


def test_a_killed_run_resumes_from_its_last_saving(tmp_path: Path) -> None:
    case = make_case(0.01)
    parameterisation = LatticeParameters(case.sites, "hexagonal")
    whole = case.run_descent(interruptible(case), parameterisation, record_every=7)
    resume_file = tmp_path / "run.pt"
    with watched(stop_at(22, KilledError)), pytest.raises(KilledError):
        case.run_descent(
            interruptible(case), parameterisation, record_every=7, resume_file=resume_file, save_every_s=0.0
        )
    assert_same_run(
        case.run_descent(interruptible(case), parameterisation, record_every=7, resume_file=resume_file), whole
    )


def test_a_run_may_be_interrupted_twice(tmp_path: Path) -> None:
    case = make_case(0.01)
    parameterisation = LatticeParameters(case.sites, "hexagonal")
    resume_file = tmp_path / "run.pt"
    for _ in range(2):
        with watched(stop_at(11, KeyboardInterrupt)), pytest.raises(KeyboardInterrupt):
            case.run_descent(interruptible(case), parameterisation, resume_file=resume_file)
    resumed = case.run_descent(interruptible(case), parameterisation, resume_file=resume_file)
    assert_same_run(resumed, case.run_descent(interruptible(case), parameterisation))


def other_settings(case: Case) -> dict[str, tuple[Case, Descent, object, int]]:
    """The run of the test below with one thing changed at a time."""
    descent, moved = interruptible(case), LatticeParameters(case.sites)
    shifted = replace(case, sites=case.sites + 0.01)
    narrow = replace(case, simulator=case.simulator.with_instrument(replace(FAST, W=0.2)))
    return {
        "start": (replace(case, lattice=case.lattice * 1.001), descent, moved, 0),
        "fixed sites": (shifted, descent, LatticeParameters(shifted.sites), 0),
        "target": (case, interruptible(replace(case, target=case.target * 2)), moved, 0),
        "instrument": (narrow, interruptible(narrow), moved, 0),
        "rate": (case, case.descent(2e-3, max_steps=50, check_every=3, tolerance=1e-3), moved, 0),
        "objective": (case, interruptible(case, OBJECTIVES["entropy"]), moved, 0),
        "clamp": (case, descent, LatticeParameters(case.sites, clamp=False), 0),
        "family": (case, descent, LatticeParameters(case.sites, "triclinic"), 0),
        "stride": (case, descent, moved, 5),
    }


@pytest.mark.parametrize("what", other_settings(make_case()))
def test_a_resume_file_of_other_settings_is_refused(tmp_path: Path, what: str) -> None:
    case = make_case()
    resume_file = tmp_path / "run.pt"
    with watched(stop_at(2, KeyboardInterrupt)), pytest.raises(KeyboardInterrupt):
        case.run_descent(interruptible(case), resume_file=resume_file)
    other, descent, moved, fused_steps = other_settings(case)[what]
    with pytest.raises(RecordError, match="belongs to a run with other settings"):
        other.run_descent(descent, moved, resume_file=resume_file, record_every=fused_steps)
    assert resume_file.exists(), "a refusal must not destroy the other run's file"


# Stages.


def annealed(case: Case, wide: Stage, switch: int) -> Callable[[int], Stage]:
    narrow = Stage(case.simulator, case.target)
    return lambda k: wide if k < switch else narrow


def wide_stage(case: Case, instrument: Instrument) -> Stage:
    simulator = case.simulator.with_instrument(instrument)
    return Stage(simulator, simulator(case.reference, case.sites[:1])[0])


def test_a_change_of_stage_starts_the_best_seen_afresh() -> None:
    """The wide peaks' loss is far lower, and must not be kept for the narrow ones'."""
    case = make_case(0.03)
    wide = wide_stage(case, replace(FAST, W=FAST.caglioti.W + 25.0))
    descent = replace(case.descent(1e-3, max_steps=20, check_every=4, tolerance=0.0), stage=annealed(case, wide, 10))
    result = case.run_descent(descent, record_every=1)
    assert result.trajectory is not None
    loss = result.trajectory.loss
    assert bool((loss[:10].amin(0) < loss[10:].amin(0)).all()), "otherwise nothing could be kept wrongly"
    assert torch.equal(result.loss, loss[10:].amin(0))
    best = 10 + loss[10:].argmin(0)
    assert torch.equal(result.lattice, result.trajectory.parameters[best, torch.arange(BATCH)])
    before = COSINE.loss(wide.simulator(result.trajectory.parameters[9], case.sites), wide.target)
    torch.testing.assert_close(loss[9], before, rtol=1e-9, atol=0)


@pytest.mark.parametrize("kind", PARAMETERISATIONS)
def test_a_stage_with_a_larger_sphere_gets_its_own_reflections(kind: str) -> None:
    """From a range to 60 deg to one to 90 deg: the losses are those of fresh lists."""
    case = make_case()
    short = wide_stage(case, replace(FAST, two_theta_max_deg=60.0))
    descent = replace(case.descent(1e-4, max_steps=6), stage=annealed(case, short, 3))
    result = case.run_descent(descent, PARAMETERISATIONS[kind](case), record_every=1)
    assert result.trajectory is not None
    parameters, loss = result.trajectory.parameters[3], result.trajectory.loss[3]
    crystal = (parameters, case.sites) if kind == "lattice" else (case.lattice, parameters)
    torch.testing.assert_close(loss, COSINE.loss(case.simulator(*crystal), case.target), rtol=1e-9, atol=0)


@pytest.mark.parametrize("call", [5, 9, 10, 11, 15])
def test_an_annealed_run_resumes_to_the_same_result(tmp_path: Path, call: int) -> None:
    """Before, at and after the change of stage."""
    case = make_case(0.02)
    stage = annealed(case, wide_stage(case, replace(FAST, W=FAST.caglioti.W + 25.0)), 10)
    descent = replace(case.descent(max_steps=20, check_every=4, tolerance=0.0), stage=stage)
    whole = case.run_descent(descent)
    resume_file = tmp_path / "run.pt"
    with watched(stop_at(call, KeyboardInterrupt)), pytest.raises(KeyboardInterrupt):
        case.run_descent(descent, resume_file=resume_file)
    assert_same_run(case.run_descent(descent, resume_file=resume_file), whole)


# Work ahead of the interpreter, as a GPU does.


class HostReads(TorchDispatchMode):
    """Counts the questions that the interpreter asks a device, each of which waits for all work under way."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        if func in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default):
            self.seen.append(str(func))
        return func(*args, **(kwargs or {}))


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program that other devices than the CPU run, on the CPU."""
    monkeypatch.setattr(pattern, "compiles", lambda lattice, geometrical: False)
    monkeypatch.setattr(moving_cell, "compiles", lambda lattice, geometrical: False)
    monkeypatch.setattr(fixed_cell, "compiles", lambda frac_coords: False)
    monkeypatch.setattr(peaks, "_patterns", peaks._patterns_in_torch)
    monkeypatch.setattr(peaks, "_gradients", peaks._gradients_in_torch)


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("kind", ["lattice", "coordinates"])
@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES.keys())
def test_a_step_asks_the_device_nothing_unless_told_to_look(kind: str, objective: Objective) -> None:
    case = make_case()
    if kind == "coordinates":
        case = replace(case, lattice=case.reference.repeat(BATCH, 1))
    descent = case.descent(1e-4, objective, check_every=2, tolerance=0.0)
    state = init(descent, PARAMETERISATIONS[kind](case), case.lattice, case.sites)
    with HostReads() as reads:
        for _ in range(5):
            state = step(descent, state, look=False)
    assert reads.seen == []
    assert state.steps.tolist() == [5] * BATCH
    with HostReads() as reads:
        step(descent, state)
    assert len(reads.seen) == (1 if kind == "lattice" else 0)


@pytest.mark.usefixtures("elsewhere")
def test_the_program_of_other_devices_descends_alike() -> None:
    """Plain torch, and a look at every sixteenth step alone: the same steps, but for rounding."""
    case = make_case(0.01)
    descent = case.descent(3e-4, max_steps=40)
    here, there = (init(descent, LatticeParameters(case.sites), case.lattice, case.sites) for _ in range(2))
    for number in range(40):
        here, there = step(descent, here), step(descent, there, look=number % 16 == 0)
    assert there.steps.tolist() == here.steps.tolist()
    torch.testing.assert_close(there.parameters, here.parameters, rtol=1e-9, atol=0)


def test_a_cell_that_has_left_its_list_waits_for_the_next_look() -> None:
    case = make_case(0.01)
    descent = case.descent(1e-4)
    state = step(descent, init(descent, LatticeParameters(case.sites), case.lattice, case.sites))
    gone = state.parameters.clone()
    gone[1, :3] *= 1.2
    state = replace(state, parameters=gone)
    waiting = step(descent, state, look=False)
    assert torch.equal(waiting.parameters[1], gone[1])
    assert bool((waiting.parameters[[0, 2, 3]] != gone[[0, 2, 3]]).any(-1).all())
    assert waiting.steps.tolist() == [2, 1, 2, 2]
    assert float(waiting.best_loss[1]) == float(state.best_loss[1]), "a loss from an incomplete list does not count"
    looked = step(descent, waiting)
    assert looked.steps.tolist() == [3, 2, 3, 3]
    assert bool((looked.parameters[1] != gone[1]).any())


# Refusals.


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_starts_that_are_not_finite_are_refused(bad: float) -> None:
    case = make_case()
    lattice, sites = case.lattice.clone(), case.sites.clone()
    lattice[2, 4], sites[1, 0, 0] = bad, bad
    with pytest.raises(DescentError, match="Start 2 of the batch has a lattice that is not finite"):
        run_descent(case.descent(), LatticeParameters(case.sites), lattice, case.sites)
    with pytest.raises(DescentError, match="Start 1 of the batch has a frac_coords that is not finite"):
        run_descent(case.descent(), CoordinateParameters(case.lattice), case.lattice, sites)


def test_a_start_whose_cell_does_not_close_is_refused() -> None:
    case = make_case()
    lattice = case.lattice.clone()
    lattice[3, 3:] = torch.tensor([30.0, 30.0, 90.0])
    with pytest.raises(CellError, match=r"number 3 of the batch.*close no cell"):
        run_descent(case.descent(), LatticeParameters(case.sites), lattice, case.sites)


def test_a_target_of_another_length_is_refused() -> None:
    case = make_case()
    with pytest.raises(DescentError, match=r"target has 399 values, the simulator 400"):
        case.run_descent(replace(case.descent(), stage=constant(Stage(case.simulator, case.target[:-1]))))
    later = annealed(case, Stage(case.simulator, case.target), 2)
    shorter = Stage(case.simulator, case.target[:-1])
    with pytest.raises(DescentError, match=r"target has 399 values"):
        case.run_descent(replace(case.descent(max_steps=5), stage=lambda k: later(0) if k < 2 else shorter))


@pytest.mark.parametrize(
    "settings",
    [{"learning_rate": 0.0}, {"learning_rate": -1.0}, {"max_steps": 0}, {"check_every": 0}, {"tolerance": -1e-4}],
)
def test_impossible_schedules_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(DescentError, match=r"learning_rate > 0.*Received Schedule"):
        Schedule(**{"learning_rate": 1e-3, **settings})  # type: ignore[arg-type]


# Does it do its job?


def test_a_strained_crystal_is_recovered_with_its_family() -> None:
    """Half a per cent on each of the six parameters; float32, coarse grid, projected."""
    case = make_case(0.005, torch.float32, replace(FAST, step_deg=0.1))
    assert float((case.lattice / case.reference - 1).abs().max()) > 0.004
    descent = case.descent(1e-3, max_steps=600, check_every=100, tolerance=1e-7)
    result = case.run_descent(descent, LatticeParameters(case.sites, "hexagonal"))
    assert bool((result.loss < result.start_loss).all())
    assert float((result.lattice / case.reference - 1).abs().max()) < RECOVERED
    assert result.stop_reason == ("converged",) * BATCH
    assert result.lattice.dtype == torch.float32
    assert torch.equal(project(result.lattice, "hexagonal"), result.lattice)


def test_the_pattern_of_displaced_atoms_is_recovered() -> None:
    """Rutile with every atom two hundredths of the cell off: the pattern comes back."""
    structure = carried("TiO2_rutile")
    simulator = Simulator(structure, FAST)
    lattice, reference = to_tensors([structure])
    target = simulator(lattice, reference)[0]
    generator = torch.Generator().manual_seed(2)
    sites = reference + 0.02 * torch.randn(reference.shape, dtype=torch.float64, generator=generator)
    descent = Descent(constant(Stage(simulator, target)), COSINE, Schedule(0.05, 400, 100, 1e-9))
    result = run_descent(descent, CoordinateParameters(lattice), lattice, sites)
    assert 1 + result.loss.item() < (1 + result.start_loss.item()) / 100
    assert torch.equal(result.lattice, lattice)
