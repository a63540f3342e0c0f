"""Background and peak widths: estimates from a pattern alone."""

import math

import numpy as np
from scipy.signal import find_peaks, peak_widths, savgol_filter
from scipy.sparse import diags, spmatrix
from scipy.sparse.linalg import spsolve

from xrdscape.patterns.pattern import Values

SHORTEST_WAVE_DEG, WAVE_IN_WIDTHS = 6.0, 10.0
"""Waves of the background shorter than this, in degrees and in widths of the peaks, are flattened: far longer than a
peak, shorter than the halo of a glass."""

LIKENESS = 0.02
"""Points whose root is above the curve's by this share of it are beneath the peaks all the same: without it, a curve a
little too stiff for a halo would take its top for a peak, and so lose what holds it up."""

FAR_BELOW = 2.0
"""Deviations below the curve from which a point pulls no harder."""

# Of the root of the highest point: where nothing is counted there is no noise to measure.
LEAST_NOISE = 1e-3
MOST_ROUNDS, SETTLED = 50, 1e-3
# A background is smooth: so many points carry it, and the rest is interpolated.
MOST_POINTS = 2000


def background(two_theta_deg: Values, intensity: Values) -> Values:
    """Return a smooth curve beneath the peaks, through the middle of the noise between them.

    Args:
        two_theta_deg: evenly spaced angles [n].
        intensity: [n].
    """
    together = max(1, len(intensity) // MOST_POINTS)
    whole = len(intensity) // together * together
    angle, y = (part[:whole].reshape(-1, together).mean(1) for part in (two_theta_deg, intensity))
    step = float(angle[1] - angle[0])
    # The noise of counts is the same at all heights in their root.
    root = np.sign(y) * np.sqrt(np.abs(y))
    curve = _beneath(root, SHORTEST_WAVE_DEG / step)
    width = peak_width(y - curve * np.abs(curve), step)
    if width is not None and WAVE_IN_WIDTHS * width > SHORTEST_WAVE_DEG:
        curve = _beneath(root, WAVE_IN_WIDTHS * width / step)
    return np.interp(two_theta_deg, angle, curve * np.abs(curve))


def _beneath(root: Values, wave: float) -> Values:
    """Return a curve by penalised least squares in which points above the curve count ever less, and those far below it
    somewhat less.

    Args:
        root: of the intensities [n].
        wave: points in the shortest wave of the curve.

    Source: arPLS of Baek et al., Analyst 140, 250 (2015), but the noise is measured, not taken from the points below
    the curve; and a few points that are too low do not draw the curve down.
    """
    n = len(root)
    second: spmatrix = diags([1.0, -2.0, 1.0], [0, 1, 2], shape=(n - 2, n))
    penalty = (wave / (2 * math.pi)) ** 4 * (second.T @ second)
    noise = max(noise_level(root), LEAST_NOISE * np.abs(root).max())
    weight = np.ones(n)
    for _ in range(MOST_ROUNDS):
        curve = spsolve((diags(weight) + penalty).tocsc(), weight * root)
        above = (root - curve) / np.hypot(noise, LIKENESS * curve)
        fresh = 1 / (1 + np.exp(np.clip(2 * (above - 1), -50, 50))) * FAR_BELOW / np.maximum(FAR_BELOW, -above)
        if np.linalg.norm(fresh - weight) <= SETTLED * np.linalg.norm(weight):
            break
        weight = fresh
    return curve


def noise_level(intensity: Values) -> float:
    """Return the standard deviation of the noise of a pattern, from differences of neighbours; robust against peaks."""
    return float(np.median(np.abs(np.diff(intensity)))) / (0.6745 * math.sqrt(2))


def peak_width(net: Values, step_deg: float) -> float | None:
    """Return the full width at half maximum of the well-resolved peaks, deg; None where no peak stands out.

    Args:
        net: intensities without background [n].
        step_deg: of their grid.
    """
    smooth = savgol_filter(net, 7, 2)
    least = max(0.05 * smooth.max(), 6 * noise_level(net))
    places, _ = find_peaks(smooth, prominence=least)
    if not len(places):
        return None
    widths = peak_widths(smooth, places, rel_height=0.5)[0]
    # Overlap makes peaks look wider, never narrower.
    return float(np.quantile(widths, 0.3)) * step_deg
