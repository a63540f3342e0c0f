"""The descent: bring a distorted crystal back by following the gradient of pattern similarity.

`init` and `step` are pure: each returns a new state. `snap` runs a batch to the end, lets samples leave as they
stop, and can be interrupted and resumed. Named after StructSnap, whose update rule it follows.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm.auto import tqdm

from xrdscape import checkpoint
from xrdscape.cell import check_lattice
from xrdscape.errors import DescentError
from xrdscape.parameterisation import Parameterisation
from xrdscape.pattern import Simulator, Sums
from xrdscape.reflections import Reflections, in_reach
from xrdscape.similarity import Objective

# How far a cell may stretch before its reflection list is made anew: wide enough that this is rare, narrow
# enough that few reflections are carried in vain (both grow with the cube of the reach).
REACH = 1.05

RUNNING, CONVERGED, OUT_OF_STEPS, NOT_FINITE, IMPOSSIBLE = range(5)
STOP_REASONS = ("running", "converged", "out of steps", "loss not finite", "impossible cell")


@dataclass(frozen=True)
class Schedule:
    """How fast and how long to descend.

    Args:
        learning_rate: step per unit of gradient (angstrom, degree or fractional unit, squared).
        max_steps: the paper's limit is 30,000.
        check_every: steps between two tests for convergence.
        tolerance: a sample has converged when its best loss fell by less than this between two tests.

    Source: SI 1.4. StructSnap tests the loss summed over a batch; here each sample is tested, so that its outcome does
    not depend on its neighbours.
    """

    learning_rate: float
    max_steps: int = 30_000
    check_every: int = 1_000
    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        if self.learning_rate <= 0 or self.max_steps < 1 or self.check_every < 1 or self.tolerance < 0:
            raise DescentError(
                "A schedule needs learning_rate > 0, max_steps >= 1, check_every >= 1, tolerance >= 0. "
                f"Received {self}."
            )


@dataclass(frozen=True)
class Stage:
    """What the crystal is compared with at some step: a simulator, and the target pattern as it would record it."""

    simulator: Simulator
    target: Float[Tensor, "n"]


@dataclass(frozen=True)
class Problem:
    """A descent but for its start. `stage` gives the simulator and target of a step; they may change on the way
    (a peak width that anneals, say), and when they do, best-seen values start afresh."""

    stage: Callable[[int], Stage]
    objective: Objective
    schedule: Schedule


@dataclass(frozen=True)
class State:
    """A descent under way; every tensor has a leading batch axis.

    `parameters` are to be evaluated next; `loss` belongs to those evaluated last; `mark` is the best loss at the last
    test for convergence; `status` holds the codes of `STOP_REASONS`; `index` is the place in the batch at the start.
    """

    step: int
    stage: Stage
    parameterisation: Parameterisation
    parameters: Tensor
    reflections: Reflections
    sums: Sums | None
    loss: Tensor
    best_loss: Tensor
    best_parameters: Tensor
    mark: Tensor
    status: Tensor
    index: Tensor


@dataclass(frozen=True)
class Trajectory:
    """Every so many steps of a descent: steps [R], parameters [R, B, ...], loss [R, B]; NaN once stopped."""

    steps: Tensor
    parameters: Tensor
    loss: Tensor


@dataclass(frozen=True)
class SnapResult:
    """The outcome of a descent: the best crystal seen and how it was reached.

    `lattice` [B, 6], `frac_coords` [B, N, 3], `loss` and `start_loss` [B], `steps` [B], `stop_reason` a text each,
    `seconds` for the whole batch, `trajectory` if one was asked for.
    """

    lattice: Tensor
    frac_coords: Tensor
    loss: Tensor
    start_loss: Tensor
    steps: Tensor
    stop_reason: tuple[str, ...]
    seconds: float
    trajectory: Trajectory | None = None


def constant(simulator: Simulator, target: Float[Tensor, "n"]) -> Callable[[int], Stage]:
    """The published case: one instrument from first step to last."""
    stage = Stage(simulator, target)
    return lambda step: stage


def init(
    problem: Problem,
    parameterisation: Parameterisation,
    lattice: Float[Tensor, "batch 6"],
    frac_coords: Float[Tensor, "batch sites 3"],
) -> State:
    """State before the first step.

    Raises:
        DescentError: for a start that is not finite or a target that does not fit the simulator.
        CellError: for a start whose cell does not close.
    """
    stage = problem.stage(0)
    _check_start(stage, lattice, frac_coords)
    parameters = parameterisation.start(lattice, frac_coords).detach()
    cells, sites = parameterisation.crystal(parameters)
    reflections = stage.simulator.reflections(cells, REACH if parameterisation.moves_cell else 1.0)
    worst = torch.full_like(parameters.flatten(1)[:, 0], torch.inf)
    return State(
        step=0,
        stage=stage,
        parameterisation=parameterisation,
        parameters=parameters,
        reflections=reflections,
        sums=None if parameterisation.moves_sites else stage.simulator.sums(reflections, sites),
        loss=worst,
        best_loss=worst,
        best_parameters=parameters,
        mark=worst,
        status=torch.full_like(worst, RUNNING, dtype=torch.long),
        index=torch.arange(len(worst), device=worst.device),
    )


def _check_start(stage: Stage, lattice: Tensor, frac_coords: Tensor) -> None:
    for name, value in (("lattice", lattice), ("frac_coords", frac_coords)):
        bad = ~torch.isfinite(value).flatten(1).all(-1)
        if bool(bad.any()):
            raise DescentError(
                f"Start {int(bad.nonzero()[0])} of the batch has a {name} that is not finite (NaN or infinity). "
                "Leave it out or make it anew."
            )
    check_lattice(lattice)
    _check_target(stage)


def _check_target(stage: Stage) -> None:
    if stage.target.shape != stage.simulator.two_theta_deg.shape:
        raise DescentError(
            f"The target has {stage.target.shape[-1]} values, the simulator {len(stage.simulator.two_theta_deg)}. "
            "Simulate or interpolate it on the simulator's two_theta_deg."
        )


def _evaluate(problem: Problem, state: State) -> tuple[Tensor, Tensor]:
    """Loss [B] of the current parameters and its gradient."""
    parameters = state.parameters.detach().requires_grad_()
    lattice, frac_coords = state.parameterisation.crystal(parameters)
    simulator = state.stage.simulator
    sums = state.sums if state.sums is not None else simulator.sums(state.reflections, frac_coords)
    patterns = simulator.patterns(lattice, state.reflections, sums)
    loss = problem.objective.loss(patterns, state.stage.target)
    (gradient,) = torch.autograd.grad(loss.sum(), parameters)
    return loss.detach(), gradient


def step(problem: Problem, state: State) -> State:
    """One step: evaluate, keep the best, test for convergence where one is due, and move what still runs."""
    state = _renew(problem, state)
    loss, gradient = _evaluate(problem, state)
    finite = torch.isfinite(loss) & torch.isfinite(gradient).flatten(1).all(-1)
    better = finite & (loss < state.best_loss)
    best_loss = torch.where(better, loss, state.best_loss)
    best_parameters = torch.where(_spread(better, gradient), state.parameters, state.best_parameters)

    status, mark = state.status, state.mark
    if state.step and state.step % problem.schedule.check_every == 0:
        settled = (status == RUNNING) & (mark - best_loss < problem.schedule.tolerance)
        status, mark = torch.where(settled, CONVERGED, status), best_loss
    elif state.step == 0:
        mark = best_loss
    status = torch.where((status == RUNNING) & ~finite, NOT_FINITE, status)

    moved = _move(problem, state, gradient)
    possible = state.parameterisation.possible(moved)
    status = torch.where((status == RUNNING) & ~possible, IMPOSSIBLE, status)
    return replace(
        state,
        step=state.step + 1,
        parameters=torch.where(_spread(status == RUNNING, moved), moved, state.parameters),
        loss=loss,
        best_loss=best_loss,
        best_parameters=best_parameters,
        mark=mark,
        status=status,
    )


def _spread(mask: Tensor, like: Tensor) -> Tensor:
    """A mask over the batch, shaped to broadcast against parameters."""
    return mask.reshape(-1, *[1] * (like.dim() - 1))


def _move(problem: Problem, state: State, gradient: Tensor) -> Tensor:
    """Plain gradient descent with the parameterisation's limit and projection."""
    move = state.parameterisation.limit(state.parameters, -problem.schedule.learning_rate * gradient)
    return state.parameterisation.project(state.parameters + move)


