"""The compiled loops behind `peaks_to_pattern` and their adjoint, over a range of samples of a batch.

Lengths are in steps of the grid, which is cut into segments. A peak's own segment and its two neighbours are summed
point by point. In any other segment a Lorentzian is smooth: its poles, centre +- i FWHM/2, lie at least three
half-widths of the segment from its middle, so the polynomial through p Chebyshev nodes is off by a factor of
(3 + sqrt 8)^-p = 5.8^-p of a tail that is small itself, whatever the width of the peak. So the tails of all peaks are
summed at the nodes alone, and each segment is interpolated once: a constant matrix.

Each loop comes twice: over a range of samples, and over several ranges at once, each on a thread of its own.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numba import njit, prange, types
from numba.extending import overload

from xrdscape.profile import FOUR_LN2

# Points of a segment and nodes: the work for a peak, 3 * points + (n / points) * nodes, is about least for the 9,000
# points of the paper, and 5.8^-nodes is below what the precision resolves of a tail.
POINTS = {np.dtype("float32"): 160, np.dtype("float64"): 256}
NODES = {np.dtype("float32"): 8, np.dtype("float64"): 20}
# Past so many FWHM a Gaussian is below 1e-7 (float32) or 1e-16 (float64) of its height, and left out.
REACH_FWHM = {np.dtype("float32"): 2.5, np.dtype("float64"): 3.65}
# Loops over a multiple of this have no remainder that is not vectorised.
STRIDE = 32
# Reordering sums and fusing multiply-add is allowed, so that loops vectorise; NaN and infinity keep their meaning.
FAST = {"reassoc", "contract", "arcp", "nsz"}


class Layout(NamedTuple):
    """Constants of a grid, in the pattern's precision: a float64 number in a loop would lift all to float64.

    `ramp` [n] counts the points; `nodes` [segments * p, filled up] are positions on that count; `weights` [p, points]
    turn the values at a segment's nodes into those at its points.
    """

    ramp: np.ndarray
    nodes: np.ndarray
    weights: np.ndarray


@lru_cache
def layout(n: int, dtype: np.dtype) -> Layout:
    """Segments and nodes of a grid of n points."""
    points, p = POINTS[dtype], NODES[dtype]
    angles = np.pi * (np.arange(p) + 0.5) / p
    nodes = (points - 1) / 2 * (1 - np.cos(angles))
    # Barycentric form of the interpolating polynomial (Berrut & Trefethen, SIAM Rev. 46, 501 (2004)).
    terms = (-1.0) ** np.arange(p) * np.sin(angles) / (np.arange(points)[:, None] - nodes)
    positions = (np.arange(0, n, points)[:, None] + nodes).ravel()
    filling = np.full(-len(positions) % STRIDE, positions[-1])
    return Layout(
        np.arange(n).astype(dtype),
        np.concatenate([positions, filling]).astype(dtype),
        np.ascontiguousarray((terms / terms.sum(1, keepdims=True)).T).astype(dtype),
    )


_SINGLE = np.array([1.0 / math.factorial(k) for k in range(8, -1, -1)], np.float32)
_DOUBLE = np.array([1.0 / math.factorial(k) for k in range(13, -1, -1)])
_SINGLE_SHRINK, _DOUBLE_SHRINK = np.float32(1 / 2**5), 1 / 2**6


def exp_minus(z):  # type: ignore[no-untyped-def]
    raise NotImplementedError


@overload(exp_minus, inline="always")
def _exp_minus_of(z):  # type: ignore[no-untyped-def]
    """exp(-z) by the Taylor series in -z / 2^k and k squarings: it vectorises, the library's exponential does not.

    Where the Gaussian reaches, the series is cut below 1e-7 (float32, z <= 28) or 1e-13 (float64, z <= 37).
    """

    def single(z):  # type: ignore[no-untyped-def]
        t = -z * _SINGLE_SHRINK
        value = _SINGLE[0]
        for k in range(1, 9):
            value = value * t + _SINGLE[k]
        for _ in range(5):
            value = value * value
        return value

    def double(z):  # type: ignore[no-untyped-def]
        t = -z * _DOUBLE_SHRINK
        value = _DOUBLE[0]
        for k in range(1, 14):
            value = value * t + _DOUBLE[k]
        for _ in range(6):
            value = value * value
        return value

    return single if z == types.float32 else double


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def _add_lorentzian(x, offset, quarter, area, y):  # type: ignore[no-untyped-def]
    """Add area / (H^2/4 + u^2). The lower and the upper half of the points share a division, the slowest step."""
    half = y.shape[0] // 2
    lower, upper, above = y[:half], y[half : 2 * half], x[half : 2 * half]
    for i in range(half):
        u0, u1 = x[i] + offset, above[i] + offset
        d0, d1 = quarter + u0 * u0, quarter + u1 * u1
        shared = area / (d0 * d1)
        lower[i] += shared * d1
        upper[i] += shared * d0
    if y.shape[0] > 2 * half:
        u = x[2 * half] + offset
        y[2 * half] += area / (quarter + u * u)


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def _lorentz_sums(x, offset, quarter, g):  # type: ignore[no-untyped-def]
    """With r = 1 / (H^2/4 + u^2): the sums of g r, g r^2 and g r^2 u; halves as in `_add_lorentzian`."""
    one = quarter / quarter
    s_r = s_rr = s_rru = one - one
    half = g.shape[0] // 2
    upper, above = g[half : 2 * half], x[half : 2 * half]
    for i in range(half):
        u0, u1 = x[i] + offset, above[i] + offset
        d0, d1 = quarter + u0 * u0, quarter + u1 * u1
        shared = one / (d0 * d1)
        r0, r1 = shared * d1, shared * d0
        gr0, gr1 = g[i] * r0, upper[i] * r1
        grr0, grr1 = gr0 * r0, gr1 * r1
        s_r += gr0 + gr1
        s_rr += grr0 + grr1
        s_rru += grr0 * u0 + grr1 * u1
    if g.shape[0] > 2 * half:
        u = x[2 * half] + offset
        r = one / (quarter + u * u)
        gr = g[2 * half] * r
        s_r, s_rr, s_rru = s_r + gr, s_rr + gr * r, s_rru + gr * r * u
    return s_r, s_rr, s_rru


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def _add_gaussian(x, offset, steepness, amplitude, y):  # type: ignore[no-untyped-def]
    for i in range(y.shape[0]):
        u = x[i] + offset
        y[i] += amplitude * exp_minus(steepness * u * u)


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def _gauss_sums(x, offset, steepness, g):  # type: ignore[no-untyped-def]
    """With e = exp(-steepness u^2): the sums of g e, g e u and g e u^2."""
    s_e = s_eu = s_euu = offset - offset
    for i in range(g.shape[0]):
        u = x[i] + offset
        ge = g[i] * exp_minus(steepness * u * u)
        geu = ge * u
        s_e += ge
        s_eu += geu
        s_euu += geu * u
    return s_e, s_eu, s_euu


@njit(nogil=True)
def _clip(value, largest):  # type: ignore[no-untyped-def]
    return int(min(max(value, 0.0), float(largest)))


@njit(nogil=True)
def _near(centre, points, segments):  # type: ignore[no-untyped-def]
    """First and last-plus-one of the segments in which a peak is summed point by point."""
    own = math.floor(centre / points)
    return _clip(own - 1, segments), _clip(own + 2, segments)


@njit(nogil=True)
def _window(centre, half, n):  # type: ignore[no-untyped-def]
    """First and last-plus-one point that a Gaussian reaches."""
    first = _clip(math.ceil(centre - half), n)
    length = max(0, _clip(math.floor(centre + half) + 1, n) - first)
    # Up to a multiple of the stride, but never so far out that the exponential's series would not hold.
    if half >= 2 * STRIDE:
        length = -(-length // STRIDE) * STRIDE
    return first, min(n, first + length)


@njit(nogil=True, fastmath=FAST, error_model="numpy", cache=True)
def forward(first, last, centre, height, fwhm, profile, ramp, nodes, weights, pattern):  # type: ignore[no-untyped-def]
    """Patterns [B, n] of samples `first` to `last` from peaks [B, M].

    Centres are in float64, and so is `profile`: start and step of the grid, fraction of Gaussian, its reach in FWHM.
    """
    origin, step, _, reach = profile
    n, (p, points) = ramp.shape[0], weights.shape
    segments = -(-n // points)
    kind = pattern.dtype.type
    one, quarter, eta, four_ln2 = kind(1), kind(0.25), kind(profile[2]), kind(FOUR_LN2)
    tails, kept = np.zeros_like(nodes), np.empty(3 * p, nodes.dtype)
    for b in range(first, last):
        y = pattern[b]
        y[:] = 0
        tails[:] = 0
        for m in range(height.shape[1]):
            c, h, width = (centre[b, m] - origin) / step, height[b, m], fwhm[b, m] / kind(step)
            if h == 0:
                continue
            if not (math.isfinite(c) and math.isfinite(width)):
                y[:] = np.nan
                break
            q = width * width * quarter
            area = (one - eta) * h * q
            low, high = _near(c, points, segments)
            for i in range(low * p, high * p):
                kept[i - low * p] = tails[i]
            _add_lorentzian(nodes, kind(-c), q, area, tails)
            for i in range(low * p, high * p):
                tails[i] = kept[i - low * p]
            _add_lorentzian(ramp, kind(low * points - c), q, area, y[low * points : high * points])
            low, high = _window(c, reach * width, n)
            _add_gaussian(ramp, kind(low - c), four_ln2 / (width * width), eta * h, y[low:high])
        for s in range(segments):
            part = y[s * points : (s + 1) * points]
            for k in range(p):
                value = tails[s * p + k]
                weight = weights[k]
                for i in range(part.shape[0]):
                    part[i] += weight[i] * value


@njit(nogil=True, fastmath=FAST, error_model="numpy", cache=True)
def backward(  # type: ignore[no-untyped-def]
    first, last, centre, height, fwhm, profile, ramp, nodes, weights, gradient, d_centre, d_height, d_fwhm
):
    """Gradients [B, M] in the peaks of samples `first` to `last` from that in the patterns.

    With q = H^2/4, r = 1 / (q + u^2), L = q r: dL/dcentre = 2 q r^2 u, dL/dH = (r - q r^2) H/2;
    with G = exp(-4 ln2 u^2/H^2): dG/dcentre = G 8 ln2 u/H^2, dG/dH = G 8 ln2 u^2/H^3.
    """
    origin, step, _, reach = profile
    n, (p, points) = ramp.shape[0], weights.shape
    segments = -(-n // points)
    kind = gradient.dtype.type
    one, two, quarter, eta, four_ln2 = kind(1), kind(2), kind(0.25), kind(profile[2]), kind(FOUR_LN2)
    tails, kept = np.zeros_like(nodes), np.empty(3 * p, nodes.dtype)
    for b in range(first, last):
        g = gradient[b]
        for s in range(segments):
            part = g[s * points : (s + 1) * points]
            for k in range(p):
                weight = weights[k]
                total = one - one
                for i in range(part.shape[0]):
                    total += weight[i] * part[i]
                tails[s * p + k] = total
        for m in range(height.shape[1]):
            c, h, width = (centre[b, m] - origin) / step, height[b, m], fwhm[b, m] / kind(step)
            d_centre[b, m] = d_height[b, m] = d_fwhm[b, m] = 0
            if h == 0 or not (math.isfinite(c) and math.isfinite(width)):
                continue
            q = width * width * quarter
            low, high = _near(c, points, segments)
            for i in range(low * p, high * p):
                kept[i - low * p], tails[i] = tails[i], 0
            r0, rr0, rru0 = _lorentz_sums(nodes, kind(-c), q, tails)
            for i in range(low * p, high * p):
                tails[i] = kept[i - low * p]
            r1, rr1, rru1 = _lorentz_sums(ramp, kind(low * points - c), q, g[low * points : high * points])
            r, rr, rru = r0 + r1, rr0 + rr1, rru0 + rru1
            low, high = _window(c, reach * width, n)
            steepness = four_ln2 / (width * width)
            e, eu, euu = _gauss_sums(ramp, kind(low - c), steepness, g[low:high])
            lorentz = one - eta
            d_height[b, m] = lorentz * q * r + eta * e
            d_centre[b, m] = two * h / kind(step) * (lorentz * q * rru + eta * steepness * eu)
            d_fwhm[b, m] = h / kind(step) * (lorentz * (r - q * rr) * width / two + eta * two / width * steepness * euu)


@njit(parallel=True, nogil=True, cache=True)
def forward_over(bounds, centre, height, fwhm, profile, ramp, nodes, weights, pattern):  # type: ignore[no-untyped-def]
    """`forward` from each of the bounds to the next."""
    for i in prange(bounds.shape[0] - 1):
        forward(bounds[i], bounds[i + 1], centre, height, fwhm, profile, ramp, nodes, weights, pattern)


@njit(parallel=True, nogil=True, cache=True)
def backward_over(  # type: ignore[no-untyped-def]
    bounds, centre, height, fwhm, profile, ramp, nodes, weights, gradient, d_centre, d_height, d_fwhm
):
    """`backward` from each of the bounds to the next."""
    for i in prange(bounds.shape[0] - 1):
        backward(
            *(bounds[i], bounds[i + 1], centre, height, fwhm),
            *(profile, ramp, nodes, weights, gradient, d_centre, d_height, d_fwhm),
        )
