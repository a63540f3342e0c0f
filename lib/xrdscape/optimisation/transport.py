"""Objectives for peaks that stand apart: optimal transport, and the cross-correlation with a triangular weight.

Where peaks do not overlap, the cosine is flat; these still tell how far a peak is from its place. They are descended
like those of `objectives`, but are no columns of the study's records.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from xrdscape.errors import InstrumentError
from xrdscape.optimisation.objectives import OBJECTIVES, Objective, Patterns, PerSample, Target, refuse_empty


def transport(pattern: Patterns, target: Target) -> PerSample:
    """Return the mean |P - Q| of the two running sums, in [0, 1]: the work to carry one pattern's intensity to the
    other's places.

    Both patterns are divided by their sums. The unit is the range of the pattern; a shift by a tenth of the range
    costs 0.1. This is the Wasserstein distance W1 of the two as masses on the grid.

    Args:
        pattern: simulated intensities [batch, n], >= 0, any unit.
        target: target intensities [n] or [batch, n], >= 0, any unit.

    Returns:
        Distance [batch]; 1 for a pattern that is zero everywhere.

    Raises:
        InstrumentError: the target is zero everywhere.

    Source: Villani, Topics in Optimal Transportation (2003), section 2.2, for the closed form in one dimension.
    """
    refuse_empty(target)
    return _Transport.apply(pattern, target)


def squared_transport(pattern: Patterns, target: Target) -> PerSample:
    """Return what `transport` does where carrying costs the square of the way: W2^2, the mean of (P^-1 - Q^-1)^2 over
    all quantiles.

    For a pattern that is a shifted copy of the target it is the square of the shift, whatever the shift.

    Args:
        pattern: simulated intensities [batch, n], >= 0, any unit.
        target: target intensities [n] or [batch, n], >= 0, any unit.

    Returns:
        Squared distance [batch]; 1 for a pattern that is zero everywhere.

    Raises:
        InstrumentError: the target is zero everywhere.

    Source: as of `transport`.
    """
    refuse_empty(target)
    return _SquaredTransport.apply(pattern, target)


def triangular_correlation(pattern: Patterns, target: Target, bins: int) -> PerSample:
    """Return c_xt / sqrt(c_xx c_tt), in [0, 1], with c_fg the sum over shifts |r| < bins of (1 - |r| / bins) <f, g
    shifted>.

    A triangle is a box folded with itself, so this is the cosine of two patterns that have been smeared by a box,
    which runs past both ends of the range: nothing is lost there.

    Args:
        pattern: simulated intensities [batch, n], any unit.
        target: target intensities [n] or [batch, n], any unit.
        bins: half the base of the triangle; 1 gives the cosine similarity.

    Returns:
        Similarity [batch].

    Raises:
        InstrumentError: the target is zero everywhere, or the triangle has no width.

    Source: de Gelder, Wehrens & Hageman, J. Comput. Chem. 22, 273 (2001).
    """
    if bins < 1:
        raise InstrumentError(f"a triangle of {bins} bins has no width: give at least 1.")
    return OBJECTIVES["cosine"].similarity(_smeared(pattern, bins), _smeared(target, bins))


def triangular(width_deg: float, step_deg: float) -> Objective:
    """Return the triangular cross-correlation as an objective; `width_deg` is half the base of the triangle."""
    bins = max(1, round(width_deg / step_deg))
    return Objective(
        "triangular",
        "Triangular cross-correlation",
        lambda pattern, target: OBJECTIVES["cosine"].loss(_smeared(pattern, bins), _smeared(target, bins)),
        lambda pattern, target: triangular_correlation(pattern, target, bins),
    )


def _smeared(pattern: Float[Tensor, "*batch n"], bins: int) -> Float[Tensor, "*batch m"]:
    """Return the sum over `bins` neighbours, wherever one of them is inside the range."""
    # In float64, because sums over the whole range are subtracted.
    sums = torch.nn.functional.pad(pattern.double(), (bins, bins - 1)).cumsum(-1)
    return (sums[..., bins:] - sums[..., :-bins]).to(pattern.dtype)


def _shares(pattern: Tensor) -> tuple[Tensor, Tensor]:
    """Return intensities over their sum, in float64, and the sum [..., 1]: rounding adds up over thousands of bins."""
    total = pattern.double().sum(-1, keepdim=True)
    return pattern.double() / torch.where(total > 0, total, 1.0), total


class _Transport(torch.autograd.Function):
    """W1 as a function of the pattern: its slope in the running sum is a sign."""

    @staticmethod
    def forward(ctx: Any, pattern: Tensor, target: Tensor) -> Tensor:
        p, total = _shares(pattern)
        gap = p.cumsum(-1) - _shares(target)[0].cumsum(-1)
        # All of it has been carried at the last bin, whatever rounding says.
        gap[..., -1] = 0
        ctx.save_for_backward(p, total, gap)
        return torch.where(total[..., 0] > 0, gap.abs().mean(-1), 1.0).to(pattern.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        p, total, gap = ctx.saved_tensors
        return _in_pattern(gradient, _from_right(gap.sign()) / gap.shape[-1], p, total), None


class _SquaredTransport(torch.autograd.Function):
    """W2^2 as a function of the pattern.

    With bins at x and Q^-1 the quantiles of the target, it is <x^2>_p + <x^2>_q - 2 sum_k x_k (H(P_k) - H(P_k-1)),
    where H, the integral of Q^-1 from 0, is linear between the values of Q; its slope in P_k is
    2 (x_k+1 - x_k) Q^-1(P_k).
    """

    @staticmethod
    def forward(ctx: Any, pattern: Tensor, target: Tensor) -> Tensor:
        p, total = _shares(pattern)
        q = _shares(target)[0].expand_as(p)
        n = p.shape[-1]
        x = torch.arange(n, dtype=p.dtype, device=p.device) / n
        sums, known = p.cumsum(-1), q.cumsum(-1).contiguous()
        place = torch.searchsorted(known, sums).clamp_max_(n - 1)
        # H at the end of each bin of the target, and inside one.
        whole = (x * q).cumsum(-1)
        before, share = (t.gather(-1, place) for t in (whole - x * q, known - q))
        covered = before + x[place] * (sums - share)
        product = (x * torch.diff(covered, dim=-1, prepend=torch.zeros_like(covered[..., :1]))).sum(-1)
        ctx.save_for_backward(p, total, x, x[place])
        value = (x**2 * (p + q)).sum(-1) - 2 * product
        return torch.where(total[..., 0] > 0, value.clamp_min(0), 1.0).to(pattern.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        p, total, x, quantile = ctx.saved_tensors
        quantile = quantile.clone()
        quantile[..., -1] = 0
        return _in_pattern(gradient, x**2 + 2 / len(x) * _from_right(quantile), p, total), None


def _from_right(values: Tensor) -> Tensor:
    """Return the sum over this bin and all after it: the slope in a share, from slopes in the running sums."""
    return values.flip(-1).cumsum(-1).flip(-1)


def _in_pattern(gradient: Tensor, slope: Tensor, p: Tensor, total: Tensor) -> Tensor:
    """Return the slope in the pattern, from that in its shares; none for a pattern that is zero everywhere."""
    centred = (slope - (slope * p).sum(-1, keepdim=True)) / torch.where(total > 0, total, torch.inf)
    return (gradient[..., None] * centred).to(gradient.dtype)


TRANSPORT = Objective(
    name="transport",
    label="Optimal transport",
    loss=_Transport.apply,
    similarity=lambda pattern, target: -transport(pattern, target),
)
SQUARED_TRANSPORT = Objective(
    name="squared_transport",
    label="Squared optimal transport",
    loss=_SquaredTransport.apply,
    similarity=lambda pattern, target: -squared_transport(pattern, target),
)
