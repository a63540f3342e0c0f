"""Runs: the descent of a batch until all of it has stopped, which can be interrupted and resumed.

The update rule is that of StructSnap, the paper's program.
"""

import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm.auto import tqdm

from xrdscape.diffraction.reflections import Reflections
from xrdscape.optimisation.descent import Descent, State, fixed_of, init, select, step
from xrdscape.optimisation.fused_steps import fused_steps, steps_at_once
from xrdscape.optimisation.parameters import Parameterisation
from xrdscape.optimisation.stopping import OUT_OF_STEPS, RUNNING, STOP_REASONS, StopReason
from xrdscape.runtime import checkpoint

# Steps between two questions to a device that works ahead of the interpreter; the CPU answers at once.
LOOK_EVERY = 16


@dataclass(frozen=True)
class Trajectory:
    """The course of a descent at some steps: steps [R], parameters [R, B, ...], loss [R, B]; NaN once stopped."""

    steps: Tensor
    parameters: Tensor
    loss: Tensor


@dataclass(frozen=True)
class DescentResult:
    """The outcome of a descent: the best crystal seen and how it was reached.

    `lattice` [B, 6], `frac_coords` [B, N, 3], `loss` and `start_loss` [B], `steps` [B], `stop_reason` a text each,
    `seconds` for the whole batch, `trajectory` if one was asked for.
    """

    lattice: Tensor
    frac_coords: Tensor
    loss: Tensor
    start_loss: Tensor
    steps: Tensor
    stop_reason: tuple[StopReason, ...]
    seconds: float
    trajectory: Trajectory | None = None


@dataclass
class _Ledger:
    """The outcome so far, by place in the batch; the one mutable thing of a run."""

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
        self.steps[state.index] = state.steps
        self.status[state.index] = state.status

    def record(self, state: State) -> None:
        parameters = torch.full_like(self.best_parameters, torch.nan)
        loss = torch.full_like(self.best_loss, torch.nan)
        parameters[state.index], loss[state.index] = state.parameters, state.loss
        self.trace.append((state.step, parameters, loss))


def run_descent(
    descent: Descent,
    parameterisation: Parameterisation,
    lattice: Float[Tensor, "batch 6"],
    frac_coords: Float[Tensor, "batch sites 3"],
    record_every: int = 0,
    progress: bool = False,
    resume_file: Path | None = None,
    save_every_s: float = 60.0,
) -> DescentResult:
    """Descend a batch of starts until each has converged, failed or used up its steps.

    Args:
        descent, parameterisation: what to compare, how, and what to move.
        lattice, frac_coords: the starts; samples do not influence each other.
        record_every: steps between two points of the trajectory; 0 records none.
        progress: show a bar with the remaining time.
        resume_file: where to keep the state of an unfinished run. If it exists the run goes on from there, to the same
            result; it is removed at the end.
        save_every_s: seconds between two savings.

    Raises:
        DescentError: for a bad start, or a resume file of another run.
        CellError: for a start whose cell does not close.
    """
    state = init(descent, parameterisation, lattice, frac_coords)
    ledger = _Ledger(
        best_parameters=state.best_parameters.clone(),
        best_loss=state.best_loss.clone(),
        start_loss=state.best_loss.clone(),
        steps=torch.zeros_like(state.index),
        status=state.status.clone(),
        trace=[],
    )
    key = _fingerprint(descent, parameterisation, state, record_every)
    if resume_file is not None and resume_file.exists():
        state = _load(resume_file, key, descent, state, ledger)
    before, started = ledger.seconds, time.monotonic()
    saved = started

    def save() -> None:
        if resume_file is not None:
            ledger.seconds = before + time.monotonic() - started
            _save(resume_file, key, state, ledger)

    with tqdm(total=descent.schedule.max_steps, initial=state.step, disable=not progress, unit="step") as bar:
        try:
            while state.step < descent.schedule.max_steps and len(state.index):
                before_it = state.step
                state = _advance(descent, state, ledger, record_every)
                bar.update(state.step - before_it)
                if time.monotonic() - saved > save_every_s:
                    save()
                    saved = time.monotonic()
        except KeyboardInterrupt:
            save()
            raise
    unfinished = torch.where(state.status == RUNNING, OUT_OF_STEPS, state.status)
    ledger.enter(replace(state, status=unfinished))
    ledger.seconds = before + time.monotonic() - started
    if resume_file is not None:
        resume_file.unlink(missing_ok=True)
    return _result(parameterisation, ledger)


