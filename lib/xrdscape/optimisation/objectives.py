"""The four measures of how alike two patterns are, as similarities to read and as losses to descend.

Every function takes patterns [batch, n] and a target [n] or [batch, n], keeps their dtype and device, and
returns one value a sample. Intensities are non-negative. A pattern that is zero everywhere (no reflection
inside the range) resembles nothing: its cosine, entropy and cross-correlation similarities are 0, and so is
its scaled intensity in the mean squared error. A target that is zero everywhere is refused.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from xrdscape.errors import InstrumentError

Patterns = Float[Tensor, "batch n"]
Target = Float[Tensor, "n"] | Float[Tensor, "batch n"]
PerSample = Float[Tensor, "batch"]


def cosine_similarity(pattern: Patterns, target: Target) -> PerSample:
    """Return <x, t> / (|x| |t|), in [0, 1]; 1 where one pattern is a multiple of the other.

    Invariant under scaling of either pattern; not under a shift along the axis or an added background.

    Args:
        pattern: simulated intensities x [batch, n], any unit.
        target: target intensities t [n] or [batch, n], any unit.

    Returns:
        Similarity [batch].

    Raises:
        InstrumentError: the target is zero everywhere.
    """
    refuse_empty(target)
    return _cosine(pattern, target)


def mean_squared_error(pattern: Patterns, target: Target) -> PerSample:
    """Return mean((x / max x - t / max t)^2), in [0, 1]; 0 where one pattern is a multiple of the other.

    Scaling each pattern to maximum 1 makes it invariant under scaling of either; the gradient includes that
    of the maximum. Not invariant under a shift along the axis or an added background.

    Args:
        pattern: simulated intensities x [batch, n], any unit.
        target: target intensities t [n] or [batch, n], any unit.

    Returns:
        Error [batch].

    Raises:
        InstrumentError: the target is zero everywhere.
    """
    refuse_empty(target)
    return _squared_error(pattern, target)


def entropy_similarity(pattern: Patterns, target: Target) -> PerSample:
    """Return 1 - (2 S(m) - S(p) - S(q)) / ln 4, in [0, 1]: one minus the Jensen-Shannon divergence in bits.

    p = x / sum x, q = t / sum t, m = (p + q) / 2, S(p) = -sum p ln p. Invariant under scaling of either
    pattern and under one permutation of the bins of both; not under a shift or an added background.

    Args:
        pattern: simulated intensities x [batch, n], >= 0, any unit.
        target: target intensities t [n] or [batch, n], >= 0, any unit.

    Returns:
        Similarity [batch].

    Raises:
        InstrumentError: the target is zero everywhere.

    Source: Li et al., Nature Methods 18, 1524 (2021), without their weighting of low-entropy spectra.
    """
    refuse_empty(target)
    return _entropic(pattern, target)


def cross_correlation(pattern: Patterns, target: Target, max_shift: int | None = None) -> PerSample:
    """Return the maximum over shifts s of sum_i x_i t_(i-s) / (|x| |t|), in [0, 1]; zero-padded, nothing wraps round.

    Invariant under scaling of either pattern, and under a shift within `max_shift` as long as no intensity
    leaves the range. Never less than the cosine similarity. The best shift is found without gradient; the
    overlap at that shift is then differentiated, which is the exact gradient wherever the best shift is
    unique (envelope theorem).

    Args:
        pattern: simulated intensities x [batch, n], any unit.
        target: target intensities t [n] or [batch, n], any unit.
        max_shift: largest |s| in samples; None allows all n - 1 in either direction.

    Returns:
        Similarity [batch].

    Raises:
        InstrumentError: the target is zero everywhere, or max_shift is negative.
    """
    refuse_empty(target)
    if max_shift is not None and max_shift < 0:
        raise InstrumentError(f"max_shift {max_shift} is negative: give a number of samples, or None.")
    return _correlated(pattern, target, max_shift)


@torch.no_grad()
def best_shift(pattern: Patterns, target: Target, max_shift: int) -> Int[Tensor, "batch"]:
    """Return the shift of the target, in samples, that overlaps most with each pattern; by FFT, zero-padded.

    Args:
        pattern: intensities [batch, n].
        target: intensities [n] or [batch, n].
        max_shift: largest |shift| looked at, 0 to n - 1.

    Returns:
        Shift [batch]; positive moves the target to higher angles.
    """
    size = 2 * pattern.shape[-1]
    spectrum = torch.fft.rfft(pattern, size) * torch.fft.rfft(target, size).conj()
    # Place k holds shift k, or k - size where that is negative.
    overlap = torch.fft.irfft(spectrum, size)
    overlap[:, max_shift + 1 : size - max_shift] = -1
    place = overlap.argmax(-1)
    return torch.where(place > max_shift, place - size, place)


COSINE, SQUARED_ERROR, ENTROPY, CROSS_CORRELATION = range(4)
"""Losses that `loss_kernel` computes, too."""


@dataclass(frozen=True)
class Objective:
    """One objective: what is descended, what is reported, and which reflections count.

    Attributes:
        name: key in OBJECTIVES.
        label: for figures and tables.
        loss: (pattern, target) -> [batch]; smaller is better. It does not look whether the target is empty: a descent
            asks once, before it starts, and nothing at each step.
        similarity: (pattern, target) -> [batch]; larger is more alike.
        hkl_max: largest |h|, |k|, |l| simulated; None for all. The paper clips at 6 for the mean squared
            error.
        kernel_id: of the same loss in `loss_kernel`, if it is there.
        max_shift: of the cross-correlation, largest shift in bins; None for all.
    """

    name: str
    label: str
    loss: Callable[[Tensor, Tensor], Tensor]
    similarity: Callable[[Tensor, Tensor], Tensor]
    hkl_max: int | None = None
    kernel_id: int | None = None
    max_shift: int | None = None


def _negative(measure: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda *compared: -measure(*compared)


class _Cosine(torch.autograd.Function):
    """Its gradient, t / (|x| |t|) - cos x / |x|^2, takes two passes over the patterns; traced step by step, seven."""

    generate_vmap_rule = True

    @staticmethod
    def forward(pattern: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        norm = torch.linalg.vector_norm(pattern, dim=-1)
        norm += norm == 0
        scale = 1 / (norm * torch.linalg.vector_norm(target, dim=-1))
        overlap = pattern @ target if target.dim() == 1 else _dot(pattern, target)
        return overlap * scale, scale, norm

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
        ctx.save_for_backward(*inputs, *output)
        ctx.mark_non_differentiable(*output[1:])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor, None]:
        pattern, target, cosine, scale, norm = ctx.saved_tensors
        toward = (gradient * scale)[:, None] * target
        return toward.addcmul_(pattern, (-gradient * cosine / norm**2)[:, None]), None


def _cosine(pattern: Patterns, target: Target) -> PerSample:
    return _Cosine.apply(pattern, target)[0]


def _squared_error(pattern: Patterns, target: Target) -> PerSample:
    return (_over(pattern, pattern.amax(-1)) - _over(target, target.amax(-1))).square().mean(-1)


class _Divergence(torch.autograd.Function):
    """Jensen-Shannon divergence of x / sum x and q, times 2: sum p ln(p / m) + sum q ln(q / m), m = (p + q) / 2.

    Its gradient in p is ln(p / m), which is at hand; traced step by step it would cost the logarithms again.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(pattern: Tensor, total: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
        # The slope of -p ln p is infinite at 0: below the smallest normal number term and slope count as 0.
        tiny = torch.finfo(pattern.dtype).tiny
        p = pattern / total[:, None]
        log_m = torch.log(((p + q) / 2).clamp_min_(tiny))
        ratio = torch.log(p.clamp_min(tiny)).sub_(log_m)
        known = torch.special.entr(q.clamp_min(tiny)).sum(-1)
        return (p * ratio).sum(-1) - (q * log_m).sum(-1) - known, ratio

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
        pattern, total, _ = inputs
        ctx.save_for_backward(pattern, total, output[1])
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor, None, None]:
        pattern, total, ratio = ctx.saved_tensors
        mean = (pattern * ratio).sum(-1) / total
        return (ratio - mean[:, None]).mul_((gradient / total)[:, None]), None, None


