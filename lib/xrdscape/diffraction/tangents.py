"""Derivatives of patterns in a few directions at once: what least squares need of the engine.

A gradient, as descents need it, is one number for each parameter; here it is a whole pattern for each.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from xrdscape.crystal.cell import metric_tangents, reciprocal_metric
from xrdscape.diffraction.instrument import Instrument
from xrdscape.diffraction.kernels import arguments, tangents_kernel
from xrdscape.diffraction.pattern import Simulator
from xrdscape.diffraction.peaks import peak_arrays, sampling_of
from xrdscape.diffraction.profile import FOUR_LN2
from xrdscape.diffraction.reflection_peaks import Peaks, peaks_and_slopes
from xrdscape.diffraction.reflections import Reflections
from xrdscape.diffraction.structure_factors import GeometricalFactors
from xrdscape.runtime.threads import over_samples


class PeakTangents(NamedTuple):
    """Changes of the peaks of a batch in each of K directions.

    Args:
        centre, height, fwhm: derivatives of each peak [B, K, P].
        eta: those of the fraction of Gaussian [K].
    """

    centre: Tensor
    height: Tensor
    fwhm: Tensor
    eta: Tensor

    def joined(self, other: "PeakTangents") -> "PeakTangents":
        """Return these directions and those of another after them."""
        return PeakTangents(
            torch.cat([self.centre, other.centre], 1),
            torch.cat([self.height, other.height], 1),
            torch.cat([self.fwhm, other.fwhm], 1),
            torch.cat([self.eta, other.eta]),
        )

    def scaled(self, units: Tensor) -> "PeakTangents":
        """Return the derivatives in parameters that are counted in units [K]."""
        by = units[:, None]
        return PeakTangents(self.centre * by, self.height * by, self.fwhm * by, self.eta * units)


ProfileParameter = Literal["b_iso", "zero_deg", "U", "V", "W", "eta"]
"""Parameters of a pattern besides the crystal, for peak widths by Caglioti's law on an axis of scattering angles."""


def cell_tangents(
    simulator: Simulator,
    lattice: Float[Tensor, "batch 6"],
    reflections: Reflections,
    geometrical: GeometricalFactors,
    directions: Float[Tensor, "batch K 6"],
) -> tuple[Peaks, PeakTangents]:
    """Return the peaks of cells, and their derivatives along directions of the lattice parameters, on the CPU.

    Everything about a reflection is a function of s = sin^2(theta) = (lambda / 2)^2 h G* h, and the compiled loops
    write its slopes; along a direction G* changes by -G* dG G*.
    """
    cells = lattice.double()
    arrays, slopes = peaks_and_slopes(cells, reflections, geometrical, simulator.constants)
    inverse = reciprocal_metric(cells)[:, None]
    change = -(inverse @ metric_tangents(cells, directions.double()) @ inverse).flatten(-2)
    d_s = (simulator.instrument.wavelength_angstrom / 2) ** 2 * (change @ reflections.products)
    d_s = d_s.repeat(1, 1, len(simulator.instrument.radiation.lines))
    centre, height, fwhm = (torch.from_numpy(slopes)[:, None, part] * d_s for part in range(3))
    tangents = PeakTangents(centre, height, fwhm, directions.new_zeros(directions.shape[1]))
    return Peaks(*(torch.from_numpy(part) for part in arrays)), tangents


def profile_tangents(peaks: Peaks, instrument: Instrument, parameters: Sequence[ProfileParameter]) -> PeakTangents:
    """Return the derivatives of peaks in parameters of the profile."""
    kinds = len(instrument.radiation.lines)
    wavelength = peaks.centre.new_tensor([line.wavelength_angstrom for line in instrument.radiation.lines])
    theta = torch.deg2rad(peaks.centre - instrument.zero_deg) / 2
    s_squared = (torch.sin(theta) / wavelength.repeat_interleave(peaks.centre.shape[-1] // kinds)) ** 2
    tangent, none = torch.tan(theta), torch.zeros_like(peaks.centre)
    by_width = 1 / (2 * peaks.fwhm.double())
    rows: dict[ProfileParameter, tuple[Tensor, Tensor, Tensor, float]] = {
        "b_iso": (none, -2 * s_squared * peaks.height.double(), none, 0.0),
        "zero_deg": (torch.ones_like(none), none, none, 0.0),
        "U": (none, none, by_width * tangent**2, 0.0),
        "V": (none, none, by_width * tangent, 0.0),
        "W": (none, none, by_width, 0.0),
        "eta": (none, none, none, 1.0),
    }
    centre, height, fwhm, eta = zip(*(rows[name] for name in parameters), strict=True)
    return PeakTangents(torch.stack(centre, 1), torch.stack(height, 1), torch.stack(fwhm, 1), none.new_tensor(eta))


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