def _advance(descent: Descent, state: State, ledger: _Ledger, record_every: int) -> State:
    """Take one step or, where that is all the same, several, and enter them in the ledger; samples that have stopped
    leave the state."""
    look = state.parameters.device.type == "cpu" or state.step % LOOK_EVERY == 0
    recorded = record_every and state.step % record_every == 0
    most = descent.schedule.max_steps - state.step
    if record_every:
        most = min(most, record_every - state.step % record_every)
    together = 0 if recorded or state.step == 0 else steps_at_once(descent, state, most)
    if together > 1:
        state = fused_steps(descent, state, together)
    else:
        evaluated, state = state, step(descent, state, look)
        if evaluated.step == 0:
            ledger.start_loss[state.index] = state.loss
        if recorded:
            ledger.record(replace(evaluated, loss=state.loss))
    if look and bool((state.status != RUNNING).any()):
        ledger.enter(state)
        state = select(state, state.status == RUNNING)
    return state


def _result(parameterisation: Parameterisation, ledger: _Ledger) -> DescentResult:
    lattice, frac_coords = parameterisation.crystal(ledger.best_parameters)
    trajectory = None
    if ledger.trace:
        steps, parameters, loss = zip(*ledger.trace, strict=True)
        trajectory = Trajectory(torch.tensor(steps), torch.stack(parameters), torch.stack(loss))
    return DescentResult(
        lattice,
        frac_coords,
        ledger.best_loss,
        ledger.start_loss,
        ledger.steps,
        tuple(STOP_REASONS[i] for i in ledger.status.tolist()),
        ledger.seconds,
        trajectory,
    )


def _fingerprint(descent: Descent, parameterisation: Parameterisation, start: State, record_every: int) -> str:
    """Return the name of a run for its resume file: everything that its course depends on and that can be compared."""
    simulator = start.stage.simulator
    decisive = (
        start.parameters,
        start.stage.target,
        start.stage.weights,
        descent.schedule,
        descent.objective.name,
        record_every,
        simulator.instrument,
        simulator.b_iso,
        simulator.hkl_max,
        simulator.elements,
        simulator.occupancy,
        type(parameterisation).__name__,
    )
    return checkpoint.fingerprint(*decisive, *vars(parameterisation).values())


def _save(path: Path, key: str, state: State, ledger: _Ledger) -> None:
    running = {
        name: getattr(state, name)
        for name in (
            "step",
            "parameters",
            "loss",
            "best_loss",
            "best_parameters",
            "mark",
            "memory",
            "status",
            "steps",
            "index",
        )
    }
    lists = {"hkl": state.reflections.hkl, "multiplicity": state.reflections.multiplicity,
             "anchor": state.reflections.anchor}  # fmt: skip
    checkpoint.save(path, key, {"running": running, "reflections": lists, "ledger": vars(ledger)})


def _load(path: Path, key: str, descent: Descent, fresh: State, ledger: _Ledger) -> State:
    """Return the state of a saved run, and fill the ledger in place."""
    stored = checkpoint.load(path, key)
    vars(ledger).update(stored["ledger"])
    running = stored["running"]
    parameterisation = fresh.parameterisation.select(running["index"])
    stage = descent.stage(max(running["step"] - 1, 0))
    reflections = Reflections(**stored["reflections"], reach=fresh.reflections.reach)
    cells, sites = parameterisation.crystal(running["parameters"])
    geometrical = None if parameterisation.moves_sites else stage.simulator.geometrical(reflections, sites)
    return replace(
        fresh,
        **running,
        stage=stage,
        parameterisation=parameterisation,
        reflections=reflections,
        geometrical=geometrical,
        fixed=fixed_of(descent, stage, parameterisation, cells),
    )