def _entropic(pattern: Patterns, target: Target) -> PerSample:
    total = pattern.detach().sum(-1)
    q = _over(target, target.sum(-1))
    divergence, _ = _Divergence.apply(pattern, total + (total == 0), q)
    return torch.where(total > 0, 1 - divergence / math.log(4), torch.zeros_like(total))


def _correlated(pattern: Patterns, target: Target, max_shift: int | None = None) -> PerSample:
    n = pattern.shape[-1]
    shift = best_shift(pattern, target, n - 1 if max_shift is None else min(max_shift, n - 1))
    # Every window of n values of the target between zeros, as a view; number n - s is the target shifted by s.
    windows = torch.nn.functional.pad(target, (n, n)).unfold(-1, n, 1)
    which = (n - shift,) if target.dim() == 1 else (torch.arange(len(pattern), device=pattern.device), n - shift)
    return _normalised(pattern, target, _dot(pattern, windows[which]))


OBJECTIVES = {
    objective.name: objective
    for objective in (
        Objective("cosine", "Cosine", _negative(_cosine), cosine_similarity, kernel_id=COSINE),
        Objective("mse", "MSE", _squared_error, _negative(mean_squared_error), hkl_max=6, kernel_id=SQUARED_ERROR),
        Objective("entropy", "Entropy", _negative(_entropic), entropy_similarity, kernel_id=ENTROPY),
        Objective(
            name="cross_correlation",
            label="Cross-correlation",
            loss=_negative(_correlated),
            similarity=cross_correlation,
            kernel_id=CROSS_CORRELATION,
        ),
    )
}


