"""Angles in rising order, each once, from 0 to 180 degrees."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from xrdscape.errors import PatternError

Values = NDArray[np.float64]

ROUNDED = 1.01
"""Largest distance from even angles, in units of the last digit, that rounding explains."""


@dataclass(frozen=True)
class Points:
    """Angles, intensities and perhaps uncertainties [n], and what was done to bring them into order."""

    angle: Values
    intensity: Values
    sigma: Values | None
    remarks: tuple[str, ...] = ()

    def chosen(self, places: NDArray[np.int64], *remarks: str) -> "Points":
        """Return the points at some places, with what is to be said of it."""
        sigma = None if self.sigma is None else self.sigma[places]
        return Points(self.angle[places], self.intensity[places], sigma, (*self.remarks, *remarks))


def rising(points: Points, name: str) -> Points:
    """Return points whose angles rise from 0 to below 180 deg.

    Falling ones are reversed. Those that are equal by rounding are spaced evenly again; of others that are equal,
    intensities are averaged. Negative ones are left out.

    Args:
        points: in the order of the file.
        name: what messages call the pattern.

    Raises:
        PatternError: for angles that rise and fall, or reach 180 deg.
    """
    if not np.isfinite(points.angle).all():
        raise PatternError(f"{name} has angles that are not finite numbers: remove those lines.")
    if points.angle[0] > points.angle[-1]:
        points = points.chosen(np.arange(len(points.angle))[::-1])
    wrong = np.flatnonzero(np.diff(points.angle) < 0)
    if len(wrong):
        raise PatternError(
            f"{name}: the angles must rise from line to line, but {points.angle[wrong[0]]:g} is followed by "
            f"{points.angle[wrong[0] + 1]:g} deg. Check that the first column is 2theta, that decimals have points, "
            "and that the file holds one scan."
        )
    if points.angle[-1] >= 180:
        raise PatternError(
            f"{name} goes from {points.angle[0]:g} to {points.angle[-1]:g}: the first column must be 2theta in "
            "degrees, 0 to 180. If it is Q or d, say so with --axis q-angstrom, q-nm or d (in Python axis=)."
        )
    # A zero may have the sign of rounding.
    points = _without_equal(replace(points, angle=points.angle + 0.0))
    negative = points.angle < 0
    if negative.any():
        count = int(negative.sum())
        points = points.chosen(np.flatnonzero(~negative), f"Angles below 0, at {count} points, were left out.")
    return points


def _without_equal(points: Points) -> Points:
    """Return points of which no two have the same angle."""
    angle = points.angle
    steps = np.diff(angle)
    if (steps > 0).all():
        return points
    digit = float(steps[steps > 0].min()) if (steps > 0).any() else 0.0
    even = np.linspace(angle[0], angle[-1], len(angle))
    is_decimal = digit > 0 and abs(math.log10(digit) - round(math.log10(digit))) < 1e-3
    if is_decimal and np.abs(even - angle).max() <= ROUNDED * digit and steps.max() <= 2.01 * digit:
        remark = f"The angles are rounded to {digit:.3g}°, so that some are equal; they were spaced evenly."
        return Points(even, points.intensity, points.sigma, (*points.remarks, remark))
    different, place, count = np.unique(angle, return_inverse=True, return_counts=True)
    intensity = np.bincount(place, points.intensity) / count
    sigma = None if points.sigma is None else np.sqrt(np.bincount(place, points.sigma**2)) / count
    more = int((count > 1).sum())
    remark = f"Angles that stand more than once, {more}, were taken once, with the mean of the intensities."
    return Points(different, intensity, sigma, (*points.remarks, remark))
