"""Descents, step by step: settings, states, and the pure functions `init` and `step`."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from xrdscape.crystal.cell import check_lattice
from xrdscape.diffraction.pattern import Simulator
from xrdscape.diffraction.reflections import Reflections, in_reach
from xrdscape.diffraction.structure_factors import GeometricalFactors
from xrdscape.errors import DescentError
from xrdscape.optimisation.blur import through_blur
from xrdscape.optimisation.fixed_cell import FixedCellLoss, fixed_cell_loss
from xrdscape.optimisation.log_axis import LogAxis
from xrdscape.optimisation.moving_cell import moving_cell_gradient, moving_cell_loss
from xrdscape.optimisation.objectives import Objective, refuse_empty, weighted
from xrdscape.optimisation.parameters import CoordinateParameters, LatticeParameters, Parameterisation
from xrdscape.optimisation.problem import Problem
from xrdscape.optimisation.rules import PLAIN, Rule
from xrdscape.optimisation.stopping import IMPOSSIBLE, NOT_FINITE, RUNNING, StoppingRule, tested

# How far a cell may stretch before its reflection list is made anew: wide enough that this is rare, narrow
# enough that few reflections are carried in vain (both grow with the cube of the reach).
REACH = 1.05


@dataclass(frozen=True)
class Schedule:
    """The speed and the length of a descent.

    Args:
        learning_rate: step per unit of gradient (angstrom, degree or fractional unit, squared).
        max_steps: the paper's limit is 30,000.
        check_every: steps between two tests for convergence.
        tolerance: a sample has converged when its best loss fell by less than this between two tests.
        rule: what turns gradients into moves; the paper's is plain.

    Raises:
        DescentError: for values that allow no descent.

    Source: SI 1.4.
    """

    learning_rate: float
    max_steps: int = 30_000
    check_every: int = 1_000
    tolerance: float = 1e-4
    rule: Rule = PLAIN

    def __post_init__(self) -> None:
        if self.learning_rate <= 0 or self.max_steps < 1 or self.check_every < 1 or self.tolerance < 0:
            raise DescentError(
                "A schedule needs learning_rate > 0, max_steps >= 1, check_every >= 1, tolerance >= 0. "
                f"Received {self}."
            )

    @property
    def stopping(self) -> StoppingRule:
        """The stopping rule."""
        return StoppingRule(self.check_every, self.tolerance)


@dataclass(frozen=True)
class Stage:
    """The comparison at some step: a simulator, and the target pattern as it would record it.

    Args:
        simulator: of the models' patterns.
        target: on the simulator's grid and in its precision, weighted and blurred as the models' patterns will be [n].
        blur: bins (see `blur.half_width`) by which weighted patterns are blurred before they are compared, on their own
            axis or on one of ln d.
        axis: of ln d; None for the patterns' own.
        weights: of the squared differences at each point [n]; None where all count alike. Patterns are weighted before
            they are blurred: what is at a point of weight 0 does not spread to others.
    """

    simulator: Simulator
    target: Float[Tensor, "n"]
    blur: int = 0
    axis: LogAxis | None = None
    weights: Float[Tensor, "n"] | None = None

    @classmethod
    def of(cls, problem: Problem, simulator: Simulator) -> "Stage":
        """Return the patterns of a problem without a blur, in the simulator's precision."""
        target, weights = problem.target, problem.weights
        if weights is None:
            return cls(simulator, target.to(simulator.dtype))
        return cls(simulator, (target * weights.sqrt()).to(simulator.dtype), weights=weights.to(simulator.dtype))

    def seen(self, objective: Objective) -> Objective:
        """Return the objective of a model's pattern against this stage's target."""
        return weighted(through_blur(objective, self.blur, self.axis), self.weights)


@dataclass(frozen=True)
class Descent:
    """A descent but for its starts.

    Args:
        stage: gives the simulator and target of a step; they may change on the way (a peak width that anneals, say). A
            new `Stage` object means a change, and best-seen values start afresh.
        objective: what is descended.
        schedule: how fast and how long.
    """

    stage: Callable[[int], Stage]
    objective: Objective
    schedule: Schedule


