"""Derivatives of patterns in a few directions at once: what least squares need of the engine.

A gradient, as descents need it, is one number for each parameter; here it is a whole pattern for each.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from xrdscape.diffraction.instrument import Instrument
from xrdscape.diffraction.kernels import tangents_kernel
from xrdscape.diffraction.kernels import arguments
from xrdscape.diffraction.peaks import peak_arrays, sampling_of
from xrdscape.diffraction.profile import FOUR_LN2
from xrdscape.diffraction.reflection_peaks import Peaks
from xrdscape.runtime.threads import over_samples


class PeakTangents(NamedTuple):
    """How the peaks of a batch change in each of K directions.

    Args:
        centre, height, fwhm: derivatives of each peak [B, K, P].
        eta: those of the fraction of Gaussian [K].
    """

    centre: Tensor
    height: Tensor
    fwhm: Tensor
    eta: Tensor


def pattern_tangents(peaks: Peaks, tangents: PeakTangents, instrument: Instrument) -> Float[Tensor, "batch K n"]:
    """Return the derivatives of the patterns in K directions, in the precision of the peaks' heights.

    Args:
        peaks: of the patterns.
        tangents: how the peaks change.
        instrument: its axis and its fraction of Gaussian are used.
    """
    if peaks.height.device.type != "cpu":
        return pattern_tangents_reference(peaks, tangents, instrument)
    (batch, count), dtype = peaks.height.shape, peaks.height.dtype
    derivatives = torch.empty((batch, len(tangents.eta), instrument.n_steps), dtype=dtype)
    changes = arguments.PeakTangents(
        centre=tangents.centre.double().contiguous().numpy(),
        height=tangents.height.to(dtype).contiguous().numpy(),
        fwhm=tangents.fwhm.to(dtype).contiguous().numpy(),
        eta=tangents.eta.double().contiguous().numpy(),
    )
    sampling, layout = sampling_of(instrument, dtype)
    over_samples(
        tangents_kernel.forward, tangents_kernel.forward_over, batch, count,
        peak_arrays(*peaks), changes, sampling, layout, derivatives.numpy(),
    )  # fmt: skip
    return derivatives


def pattern_tangents_reference(
    peaks: Peaks, tangents: PeakTangents, instrument: Instrument
) -> Float[Tensor, "batch K n"]:
    """Return the definition of `pattern_tangents` in plain torch; memory for [batch, peaks, n] values."""
    eta, height = instrument.eta, peaks.height[..., None]
    u = (instrument.axis.grid(torch.float64, height.device) - peaks.centre[..., None]).to(height.dtype)
    width = peaks.fwhm[..., None]
    quarter = width * width / 4
    lorentz, gauss = quarter / (quarter + u * u), torch.exp(-FOUR_LN2 * (u / width) ** 2)
    # Both slopes as multiples of u: dL/dcentre = 2 L / (q + u^2) u, dG/dcentre = 8 ln2 / H^2 G u.
    slope = 2 * (1 - eta) * lorentz / (quarter + u * u) + 2 * FOUR_LN2 / width**2 * eta * gauss
    by_centre, by_height = height * slope * u, eta * gauss + (1 - eta) * lorentz
    # A profile depends on u / H alone, so that H dp/dH = u dp/dcentre.
    by_width, by_eta = by_centre * u / width, (height * (gauss - lorentz)).sum(1)
    return (
        tangents.centre.to(height.dtype) @ by_centre
        + tangents.height @ by_height
        + tangents.fwhm @ by_width
        + tangents.eta.to(height.dtype)[:, None] * by_eta[:, None]
    )