def _renew(problem: Problem, state: State) -> State:
    """Follow a change of stage, and make the reflection lists anew when they may miss reflections: when a cell has
    left their reach, or the new stage takes others into account."""
    stage, stale = problem.stage(state.step), False
    if stage is not state.stage:
        _check_target(stage)
        stale = _sphere(stage.simulator) != _sphere(state.stage.simulator)
        worst = torch.full_like(state.best_loss, torch.inf)
        state = replace(state, stage=stage, best_loss=worst, mark=worst)
    moves_cell = state.parameterisation.moves_cell
    if not (stale or moves_cell):
        return state
    cells, sites = state.parameterisation.crystal(state.parameters)
    if not stale and bool(in_reach(state.reflections, cells).all()):
        return state
    reflections = stage.simulator.reflections(cells, REACH if moves_cell else 1.0)
    sums = None if state.parameterisation.moves_sites else stage.simulator.sums(reflections, sites)
    return replace(state, reflections=reflections, sums=sums)


def _sphere(simulator: Simulator) -> tuple[float, int | None]:
    """What decides, besides the cell, which reflections a simulator needs."""
    return simulator.instrument.max_reciprocal_length, simulator.hkl_max


def select(state: State, keep: Tensor) -> State:
    """The part of a state that belongs to some samples."""
    return replace(
        state,
        parameterisation=state.parameterisation.select(keep),
        parameters=state.parameters[keep],
        reflections=state.reflections.select(keep),
        sums=None if state.sums is None else (state.sums[0][keep], state.sums[1][keep]),
        loss=state.loss[keep],
        best_loss=state.best_loss[keep],
        best_parameters=state.best_parameters[keep],
        mark=state.mark[keep],
        status=state.status[keep],
        index=state.index[keep],
    )


