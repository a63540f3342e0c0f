"""Points of a pattern put together where there are more than its peaks need."""

from dataclasses import replace

import numpy as np

from xrdscape.patterns.background import background, peak_width
from xrdscape.patterns.pattern import Pattern, Values

MOST_POINTS = 20_000
"""A finer grid than this gains nothing and costs time, unless the peaks are narrower."""

STEPS_A_WIDTH = 8
"""Steps that the width of a peak needs."""


def binned(pattern: Pattern) -> Pattern:
    """Return a pattern whose neighbouring points are averaged, where there are more than the widths of its peaks need.

    Bins are as wide as leaves no more than `MOST_POINTS`, or narrower where the peaks are.
    """
    together = -(-len(pattern.intensity) // MOST_POINTS)
    while together > 1:
        coarse = _averaged(pattern, together)
        if _resolves(coarse):
            break
        together //= 2
    if together <= 1:
        return pattern
    remark = (
        f"Of the {len(pattern.intensity):,} points, {together} neighbours each were averaged: "
        f"{len(coarse.intensity):,} resolve the peaks."
    )
    return replace(coarse, remarks=(*pattern.remarks, remark))


def _averaged(pattern: Pattern, together: int) -> Pattern:
    """Return the means of so many neighbours each; a rest at the end is left out."""

    def mean(values: Values) -> Values:
        return values[: len(values) // together * together].reshape(-1, together).mean(1)

    sigma = None if pattern.sigma is None else np.sqrt(mean(pattern.sigma**2) / together)
    return replace(
        pattern,
        two_theta_deg=mean(pattern.two_theta_deg),
        intensity=mean(pattern.intensity),
        sigma=sigma,
        q_inv_angstrom=None if pattern.q_inv_angstrom is None else mean(pattern.q_inv_angstrom),
    )


def _resolves(pattern: Pattern) -> bool:
    """Return whether the peaks are wide enough in steps of the pattern, if there are any."""
    angle, intensity = pattern.two_theta_deg, pattern.intensity
    step = float(angle[-1] - angle[0]) / (len(angle) - 1)
    grid = np.linspace(angle[0], angle[-1], len(angle))
    even = np.interp(grid, angle, intensity)
    width = peak_width(even - background(grid, even) if pattern.has_background else even, step)
    return width is None or width >= STEPS_A_WIDTH * step
