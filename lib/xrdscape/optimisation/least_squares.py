"""Least squares by Levenberg-Marquardt, a batch at a time: what polishes models and what refines profiles."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

DAMPING, EASED, STRAINED = 1e-3, 0.2, 5.0
"""Weight of the diagonal at the start; its factors after a step that helped and one that did not."""
LEAST_EFFECT = 1e-2
"""Between bounds, a parameter is damped as if its unit had at least this share of the squared effect of any other:
where symmetry cancels its slope, as that of an angle near 90 deg, steps would grow without limit."""


@runtime_checkable
class Residuals(Protocol):
    """A sum to be made small: half the sum of squares of each sample's residuals."""

    def residuals(self, parameters: Float[Tensor, "batch K"], which: Int[Tensor, "batch"]) -> Float[Tensor, "batch n"]:
        """Return the residuals of the samples `which`; not finite where their parameters are impossible."""

    def slopes(self, parameters: Float[Tensor, "batch K"], which: Int[Tensor, "batch"]) -> Float[Tensor, "batch K n"]:
        """Return the derivatives of the residuals in each parameter."""

    def project(self, parameters: Float[Tensor, "batch K"], which: Int[Tensor, "batch"]) -> Float[Tensor, "batch K"]:
        """Return the nearest parameters that are allowed."""


@dataclass(frozen=True)
class Bounds:
    """Least and largest values of each parameter [K]; their distance is its unit."""

    low: Float[Tensor, "K"]
    high: Float[Tensor, "K"]


@dataclass(frozen=True)
class Solution:
    """Parameters [B, K] where the steps ended, their residuals [B, n], and the steps [B] that were tried."""

    parameters: Float[Tensor, "batch K"]
    residuals: Float[Tensor, "batch n"]
    steps: Int[Tensor, "batch"]


def least_squares(
    problem: Residuals,
    start: Float[Tensor, "batch K"],
    max_steps: int,
    tolerance: float,
    gain: float = 0.0,
    bounds: Bounds | None = None,
) -> Solution:
    """Return the least squares nearby; no sample ends above where it began.

    Args:
        problem: residuals and their slopes.
        start: where to begin.
        max_steps: each asks for the residuals once and, where the last one helped, for the slopes.
        tolerance: a sample stops when no parameter would move by more than this.
        gain: a sample stops when a step makes its sum of squares smaller by no more than this share.
        bounds: of the parameters.

    Source: Marquardt, J. Soc. Ind. Appl. Math. 11, 431 (1963).
    """
    running = torch.arange(len(start), device=start.device)
    parameters = _within(problem.project(start, running).detach(), bounds).clone()
    residuals = problem.residuals(parameters, running)
    slopes = problem.slopes(parameters, running)
    cost, damping = residuals.square().sum(-1), torch.full_like(residuals[:, 0], DAMPING)
    steps = torch.zeros_like(running)
    for step in range(max_steps):
        here, rest = parameters[running], residuals[running]
        free = _unheld(slopes[running], rest, here, bounds)
        move = _move(free, rest, damping[running], bounds)
        there = _within(problem.project(here + move.to(here.dtype), running), bounds)
        fresh = problem.residuals(there, running)
        reached = fresh.square().sum(-1)
        better = torch.isfinite(reached) & (reached < cost[running])
        gained = torch.where(better, (cost[running] - reached) / cost[running], torch.inf)
        which = running[better]
        parameters[which], residuals[which], cost[which] = there[better], fresh[better], reached[better]
        damping[running] *= torch.where(better, EASED, STRAINED)
        steps[running] += 1
        goes_on = (move.abs().amax(-1) > tolerance) & (gained > gain)
        running, which = running[goes_on], running[better & goes_on]
        if not len(running):
            break
        if len(which) and step + 1 < max_steps:
            slopes[which] = problem.slopes(parameters[which], which)
    return Solution(parameters, residuals, steps)


def _within(parameters: Tensor, bounds: Bounds | None) -> Tensor:
    return parameters if bounds is None else parameters.clamp(bounds.low, bounds.high)


def _unheld(slopes: Tensor, residuals: Tensor, parameters: Tensor, bounds: Bounds | None) -> Tensor:
    """Return slopes without those of parameters that a bound holds where they are."""
    if bounds is None:
        return slopes
    downhill = -(slopes @ residuals[..., None])[..., 0]
    held = ((parameters <= bounds.low) & (downhill < 0)) | ((parameters >= bounds.high) & (downhill > 0))
    return torch.where(held[..., None], 0.0, slopes)


def _move(slopes: Tensor, residuals: Tensor, damping: Tensor, bounds: Bounds | None) -> Float[Tensor, "batch K"]:
    """Return the solution of (J J^T + damping D) move = -J r, where D is the diagonal of J J^T or more."""
    square = slopes @ slopes.mT
    diagonal = square.diagonal(dim1=-2, dim2=-1)
    # A parameter without effect has no slope; it stays.
    least = torch.finfo(square.dtype).eps * diagonal.amax(-1, keepdim=True) + torch.finfo(square.dtype).tiny
    damped = diagonal
    if bounds is not None:
        squared_unit = (bounds.high - bounds.low) ** 2
        effect = (diagonal * squared_unit).amax(-1, keepdim=True)
        damped = torch.maximum(diagonal, LEAST_EFFECT * effect / squared_unit)
    square = square + torch.diag_embed(damping[:, None] * damped + least)
    return torch.linalg.solve_ex(square, -(slopes @ residuals[..., None]))[0][..., 0]