@dataclass
class _Ledger:
    """What has been settled so far, by place in the batch; the one mutable thing of a run."""

    best_parameters: Tensor
    best_loss: Tensor
    start_loss: Tensor
    steps: Tensor
    status: Tensor
    trace: list[tuple[int, Tensor, Tensor]]
    seconds: float = 0.0

    def enter(self, state: State) -> None:
        self.best_parameters[state.index] = state.best_parameters
        self.best_loss[state.index] = state.best_loss
        self.steps[state.index] = state.step
        self.status[state.index] = state.status

    def record(self, state: State) -> None:
        parameters = torch.full_like(self.best_parameters, torch.nan)
        loss = torch.full_like(self.best_loss, torch.nan)
        parameters[state.index], loss[state.index] = state.parameters, state.loss
        self.trace.append((state.step, parameters, loss))


def snap(
    problem: Problem,
    parameterisation: Parameterisation,
    lattice: Float[Tensor, "batch 6"],
    frac_coords: Float[Tensor, "batch sites 3"],
    record_every: int = 0,
    progress: bool = False,
    resume_file: Path | None = None,
    save_every_s: float = 60.0,
) -> SnapResult:
    """Descend a batch of starts until each has converged, failed or used up its steps.

    Args:
        problem, parameterisation: what to compare, how, and what to move.
        lattice, frac_coords: the starts; samples do not influence each other.
        record_every: stride of the trajectory; 0 records none.
        progress: show a bar with the remaining time.
        resume_file: where to keep the state of an unfinished run. If it exists the run goes on from there, to the same
            result; it is removed at the end.
        save_every_s: seconds between two savings.

    Raises:
        DescentError: for a bad start, or a resume file of another run.
        CellError: for a start whose cell does not close.
    """
    state = init(problem, parameterisation, lattice, frac_coords)
    ledger = _Ledger(
        *(state.best_parameters.clone(), state.best_loss.clone(), state.best_loss.clone()),
        *(torch.zeros_like(state.index), state.status.clone(), []),
    )
    key = _fingerprint(problem, parameterisation, state, record_every)
    if resume_file is not None and resume_file.exists():
        state = _load(resume_file, key, problem, state, ledger)
    started = saved = time.monotonic()
    before = ledger.seconds
    bar = tqdm(total=problem.schedule.max_steps, initial=state.step, disable=not progress, unit="step")
    try:
        while state.step < problem.schedule.max_steps and len(state.index):
            recorded = record_every and state.step % record_every == 0
            if recorded:
                evaluated = state
            state = step(problem, state)
            if state.step == 1:
                ledger.start_loss[state.index] = state.loss
            if recorded:
                ledger.record(replace(evaluated, loss=state.loss))
            if bool((state.status != RUNNING).any()):
                ledger.enter(state)
                state = select(state, state.status == RUNNING)
            bar.update()
            if resume_file is not None and time.monotonic() - saved > save_every_s:
                saved = time.monotonic()
                ledger.seconds = before + saved - started
                _save(resume_file, key, state, ledger)
    except KeyboardInterrupt:
        if resume_file is not None:
            ledger.seconds = before + time.monotonic() - started
            _save(resume_file, key, state, ledger)
        raise
    finally:
        bar.close()
    ledger.enter(replace(state, status=torch.full_like(state.status, OUT_OF_STEPS)))
    ledger.seconds = before + time.monotonic() - started
    if resume_file is not None:
        resume_file.unlink(missing_ok=True)
    return _result(parameterisation, ledger)


