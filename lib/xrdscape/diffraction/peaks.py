"""The sum of peaks that is a pattern: the one expensive operation, [batch, peaks] to [batch, n], as one operator.

`peaks_to_pattern` is what the simulator calls. On the CPU it runs the compiled loops of `peaks_kernel`, spread over
threads; on other devices plain torch, some peaks at a time. Both have a hand-written backward and are held by
the tests against `peaks_to_pattern_reference`, a few lines of torch that define what is computed. Centres and widths
are in the unit of the axis, whatever that is.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from xrdscape.diffraction.instrument import Instrument
from xrdscape.diffraction.kernels import peaks_kernel
from xrdscape.diffraction.kernels.arguments import Layout, PeakArrays, Sampling
from xrdscape.diffraction.profile import FOUR_LN2, pseudo_voigt
from xrdscape.runtime.threads import over_samples

CHUNK = 2**24
"""Values of one temporary on other devices than the CPU; some ten are held at a time."""
_FIRST_ORDER = (
    "The compiled operators know first derivatives by torch.autograd alone. For torch.func, forward mode or second "
    "derivatives build the pattern from Simulator.peaks and peaks_to_pattern_reference."
)


def peaks_to_pattern(
    centre: Float[Tensor, "batch peaks"],
    height: Float[Tensor, "batch peaks"],
    fwhm: Float[Tensor, "batch peaks"],
    instrument: Instrument,
) -> Float[Tensor, "batch n"]:
    """Return the sum of pseudo-Voigt peaks on the instrument's grid, differentiable once in centre, height and width.

    Exact to rounding in float64 and, with centres in float64, to 1e-6 of the maximum in float32.

    Args:
        centre: place of each peak in the axis's unit; float64 keeps the precision that float32 lacks near 90 deg.
        height: of each peak; one of height exactly 0 contributes nothing and receives no gradient (it stands for
            padding, or for a reflection outside the range).
        fwhm: full width at half maximum in the axis's unit.
        instrument: its axis and its fraction of Gaussian are used.

    Returns:
        Intensities in the precision of `height`.

    Source: eq:pattern of the simulator chapter.
    """
    return apply_first_order(_Pattern, centre.double(), height, fwhm.to(height.dtype), instrument)


def peaks_to_pattern_reference(
    centre: Float[Tensor, "batch peaks"],
    height: Float[Tensor, "batch peaks"],
    fwhm: Float[Tensor, "batch peaks"],
    grid: Float[Tensor, "n"],
    eta: float,
) -> Float[Tensor, "batch n"]:
    """Return the definition of `peaks_to_pattern` in plain torch, on any grid; memory for [batch, peaks, n] values."""
    offset = grid - centre[..., None]
    return (height[..., None] * pseudo_voigt(offset, fwhm[..., None], eta)).sum(1)


def apply_first_order(operator: type[torch.autograd.Function], *args: Any) -> Any:
    """Apply an operator whose backward is written by hand; what it cannot do is refused with advice."""
    try:
        # Under torch.compile an operator stays as it is, between two compiled pieces.
        return _as_it_is(operator, *args) if torch.compiler.is_compiling() else operator.apply(*args)
    except RuntimeError as problem:
        if "functorch" not in str(problem):
            raise
        raise NotImplementedError(_FIRST_ORDER) from problem


def _as_it_is(operator: type[torch.autograd.Function], *args: Any) -> Any:
    return torch.compiler.disable(operator.apply)(*args)


class _Pattern(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, centre: Tensor, height: Tensor, fwhm: Tensor, instrument: Instrument) -> Tensor:
        ctx.save_for_backward(centre, height, fwhm)
        ctx.instrument = instrument
        return _patterns(centre, height, fwhm, instrument)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        centre, height, fwhm = ctx.saved_tensors
        d_centre, d_height, d_fwhm = _gradients(gradient, centre, height, fwhm, ctx.instrument)
        return d_centre, d_height, d_fwhm, None


def _patterns(centre: Tensor, height: Tensor, fwhm: Tensor, instrument: Instrument) -> Tensor:
    if height.device.type != "cpu":
        return _patterns_in_torch(centre, height, fwhm, instrument)
    (batch, count), pattern = height.shape, height.new_empty(len(height), instrument.n_steps)
    peaks, (sampling, layout) = peak_arrays(centre, height, fwhm), sampling_of(instrument, height.dtype)
    over_samples(
        peaks_kernel.forward, peaks_kernel.forward_over, batch, count, peaks, sampling, layout, pattern.numpy()
    )
    return pattern


def _gradients(
    gradient: Tensor, centre: Tensor, height: Tensor, fwhm: Tensor, instrument: Instrument
) -> tuple[Tensor, Tensor, Tensor]:
    if height.device.type != "cpu":
        return _gradients_in_torch(gradient, centre, height, fwhm, instrument)
    (batch, count), slopes = (
        height.shape,
        [torch.empty(value.shape, dtype=value.dtype) for value in (centre, height, fwhm)],
    )
    peaks, (sampling, layout) = peak_arrays(centre, height, fwhm), sampling_of(instrument, height.dtype)
    over_samples(
        peaks_kernel.backward, peaks_kernel.backward_over, batch, count,
        peaks, sampling, layout, gradient.contiguous().numpy(), peak_arrays(*slopes),
    )  # fmt: skip
    return slopes[0], slopes[1], slopes[2]


def peak_arrays(centre: Tensor, height: Tensor, fwhm: Tensor) -> PeakArrays:
    """Return peaks as the compiled loops take them; what is contiguous shares its memory."""
    return PeakArrays(centre.contiguous().numpy(), height.contiguous().numpy(), fwhm.contiguous().numpy())


@lru_cache
def sampling_of(instrument: Instrument, dtype: torch.dtype) -> tuple[Sampling, Layout]:
    """Return the constants of grid and peak shape as the compiled loops take them, in a precision."""
    kind = np.dtype(str(dtype).removeprefix("torch."))
    axis, reach = instrument.axis, peaks_kernel.REACH_FWHM[kind]
    sampling = Sampling(float(axis.minimum), float(axis.step), float(instrument.eta), reach)
    return sampling, peaks_kernel.layout(instrument.n_steps, kind)


def _chunks(
    centre: Tensor, height: Tensor, fwhm: Tensor, instrument: Instrument
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield some peaks at a time: offsets from float64 centres in the pattern's precision [B, m, n], height, width."""
    grid = instrument.axis.grid(torch.float64, centre.device)
    size = max(1, CHUNK // max(1, len(centre) * len(grid)))
    for c, h, w in zip(*(t.split(size, 1) for t in (centre, height, fwhm)), strict=True):
        yield (grid - c[..., None]).to(height.dtype), h[..., None], w[..., None]


def _patterns_in_torch(centre: Tensor, height: Tensor, fwhm: Tensor, instrument: Instrument) -> Tensor:
    pattern = height.new_zeros(len(height), instrument.n_steps)
    for offset, h, w in _chunks(centre, height, fwhm, instrument):
        pattern += torch.where(h != 0, h * pseudo_voigt(offset, w, instrument.eta), 0.0).sum(1)
    return pattern


def _gradients_in_torch(
    gradient: Tensor, centre: Tensor, height: Tensor, fwhm: Tensor, instrument: Instrument
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients by the formulas of `peaks_kernel.backward`."""
    parts: list[tuple[Tensor, ...]] = []
    eta, g = instrument.eta, gradient[:, None]
    for u, h, w in _chunks(centre, height, fwhm, instrument):
        quarter = w * w / 4
        lorentz = (1 - eta) * quarter / (quarter + u * u)
        gauss = eta * torch.exp(-FOUR_LN2 * (u / w) ** 2)
        # Both slopes as multiples of u: dL/dcentre = 2 L / (q + u^2) u, dG/dcentre = 8 ln2 / H^2 G u.
        slope = 2 * lorentz / (quarter + u * u) + 2 * FOUR_LN2 / w**2 * gauss
        counts = (h != 0)[..., 0]
        d_height = (g * (lorentz + gauss)).sum(-1)
        # A profile depends on u / H alone, so that H dp/dH = u dp/dcentre.
        gu = g * slope * u
        d_centre, d_fwhm = gu.sum(-1) * h[..., 0], (gu * u).sum(-1) * (h / w)[..., 0]
        parts.append(tuple(torch.where(counts, d, 0.0) for d in (d_centre, d_height, d_fwhm)))
    d_centre, d_height, d_fwhm = (torch.cat(p, 1) for p in zip(*parts, strict=True))
    return d_centre.to(centre.dtype), d_height, d_fwhm