@dataclass(frozen=True)
class State:
    """A descent under way; every tensor has a leading batch axis.

    `parameters` are to be evaluated next; `sums` are kept while the sites stay; `fixed`, while the cell stays and is
    one for all, is the loss as a function of the coordinates; `loss` belongs to the parameters evaluated last; `mark`
    is the best loss at the last test for convergence; `memory` is the rule's; `status` holds the codes of
    `STOP_REASONS`; `steps` counts those that a sample took until it stopped; `index` is its first place in the batch.
    """

    step: int
    stage: Stage
    parameterisation: Parameterisation
    parameters: Tensor
    reflections: Reflections
    geometrical: GeometricalFactors | None
    fixed: FixedCellLoss | None
    loss: Tensor
    best_loss: Tensor
    best_parameters: Tensor
    mark: Tensor
    memory: Tensor
    status: Tensor
    steps: Tensor
    index: Tensor


def constant(stage: Stage) -> Callable[[int], Stage]:
    """Return the published case: one stage from first step to last."""
    return lambda step: stage


def init(
    descent: Descent,
    parameterisation: Parameterisation,
    lattice: Float[Tensor, "batch 6"],
    frac_coords: Float[Tensor, "batch sites 3"],
) -> State:
    """Return the state before the first step.

    Raises:
        DescentError: for a start that is not finite or a target that does not fit the simulator.
        CellError: for a start whose cell does not close.
    """
    stage = descent.stage(0)
    _check_start(stage, lattice, frac_coords)
    parameters = parameterisation.start(lattice, frac_coords).detach()
    cells, sites = parameterisation.crystal(parameters)
    reflections = stage.simulator.reflections(cells, REACH if parameterisation.moves_cell else 1.0)
    worst = torch.full_like(parameters.flatten(1)[:, 0], torch.inf)
    running = torch.full_like(worst, RUNNING, dtype=torch.long)
    return State(
        step=0,
        stage=stage,
        parameterisation=parameterisation,
        parameters=parameters,
        reflections=reflections,
        geometrical=None if parameterisation.moves_sites else stage.simulator.geometrical(reflections, sites),
        fixed=fixed_of(descent, stage, parameterisation, cells),
        loss=worst,
        best_loss=worst,
        best_parameters=parameters,
        mark=worst,
        memory=descent.schedule.rule.begin(parameters),
        status=running,
        steps=torch.zeros_like(running),
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
    refuse_empty(stage.target)


def fixed_of(descent: Descent, stage: Stage, parameterisation: Parameterisation, cells: Tensor) -> FixedCellLoss | None:
    """Return the loss as a function of the coordinates alone, if the cell stays and all samples share it."""
    if parameterisation.moves_cell or not bool((cells == cells[:1]).all()):
        return None
    if stage.blur or stage.axis is not None:
        raise DescentError("A blur is for cells that move: where the cell stays, so do the peaks. Leave it at 0.")
    if stage.weights is not None:
        return None
    return fixed_cell_loss(stage.simulator, cells[:1], descent.objective, stage.target)


def evaluate(descent: Descent, state: State) -> tuple[Tensor, Tensor]:
    """Return the loss [B] of the current parameters and its gradient."""
    simulator, target = state.stage.simulator, state.stage.target
    objective = state.stage.seen(descent.objective)
    if type(state.parameterisation) is LatticeParameters and state.geometrical is not None:
        # The parameters are the cell itself.
        given = state.reflections, state.geometrical, objective, target
        return moving_cell_gradient(simulator, state.parameters, *given)
    if type(state.parameterisation) is CoordinateParameters and state.fixed is not None:
        # The parameters are the coordinates themselves.
        return state.fixed.gradient(state.parameters)
    parameters = state.parameters.detach().requires_grad_()
    lattice, frac_coords = state.parameterisation.crystal(parameters)
    if state.fixed is not None:
        loss = state.fixed(frac_coords)
    else:
        geometrical = (
            state.geometrical
            if state.geometrical is not None
            else simulator.geometrical(state.reflections, frac_coords)
        )
        loss = moving_cell_loss(simulator, lattice, state.reflections, geometrical, objective, target)
    (gradient,) = torch.autograd.grad(loss, parameters, torch.ones_like(loss))
    return loss.detach().to(parameters.dtype), gradient


def step(descent: Descent, state: State, look: bool = True) -> State:
    """Take one step: evaluate, keep the best, test for convergence where that is due, and move what still runs.

    Args:
        descent, state: what to descend, and where it stands.
        look: ask the device whether a cell has left the reach of its reflection list, and renew the lists then. On a
            GPU each such question waits for all work under way. Unasked, a cell that has left stays where it is until
            the next look.
    """
    state, within = _renew(descent, state, look)
    loss, gradient = evaluate(descent, state)
    taken = (state.status == RUNNING) if within is None else (state.status == RUNNING) & within
    finite = torch.isfinite(loss + gradient.flatten(1).sum(-1))
    better = taken & finite & (loss < state.best_loss)
    best_loss = torch.where(better, loss, state.best_loss)
    best_parameters = torch.where(_spread(better, gradient), state.parameters, state.best_parameters)

    status = torch.where(taken & ~finite, NOT_FINITE, state.status)
    status, mark = tested(descent.schedule.stopping, state.step, status, state.mark, best_loss)

    moved, memory = _move(descent, state, gradient)
    moves = taken & (status == RUNNING)
    possible = state.parameterisation.possible(moved)
    return replace(
        state,
        step=state.step + 1,
        parameters=torch.where(_spread(moves & possible, moved), moved, state.parameters),
        loss=loss,
        best_loss=best_loss,
        best_parameters=best_parameters,
        mark=mark,
        memory=torch.where(_spread(taken, memory), memory, state.memory),
        status=torch.where(moves & ~possible, IMPOSSIBLE, status),
        steps=state.steps + taken,
    )


def _spread(mask: Tensor, like: Tensor) -> Tensor:
    """Return a mask over the batch, shaped to broadcast against parameters."""
    return mask.reshape(-1, *[1] * (like.dim() - 1))


def _move(descent: Descent, state: State, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Return the parameters after a move of the rule, limited and projected, and the rule's memory."""
    schedule = descent.schedule
    move, memory = schedule.rule.move(schedule.learning_rate, gradient, state.memory, state.steps)
    move = state.parameterisation.limit(state.parameters, move)
    return state.parameterisation.project(state.parameters + move), memory


def _renew(descent: Descent, state: State, look: bool) -> tuple[State, Tensor | None]:
    """Return the state after a change of stage, and which samples its reflection lists serve (None for all).

    The lists are made anew when they may miss reflections: when a cell has left their reach, or the new stage takes
    others into account.
    """
    stage, stale, within = descent.stage(state.step), False, None
    cells, sites = state.parameterisation.crystal(state.parameters)
    if stage is not state.stage:
        _check_target(stage)
        stale = _sphere(stage.simulator) != _sphere(state.stage.simulator)
        worst = torch.full_like(state.best_loss, torch.inf)
        fixed = fixed_of(descent, stage, state.parameterisation, cells)
        state = replace(state, stage=stage, best_loss=worst, mark=worst, fixed=fixed)
    moves_cell = state.parameterisation.moves_cell
    if moves_cell and not stale:
        within = in_reach(state.reflections, cells)
        if not look:
            return state, within
        stale = not bool(within.all())
    if not stale:
        return state, None
    reflections = stage.simulator.reflections(cells, REACH if moves_cell else 1.0, allow_empty=True)
    geometrical = None if state.parameterisation.moves_sites else stage.simulator.geometrical(reflections, sites)
    return replace(state, reflections=reflections, geometrical=geometrical), None


def _sphere(simulator: Simulator) -> tuple[float, int | None]:
    """Return what decides, besides the cell, which reflections a simulator needs."""
    return simulator.instrument.max_reciprocal_length, simulator.hkl_max


def select(state: State, keep: Tensor) -> State:
    """Return the part of a state that belongs to some samples."""
    return replace(
        state,
        parameterisation=state.parameterisation.select(keep),
        parameters=state.parameters[keep],
        reflections=state.reflections.select(keep),
        geometrical=None if state.geometrical is None else (state.geometrical[0][keep], state.geometrical[1][keep]),
        loss=state.loss[keep],
        best_loss=state.best_loss[keep],
        best_parameters=state.best_parameters[keep],
        mark=state.mark[keep],
        memory=state.memory[keep],
        status=state.status[keep],
        steps=state.steps[keep],
        index=state.index[keep],
    )
