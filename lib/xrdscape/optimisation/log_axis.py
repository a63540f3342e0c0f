"""Patterns on an axis of ln d, where an even strain of the crystal moves every peak by the same amount.

By Bragg's law ln sin(theta) = const - ln d, so the axis is ln sin(theta). A blur of one width on it is one in two theta
that grows like tan(theta): the uncertainty of a strain, not that of an angle.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from xrdscape.diffraction.instrument import Instrument

LOWEST_TWO_THETA_DEG = 2.0
"""Least angle at which the axis begins, since from 0 deg it would never end. There copper's d is 44 angstrom."""


@dataclass(frozen=True)
class LogAxis:
    """An axis of as many values of ln sin(theta) as the pattern has, evenly spaced from `first` to its upper end.

    Args:
        two_theta_min_deg, step_deg, n: of the pattern's own axis.
        first, step: of this one.
    """

    two_theta_min_deg: float
    step_deg: float
    n: int
    first: float
    step: float

    def in_log_d(self, width_deg: float) -> float:
        """Return a width in the middle of the range, as one in ln d: d(2 theta) = 2 tan(theta) d(ln sin theta)."""
        middle = math.radians(self.two_theta_min_deg + self.step_deg * self.n / 2) / 2
        return math.radians(width_deg) / (2 * math.tan(middle))


def log_axis(instrument: Instrument) -> LogAxis:
    """Return the axis of ln d that belongs to the grid of an instrument."""
    n, step = instrument.n_steps, instrument.step_deg
    highest = instrument.two_theta_min_deg + (n - 1) * step
    # A range below it all is taken from its second value, wherever that is.
    lowest = max(instrument.two_theta_min_deg, min(LOWEST_TWO_THETA_DEG, highest / 2))
    first, last = (math.log(math.sin(math.radians(end / 2))) for end in (lowest, highest))
    return LogAxis(instrument.two_theta_min_deg, step, n, first, (last - first) / (n - 1))


def on_log_axis(pattern: Float[Tensor, "*batch n"], axis: LogAxis) -> Float[Tensor, "*batch n"]:
    """Return patterns interpolated onto the axis, times tan(theta) so that a peak keeps its area; differentiable."""
    return _Resampled.apply(pattern, axis)


@lru_cache
def _weights(axis: LogAxis, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Return the bin below each value, and what that one and the next contribute."""
    places = axis.first + axis.step * torch.arange(axis.n, dtype=torch.float64, device=device)
    theta = torch.arcsin(torch.exp(places))
    bins = (2 * torch.rad2deg(theta) - axis.two_theta_min_deg) / axis.step_deg
    below = bins.floor().clamp(0, axis.n - 2)
    share = (bins - below).clamp(0, 1)
    tangent = torch.tan(theta)
    return below.long(), ((1 - share) * tangent).to(dtype), (share * tangent).to(dtype)


class _Resampled(torch.autograd.Function):
    """Interpolation is a sparse matrix; the backward is its transpose."""

    @staticmethod
    def forward(ctx: Any, pattern: Tensor, axis: LogAxis) -> Tensor:
        ctx.axis = axis
        below, first, second = _weights(axis, pattern.dtype, pattern.device)
        return pattern[..., below] * first + pattern[..., below + 1] * second

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        below, first, second = _weights(ctx.axis, gradient.dtype, gradient.device)
        out = torch.zeros_like(gradient)
        out.index_add_(-1, below, gradient * first).index_add_(-1, below + 1, gradient * second)
        return out, None