def _result(parameterisation: Parameterisation, ledger: _Ledger) -> SnapResult:
    lattice, frac_coords = parameterisation.crystal(ledger.best_parameters)
    trajectory = None
    if ledger.trace:
        steps, parameters, loss = zip(*ledger.trace, strict=True)
        trajectory = Trajectory(torch.tensor(steps), torch.stack(parameters), torch.stack(loss))
    return SnapResult(
        lattice,
        frac_coords,
        ledger.best_loss,
        ledger.start_loss,
        ledger.steps,
        tuple(STOP_REASONS[i] for i in ledger.status.tolist()),
        ledger.seconds,
        trajectory,
    )


def _fingerprint(problem: Problem, parameterisation: Parameterisation, start: State, record_every: int) -> str:
    """The name of a run for its resume file: everything that its course depends on and that can be compared."""
    simulator = start.stage.simulator
    return checkpoint.fingerprint(
        *(start.parameters, start.stage.target, problem.schedule, problem.objective.name, record_every),
        *(simulator.instrument, simulator.hkl_max, simulator.elements, simulator.occupancy),
        *(type(parameterisation).__name__, *vars(parameterisation).values()),
    )


def _save(path: Path, key: str, state: State, ledger: _Ledger) -> None:
    running = {
        name: getattr(state, name)
        for name in ("step", "parameters", "loss", "best_loss", "best_parameters", "mark", "status", "index")
    }
    lists = {"hkl": state.reflections.hkl, "multiplicity": state.reflections.multiplicity,
             "anchor": state.reflections.anchor}  # fmt: skip
    checkpoint.save(path, key, {"running": running, "reflections": lists, "ledger": vars(ledger)})


def _load(path: Path, key: str, problem: Problem, fresh: State, ledger: _Ledger) -> State:
    """Take up a saved run: the ledger is filled in place, the state returned."""
    stored = checkpoint.load(path, key)
    vars(ledger).update(stored["ledger"])
    running = stored["running"]
    parameterisation = fresh.parameterisation.select(running["index"])
    stage = problem.stage(max(running["step"] - 1, 0))
    reflections = Reflections(**stored["reflections"], reach=fresh.reflections.reach)
    _, sites = parameterisation.crystal(running["parameters"])
    sums = None if parameterisation.moves_sites else stage.simulator.sums(reflections, sites)
    return State(**running, stage=stage, parameterisation=parameterisation, reflections=reflections, sums=sums)
