"""From peaks to a pattern: the one expensive operation, [batch, reflections] to [batch, n], as one operator.

`peaks_to_pattern` is what the simulator calls. On the CPU it runs the compiled loops of `peaks_kernel`, spread over
threads; on other devices plain torch, some peaks at a time. Both have a hand-written backward and are held by
the tests against `peaks_to_pattern_reference`, a few lines of torch that define what is computed.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from xrdscape.diffraction.kernels import peaks_kernel
from xrdscape.diffraction.profile import FOUR_LN2, Instrument, pseudo_voigt, two_theta_grid
from xrdscape.runtime.threads import over_samples

# Values of one temporary on other devices than the CPU; some ten are held at a time.
CHUNK = 2**24
_FIRST_ORDER = (
    "The compiled operators know first derivatives by torch.autograd alone. For torch.func, forward mode or second "
    "derivatives build the pattern from Simulator.peaks and peaks_to_pattern_reference."
)


def peaks_to_pattern(
    centre_deg: Float[Tensor, "batch peaks"],
    height: Float[Tensor, "batch peaks"],
    fwhm_deg: Float[Tensor, "batch peaks"],
    instrument: Instrument,
) -> Float[Tensor, "batch n"]:
    """Sum of pseudo-Voigt peaks on the instrument's grid, differentiable once in centre, height and width.

    Exact to rounding in float64 and, with centres in float64, to 1e-6 of the maximum in float32.

    Args:
        centre_deg: scattering angle of each peak; float64 keeps the precision that float32 lacks near 90 deg.
        height: of each peak; one of height exactly 0 contributes nothing and receives no gradient (it stands for
            padding, or for a reflection outside the range).
        fwhm_deg: full width at half maximum.
        instrument: its grid and its fraction of Gaussian are used.

    Returns:
        Intensities in the precision of `height`.

    Source: eq:pattern of the simulator chapter.
    """
    return apply_first_order(_Pattern, centre_deg.double(), height, fwhm_deg.to(height.dtype), instrument)


def peaks_to_pattern_reference(
    centre_deg: Float[Tensor, "batch peaks"],
    height: Float[Tensor, "batch peaks"],
    fwhm_deg: Float[Tensor, "batch peaks"],
    two_theta_deg: Float[Tensor, "n"],
    eta: float,
) -> Float[Tensor, "batch n"]:
    """The definition of `peaks_to_pattern` in plain torch, on any grid. Needs memory for [batch, peaks, n] values."""
    offset = two_theta_deg - centre_deg[..., None]
    return (height[..., None] * pseudo_voigt(offset, fwhm_deg[..., None], eta)).sum(1)


def apply_first_order(operator: type[torch.autograd.Function], *args: Any) -> Any:
    """Apply an operator whose backward is written by hand; what it cannot do is refused with advice."""
    try:
        # Under torch.compile an operator stays as it is, between two compiled pieces.
        return _as_it_is(operator, *args) if torch.compiler.is_compiling() else operator.apply(*args)
    except RuntimeError as problem:
        if "functorch" not in str(problem):
            raise
        raise NotImplementedError(_FIRST_ORDER) from problem


@torch.compiler.disable
def _as_it_is(operator: type[torch.autograd.Function], *args: Any) -> Any:
    return operator.apply(*args)


class _Pattern(torch.autograd.Function):
    @staticmethod
    def forward(ctx, centre, height, fwhm, instrument):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(centre, height, fwhm)
        ctx.instrument = instrument
        return _patterns(centre, height, fwhm, instrument)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):  # type: ignore[no-untyped-def]
        return *_gradients(gradient, *ctx.saved_tensors, ctx.instrument), None


def _patterns(centre: Tensor, height: Tensor, fwhm: Tensor, instrument: Instrument) -> Tensor:
    if height.device.type != "cpu":
        return _patterns_in_torch(centre, height, fwhm, instrument)
    pattern = height.new_empty(len(height), instrument.n_steps)
    peaks = [t.contiguous().numpy() for t in (centre, height, fwhm)]
    constants = peak_constants(instrument, height.dtype)
    over_samples(
        *(peaks_kernel.forward, peaks_kernel.forward_over, *height.shape), *(*peaks, *constants, pattern.numpy())
    )
    return pattern


def _gradients(
    gradient: Tensor, centre: Tensor, height: Tensor, fwhm: Tensor, instrument: Instrument
) -> tuple[Tensor, Tensor, Tensor]:
    if height.device.type != "cpu":
        return _gradients_in_torch(gradient, centre, height, fwhm, instrument)
    d_centre, d_height, d_fwhm = (
        centre.new_empty(centre.shape),
        height.new_empty(height.shape),
        fwhm.new_empty(fwhm.shape),
    )
    peaks = [t.contiguous().numpy() for t in (centre, height, fwhm)]
    arrays = [t.numpy() for t in (gradient.contiguous(), d_centre, d_height, d_fwhm)]
    constants = peak_constants(instrument, height.dtype)
    over_samples(*(peaks_kernel.backward, peaks_kernel.backward_over, *height.shape), *(*peaks, *constants, *arrays))
    return d_centre, d_height, d_fwhm


@lru_cache
def peak_constants(instrument: Instrument, dtype: torch.dtype) -> tuple[Any, ...]:
    """Of the grid and the profile, as the kernel takes them."""
    kind = np.dtype(str(dtype).removeprefix("torch."))
    reach = peaks_kernel.REACH_FWHM[kind]
    profile = instrument.two_theta_min_deg, instrument.step_deg, instrument.eta, reach
    return profile, *peaks_kernel.layout(instrument.n_steps, kind)


def _chunks(centre: Tensor, height: Tensor, fwhm: Tensor, instrument: Instrument) -> Any:
    """Some peaks at a time: offset in the pattern's precision from centres in float64 [B, m, n], height and width."""
    grid = two_theta_grid(instrument, torch.float64, centre.device)
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
    """The formulas of `peaks_kernel.backward`."""
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
