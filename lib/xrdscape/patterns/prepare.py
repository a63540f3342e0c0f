"""From a file's pattern to one that can be descended on: an even grid, a background, an instrument."""

from dataclasses import dataclass

import numpy as np

from xrdscape.diffraction.axis import Axis
from xrdscape.diffraction.instrument import Instrument
from xrdscape.diffraction.profile import PeakProfile
from xrdscape.diffraction.widths import CagliotiWidth
from xrdscape.errors import PatternError
from xrdscape.patterns.background import background, peak_width
from xrdscape.patterns.measured import Measured, Values

MOST_POINTS = 20_000
"""A finer grid gains nothing and costs time."""

EVEN = 0.1
"""Angles that stray from even ones by less than this share of a step are even but for rounding in the file."""

ETA = 0.5
"""Gaussian fraction assumed before it is fitted."""

WEAKEST_COUNT = 1e-4
"""Intensities below this share of the maximum weigh no more: where there are none, counts have no error."""


@dataclass(frozen=True)
class Prepared:
    """A pattern on the grid of an instrument.

    Args:
        instrument: emission lines, grid and peak profile (given, or estimated).
        two_theta_deg, intensity: as measured, background included [n].
        sigma: standard uncertainty of each intensity [n].
        background: beneath the peaks [n]; zero if none was to be subtracted.
        fits_background: whether what is left of the background is fitted with the profile.
        fits_profile: whether the widths are to be fitted.
        remarks: what was assumed, a sentence each.
    """

    instrument: Instrument
    two_theta_deg: Values
    intensity: Values
    sigma: Values
    background: Values
    fits_background: bool
    fits_profile: bool
    remarks: tuple[str, ...]

    @property
    def net(self) -> Values:
        """Intensities without background [n]."""
        return self.intensity - self.background


def prepare(
    measured: Measured,
    subtract: bool = True,
    caglioti: tuple[float, float, float] | None = None,
    between_deg: tuple[float, float] | None = None,
) -> Prepared:
    """Bring a pattern onto an even grid and estimate its background and peak width.

    Args:
        measured: the pattern.
        subtract: a background; a pattern of `xrdscape simulate` has none and keeps what it has.
        caglioti: U, V, W of the peak widths, deg^2; if left out those in the file, or an estimate to be fitted.
        between_deg: the part of the pattern to use.

    Raises:
        PatternError: for a range without pattern, or a pattern without peaks.
    """
    remarks = list(measured.remarks)
    angle, intensity, sigma = _gridded(measured, between_deg, remarks)
    step = (angle[-1] - angle[0]) / (len(angle) - 1)
    subtract = subtract and not measured.simulated
    under = background(angle, intensity) if subtract else np.zeros_like(intensity)
    profile = measured.profile if caglioti is None else PeakProfile(CagliotiWidth(*caglioti), ETA)
    known = profile is not None
    if profile is None:
        width = peak_width(intensity - under, step)
        if width is None:
            raise PatternError(
                "no peak stands out of the noise of the pattern. Check the file and the range; if the peaks are "
                "there, try --background none, or give their widths with --caglioti."
            )
        profile = PeakProfile(CagliotiWidth(0.0, 0.0, max(width, 2 * step) ** 2), ETA)
    remarks.append(
        "The peak profile was given."
        if known
        else "The peak profile was estimated from the pattern, then fitted to it."
    )
    remarks.append(
        "A smooth background was subtracted before the descent; what is left of it was fitted with the profile."
        if subtract
        else "No background was subtracted."
    )
    first, step = float(angle[0]), float(step)
    axis = Axis("two_theta", first, min(first + len(angle) * step, 179.9), step)
    instrument = Instrument(radiation=measured.radiation, axis=axis, profile=profile).with_published_form_factors()
    if instrument.n_steps < len(angle):
        angle, intensity, sigma, under = (part[: instrument.n_steps] for part in (angle, intensity, sigma, under))
    return Prepared(instrument, angle, intensity, sigma, under, subtract, not known, tuple(remarks))


def _gridded(
    measured: Measured, between_deg: tuple[float, float] | None, remarks: list[str]
) -> tuple[Values, Values, Values]:
    """Angles, intensities and uncertainties on an even grid."""
    low, high = between_deg or (measured.two_theta_deg[0], measured.two_theta_deg[-1])
    inside = (measured.two_theta_deg >= low) & (measured.two_theta_deg <= high)
    if inside.sum() < 2 or measured.intensity[inside].max() <= 0:
        raise PatternError(
            f"between {low:g} and {high:g} deg there is no pattern: it goes from {measured.two_theta_deg[0]:g} to "
            f"{measured.two_theta_deg[-1]:g} deg. Give another range."
        )
    angle, intensity = measured.two_theta_deg[inside], measured.intensity[inside]
    sigma = _sigma(measured, remarks)[inside]
    steps = np.diff(angle)
    step = max(float(np.median(steps)), (angle[-1] - angle[0]) / MOST_POINTS)
    grid = angle[0] + step * np.arange(int((angle[-1] - angle[0]) / step + 1e-6) + 1)
    drift = np.abs(angle - np.linspace(angle[0], angle[-1], len(angle))).max()
    if drift <= EVEN * step:
        return np.linspace(angle[0], angle[-1], len(angle)), intensity, sigma
    remarks.append(f"The steps of the pattern are uneven; it was interpolated onto steps of {step:.4g}°.")
    return grid, np.interp(grid, angle, intensity), np.interp(grid, angle, sigma)


def _sigma(measured: Measured, remarks: list[str]) -> Values:
    if measured.sigma is not None:
        remarks.append("The weights come from the uncertainties in the file.")
        known = measured.sigma > 0
        return np.where(known, measured.sigma, np.median(measured.sigma[known]))
    remarks.append("The weights are those of counts, 1/intensity.")
    return np.sqrt(np.maximum(measured.intensity, WEAKEST_COUNT * measured.intensity.max()))
