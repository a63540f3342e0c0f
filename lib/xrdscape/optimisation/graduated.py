"""Graduated descent: patterns are blurred widely at first and ever less, so that the landscape grows rough late.

The blur acts on both patterns alike, so the target may be a measured one.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from xrdscape.crystal.families import Family
from xrdscape.errors import DescentError
from xrdscape.optimisation.blur import blurred, half_width, softened
from xrdscape.optimisation.descent import Descent, Schedule, Stage
from xrdscape.optimisation.log_axis import LogAxis, log_axis
from xrdscape.optimisation.loop import DescentResult, run_descent
from xrdscape.optimisation.objectives import OBJECTIVES, Objective
from xrdscape.optimisation.parameters import Parameterisation, ScaledLattice
from xrdscape.optimisation.problem import Problem
from xrdscape.optimisation.rules import Adam, Rule

BlurAxis = Literal["two_theta", "log_d"]

# Points of the coarse grid to the width of the narrowest peak: a sum over a Lorentzian at such points is off by
# 2 exp(-pi * 3.5), which is 3e-5.
POINTS_PER_FWHM = 3.5


@dataclass(frozen=True)
class Narrowing:
    """The narrowing of a blur: from the widest to the narrowest by equal factors, then none.

    Args:
        widest_deg, narrowest_deg: full widths at half maximum of the first and the last blur.
        stages: how many blurs; 0 for none at all.
        steps: of the descent at each of them.
        last_steps: without blur, at most.
        rate: learning rate, as a strain and in radians.
        axis: along which a blur has one width: "two_theta", or "log_d", where a strain moves all peaks alike, so that
            the width grows with the angle like tan(theta). The widths above are then those in the middle of the range.
    """

    widest_deg: float = 20.0
    narrowest_deg: float = 0.2
    stages: int = 15
    steps: int = 30
    last_steps: int = 200
    rate: float = 5e-3
    axis: BlurAxis = "two_theta"

    def __post_init__(self) -> None:
        if not 0 < self.narrowest_deg <= self.widest_deg or self.stages < 0 or self.steps < 1 or self.last_steps < 1:
            raise DescentError(
                "A blur narrows from widest_deg to narrowest_deg, both above 0, in stages (0 for none) of steps, with "
                f"last_steps after them, each at least 1. Received {self}."
            )
        if self.axis not in get_args(BlurAxis):
            raise DescentError(f"A blur has one width along 'two_theta' or 'log_d'. Received axis {self.axis!r}.")

    @property
    def all_steps(self) -> int:
        """Number of steps at most."""
        return self.stages * self.steps + self.last_steps

    @property
    def widths_deg(self) -> list[float]:
        """Widths of the blurs, in their order."""
        if self.stages < 2:
            return [self.widest_deg] * self.stages
        factor = (self.narrowest_deg / self.widest_deg) ** (1 / (self.stages - 1))
        return [self.widest_deg * factor**stage for stage in range(self.stages)]


def narrowing_stages(stage: Stage, narrowing: Narrowing) -> Callable[[int], Stage]:
    """Return the stage of each step: simulator and target blurred alike, and in the end both as they are.

    Args:
        stage: simulator and target without blur.
        narrowing: of the blur.
    """
    fine = log_axis(stage.simulator.instrument) if narrowing.axis == "log_d" else None
    stages = [
        blurred_stage(stage, width) if fine is None else _stage_on(fine, stage, width) for width in narrowing.widths_deg
    ]
    stages.append(stage)
    return lambda step: stages[min(step // narrowing.steps, len(stages) - 1)]


def _stage_on(axis: LogAxis, stage: Stage, width_deg: float) -> Stage:
    """Return a stage under a blur of one width on the axis. It is too fine at one end and too coarse at the other for a
    coarser grid than the pattern's own."""
    if stage.weights is not None:
        raise DescentError("Points have weights on their own axis alone: give a narrowing along 'two_theta'.")
    half = half_width(axis.in_log_d(width_deg), axis.step)
    return replace(stage, target=softened(stage.target, half, axis), blur=half, axis=axis)


def blurred_stage(stage: Stage, width_deg: float) -> Stage:
    """Return a stage under a blur of about this full width at half maximum, on as coarse a grid as peaks allow.

    The target is averaged on its own grid, over as many bins as spread a peak by as much as the average on the coarse
    grid does, and then thinned out: so all counts of a measured pattern are used. Weights are thinned out with it.
    """
    fine = stage.simulator.instrument
    every = max(1, int(fine.least_fwhm_deg / POINTS_PER_FWHM / fine.step_deg))
    every -= every % 2 == 0  # an odd number, so that there is a bin in the middle
    middle = every // 2
    start_deg = fine.two_theta_min_deg + middle * fine.step_deg
    coarse = replace(fine, axis=replace(fine.axis, step=every * fine.step_deg, minimum=start_deg))
    half = max(1, half_width(width_deg, coarse.step_deg))
    # A moving average over m bins of width w has the variance w^2 (m^2 - 1) / 12.
    bins = math.sqrt(every**2 * ((2 * half + 1) ** 2 - 1) + 1)
    seen = blurred(stage.target, round((bins - 1) / 2))[middle::every]
    weights = None if stage.weights is None else stage.weights[middle::every]
    return Stage(stage.simulator.with_instrument(coarse), seen, half, weights=weights)


def graduated(
    problem: Problem,
    lattice: Float[Tensor, "batch 6"],
    frac_coords: Float[Tensor, "batch sites 3"],
    objective: Objective = OBJECTIVES["cosine"],
    family: Family | None = None,
    narrowing: Narrowing | None = None,
    dtype: torch.dtype = torch.float32,
    progress: bool = False,
    record_every: int = 0,
) -> DescentResult:
    """Descend cells by Adam in parameters of one scale while the blur of both patterns narrows.

    Args:
        problem: the pattern to be explained.
        lattice, frac_coords: the starting models, sites in the problem's order.
        objective: what is descended.
        family: of crystals, to project onto at the start and after each step; None leaves the cell free.
        narrowing: of the blur.
        dtype: precision of the descent.
        progress: show a bar with the remaining time.
        record_every: steps between two points of the trajectory; 0 records none.
    """
    stage = Stage.of(problem, problem.simulator(dtype))
    cells, sites = lattice.to(dtype), frac_coords.to(dtype)
    moving = ScaledLattice.of(cells, sites, family)
    narrowing = narrowing or Narrowing()
    return narrowed(stage, moving, cells, sites, objective, narrowing, Adam(), progress, record_every)


def narrowed(
    stage: Stage,
    parameterisation: Parameterisation,
    lattice: Float[Tensor, "batch 6"],
    frac_coords: Float[Tensor, "batch sites 3"],
    objective: Objective,
    narrowing: Narrowing,
    rule: Rule,
    progress: bool = False,
    record_every: int = 0,
) -> DescentResult:
    """Descend while a blur narrows, whatever moves and by whichever rule; arguments else as `graduated`.

    Args:
        stage: simulator and target without blur.
        parameterisation: what moves.
        rule: what turns gradients into moves.
    """
    # No test for convergence: while there is a blur, standing still is no sign of an end.
    schedule = Schedule(narrowing.rate, narrowing.all_steps, check_every=narrowing.all_steps, rule=rule)
    descent = Descent(narrowing_stages(stage, narrowing), objective, schedule)
    return run_descent(descent, parameterisation, lattice, frac_coords, record_every, progress)
