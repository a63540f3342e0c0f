"""What lies under the peaks, and how wide the peaks are: estimates from a pattern alone."""

import math

import numpy as np
from scipy.signal import find_peaks, peak_widths, savgol_filter
from scipy.sparse import diags
from scipy.sparse.linalg import spsolve

from xrdscape.measured.pattern import Values

STIFFNESS_DEG = 8.0
"""Waves of the background shorter than this are flattened: far longer than a peak, shorter than a glass's hump."""

MOST_ROUNDS, SETTLED = 50, 1e-3
# A background is smooth: so many points carry it, and the rest is interpolated.
MOST_POINTS = 2000


def background(two_theta_deg: Values, intensity: Values) -> Values:
    """A smooth curve beneath the peaks, through the middle of the noise between them.

    Penalised least squares in which points above the curve count ever less (arPLS).

    Args:
        two_theta_deg: evenly spaced angles [n].
        intensity: [n].

    Source: Baek et al., Analyst 140, 250 (2015).
    """
    together = max(1, len(intensity) // MOST_POINTS)
    whole = len(intensity) // together * together
    angle, y = (part[:whole].reshape(-1, together).mean(1) for part in (two_theta_deg, intensity))
    n, step = len(y), angle[1] - angle[0]
    second = diags([1.0, -2.0, 1.0], [0, 1, 2], shape=(n - 2, n))
    penalty = (STIFFNESS_DEG / (2 * math.pi * step)) ** 4 * (second.T @ second)
    weight = np.ones(n)
    for _ in range(MOST_ROUNDS):
        curve = spsolve((diags(weight) + penalty).tocsc(), weight * y)
        below = (y - curve)[y < curve]
        mean, deviation = (below.mean(), below.std()) if len(below) else (0.0, 0.0)
        if deviation == 0:
            break
        exponent = 2 * (y - curve - (2 * deviation - mean)) / deviation
        fresh = 1 / (1 + np.exp(np.clip(exponent, -50, 50)))
        if np.linalg.norm(fresh - weight) <= SETTLED * np.linalg.norm(weight):
            break
        weight = fresh
    return np.interp(two_theta_deg, angle, curve)


def noise_level(intensity: Values) -> float:
    """Standard deviation of the noise of a pattern, from differences of neighbours; robust against peaks."""
    return float(np.median(np.abs(np.diff(intensity)))) / (0.6745 * math.sqrt(2))


def peak_width(net: Values, step_deg: float) -> float | None:
    """Full width at half maximum of the well-resolved peaks, deg; None where no peak stands out.

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