def cross_correlation_within(max_shift: int) -> Objective:
    """Return the cross-correlation with shifts of at most so many bins."""
    return replace(
        OBJECTIVES["cross_correlation"],
        loss=lambda pattern, target: -_correlated(pattern, target, max_shift),
        similarity=lambda pattern, target: cross_correlation(pattern, target, max_shift),
        max_shift=max_shift,
    )


def weighted(objective: Objective, weights: Target | None) -> Objective:
    """Return the objective of a weighted pattern against a target that has been weighted already.

    A pattern is weighted by the square roots, so that its squared differences count with these weights at each point.
    """
    if weights is None:
        return objective
    root = weights.sqrt()
    return replace(objective, loss=lambda x, t: objective.loss(x * root, t), kernel_id=None)


def refuse_empty(target: Target) -> None:
    """Raise InstrumentError for a target that is zero everywhere or not a number."""
    if not bool((target.amax(-1) > 0).all()):
        raise InstrumentError(
            "the target pattern is zero everywhere or not a number: no reflection falls inside the two-theta "
            "range. Widen the range or shorten the wavelength."
        )


def _over(pattern: Target, scale: Tensor) -> Target:
    """Return pattern / scale, and zero where the scale is zero."""
    return pattern / torch.where(scale > 0, scale, torch.ones_like(scale))[..., None]


def _dot(pattern: Tensor, other: Tensor) -> Tensor:
    return torch.linalg.vecdot(pattern, other)


def _norm(square: Tensor) -> Tensor:
    return (square + (square == 0)).sqrt()


def _normalised(pattern: Patterns, target: Target, overlap: PerSample) -> PerSample:
    return overlap / (_norm(_dot(pattern, pattern)) * _dot(target, target).sqrt())
