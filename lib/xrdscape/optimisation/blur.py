"""Blur of a pattern: three moving averages in a row, close to a Gaussian and as cheap wide as narrow.

A blur of both patterns makes a landscape smoother and asks nothing of the truth: it acts on a measured pattern as on a
simulated one.
"""

import math
from dataclasses import replace
from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from xrdscape.optimisation.log_axis import LogAxis, on_log_axis
from xrdscape.optimisation.objectives import Objective

PASSES = 3
# Of three averages over a width w: a quadratic spline, 3/4 - (x/w)^2 around its centre.
_FWHM_OF_WIDTH = math.sqrt(1.5)


def half_width(fwhm_deg: float, step_deg: float) -> int:
    """Return the number of bins to either side that each moving average takes in, for a blur of this full width at half
    maximum.

    >>> half_width(0.0, 0.01), half_width(5.0, 0.01)
    (0, 204)
    """
    return max(0, round((fwhm_deg / _FWHM_OF_WIDTH / step_deg - 1) / 2))


def blurred(pattern: Float[Tensor, "*batch n"], half: int) -> Float[Tensor, "*batch n"]:
    """Return the patterns blurred along their last axis, zero outside; differentiable.

    Args:
        pattern: intensities.
        half: bins to either side that each of the three averages takes in; 0 changes nothing.
    """
    return _Blur.apply(pattern, half) if half else pattern


class _Blur(torch.autograd.Function):
    """A moving average with zeros outside is a symmetric matrix, and so is a power of it: its own backward."""

    @staticmethod
    def forward(ctx: Any, pattern: Tensor, half: int) -> Tensor:
        ctx.half = half
        return _averaged(pattern, half)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _averaged(gradient, ctx.half), None


def _averaged(values: Tensor, half: int) -> Tensor:
    # Sums run over thousands of values: in float32 their differences would keep three digits.
    out = values.double()
    for _ in range(PASSES):
        sums = torch.nn.functional.pad(out.cumsum(-1), (half + 1, half), mode="constant")
        sums[..., -half:] = sums[..., -half - 1 : -half]
        out = (sums[..., 2 * half + 1 :] - sums[..., : -2 * half - 1]) / (2 * half + 1)
    return out.to(values.dtype)


def softened(pattern: Float[Tensor, "*batch n"], half: int, axis: LogAxis | None = None) -> Float[Tensor, "*batch n"]:
    """Return the patterns blurred by so many bins on their own axis or, if one is given, on an axis of ln d."""
    return blurred(pattern if axis is None else on_log_axis(pattern, axis), half)


@lru_cache
def through_blur(objective: Objective, half: int, axis: LogAxis | None = None) -> Objective:
    """Return the objective of a softened pattern against a target that has been softened already."""
    if not half and axis is None:
        return objective
    return replace(objective, loss=lambda x, t: objective.loss(softened(x, half, axis), t), kernel_id=None)
