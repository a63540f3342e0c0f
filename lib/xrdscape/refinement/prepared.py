"""Preparation of a pattern to be refined against: an even grid, a background, an instrument."""

from dataclasses import dataclass

import numpy as np

from xrdscape.diffraction.axis import Axis
from xrdscape.diffraction.instrument import Instrument
from xrdscape.diffraction.profile import PeakProfile
from xrdscape.diffraction.widths import CagliotiWidth
from xrdscape.errors import PatternError
from xrdscape.patterns.background import background, peak_width
from xrdscape.patterns.binning import binned
from xrdscape.patterns.pattern import Pattern, Values, checked

GAP = 10.0
"""Times that a step is larger than the steps beside it from which on nothing was measured within it."""

UNKNOWN = 1e6
"""Uncertainty of what lies in a gap, in units of the highest intensity: it has no weight."""

FINEST = 4
"""Points of an even grid for each one of a pattern with uneven steps, at most."""

EVEN = 0.1
"""Angles that stray from even ones by less than this share of a step are even but for rounding in the file."""

ETA = 0.5
"""Gaussian fraction assumed before it is fitted."""

WEAKEST_COUNT = 1e-4
"""Intensities below this share of the maximum weigh no more: where there are none, counts have no error."""

LARGEST_DEG = 179.9
"""No grid ends beyond this angle."""


@dataclass(frozen=True)
class Prepared:
    """A pattern on the grid of an instrument.

    Args:
        instrument: radiation, grid and peak profile (given, or estimated).
        two_theta_deg, intensity: as measured, background included [n].
        sigma: standard uncertainty of each intensity [n].
        background: beneath the peaks [n]; zero if none was to be subtracted.
        fits_background: whether what is left of the background is fitted with the profile.
        fits_profile: whether the widths are to be fitted.
        origin: what the pattern came from.
        remarks: what was assumed, a sentence each.
    """

    instrument: Instrument
    two_theta_deg: Values
    intensity: Values
    sigma: Values
    background: Values
    fits_background: bool
    fits_profile: bool
    origin: str
    remarks: tuple[str, ...]

    @property
    def net(self) -> Values:
        """Intensities without background [n]."""
        return self.intensity - self.background

    @property
    def weights(self) -> Values | None:
        """Weights of the points in a descent, 0 where nothing was measured [n]; None where all count."""
        measured = self.sigma < UNKNOWN * self.intensity.max()
        return None if measured.all() else measured.astype(float)


def prepare(pattern: Pattern) -> Prepared:
    """Return a pattern on an even grid, with estimates of its background, if it may have one, and of its peak width, if
    it has no profile.

    Raises:
        PatternError: for a pattern of unknown wavelength, or one without peaks.
    """
    pattern = binned(checked(pattern))
    if pattern.radiation is None:
        raise PatternError(
            f"{pattern.name} does not tell its wavelength: give it with --wavelength-angstrom (in Python as "
            "radiation), as 1.5406 (Cu K-alpha 1), 1.5418 (Cu K-alpha, both lines) or 0.7107 (Mo K-alpha)."
        )
    remarks = [*pattern.remarks, *_remarks(pattern)]
    angle, intensity, sigma = _gridded(pattern, remarks)
    step = float((angle[-1] - angle[0]) / (len(angle) - 1))
    under = background(angle, intensity) if pattern.has_background else np.zeros_like(intensity)
    known = pattern.profile
    remarks.append(
        "The peak profile was estimated from the pattern, then fitted to it."
        if known is None
        else "The peak profile was given."
    )
    remarks.append(
        "A smooth background was subtracted before the descent; what is left of it was fitted with the profile."
        if pattern.has_background
        else "No background was subtracted."
    )
    axis = Axis("two_theta", float(angle[0]), min(float(angle[0]) + len(angle) * step, LARGEST_DEG), step)
    n = axis.n_steps
    return Prepared(
        Instrument(radiation=pattern.radiation, axis=axis, profile=known or _estimated(intensity - under, step)),
        angle[:n],
        intensity[:n],
        sigma[:n],
        under[:n],
        fits_background=pattern.has_background,
        fits_profile=known is None,
        origin=pattern.origin,
        remarks=tuple(remarks),
    )


def _remarks(pattern: Pattern) -> list[str]:
    """Return what is to be told of a pattern as it is, a sentence each."""
    remarks, intensity = [], pattern.intensity
    if (intensity < 0).any():
        remarks.append(
            f"Intensities below zero, at {(intensity < 0).sum()} of {len(intensity)} points, were kept as they are; "
            f"the lowest is {intensity.min():g} at {pattern.two_theta_deg[intensity.argmin()]:g}°, the highest "
            f"{intensity.max():g}."
        )
    if pattern.radiation is not None and len(pattern.radiation.lines) > 1:
        remarks.append(
            "The descent takes the weighted mean of the emission lines; the fit of the profile takes each of them."
        )
    return remarks


def _estimated(net: Values, step_deg: float) -> PeakProfile:
    """Return the profile that the peaks seem to have: one width at all angles."""
    width = peak_width(net, step_deg)
    if width is None:
        raise PatternError(
            "no peak stands out of the noise of the pattern. Check the file and the range; if the peaks are "
            "there, try --background none, or give their widths with --caglioti (in Python as has_background and "
            "profile of the pattern)."
        )
    return PeakProfile(CagliotiWidth(0.0, 0.0, max(width, 2 * step_deg) ** 2), ETA)


def _gridded(pattern: Pattern, remarks: list[str]) -> tuple[Values, Values, Values]:
    """Return angles, intensities and uncertainties on an even grid."""
    angle, intensity, sigma = pattern.two_theta_deg, pattern.intensity, _sigma(pattern, remarks)
    steps = np.diff(angle)
    step = max(float(np.median(steps)), (angle[-1] - angle[0]) / (FINEST * len(angle)))
    grid = angle[0] + step * np.arange(int((angle[-1] - angle[0]) / step + 1e-6) + 1)
    drift = np.abs(angle - np.linspace(angle[0], angle[-1], len(angle))).max()
    if drift <= EVEN * step:
        return np.linspace(angle[0], angle[-1], len(angle)), intensity, sigma
    remarks.append(f"The steps of the pattern are uneven; it was interpolated onto steps of {step:.4g}°.")
    uncertainty = np.interp(grid, angle, sigma)
    around = np.maximum(np.append(steps[1:], steps[-2]), np.insert(steps[:-1], 0, steps[1]))
    for place in np.flatnonzero(steps > GAP * around):
        low, high = angle[place], angle[place + 1]
        uncertainty[(grid > low) & (grid < high)] = UNKNOWN * float(intensity.max())
        remarks.append(f"Between {low:g} and {high:g}° nothing was measured; nothing there has any weight.")
    return grid, np.interp(grid, angle, intensity), uncertainty


def _sigma(pattern: Pattern, remarks: list[str]) -> Values:
    """Return the standard uncertainties, those of counts where none are given."""
    if pattern.sigma is not None:
        remarks.append("The weights come from the uncertainties in the file.")
        known = pattern.sigma > 0
        return np.where(known, pattern.sigma, np.median(pattern.sigma[known]))
    remarks.append("The weights are those of counts, 1/intensity.")
    return np.sqrt(np.maximum(pattern.intensity, WEAKEST_COUNT * pattern.intensity.max()))
