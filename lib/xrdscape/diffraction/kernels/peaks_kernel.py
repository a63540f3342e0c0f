"""The compiled loops behind `peaks_to_pattern` and their adjoint, over a range of samples of a batch.

Lengths are in steps of the grid, which is cut into segments, and these are gathered into blocks. A peak's own segment
and its two neighbours are summed point by point. In any other segment a Lorentzian is smooth: its poles, centre +- i
FWHM/2, lie at least three half-widths of the segment from its middle, so the polynomial through p Chebyshev nodes is
off by a factor of (3 + sqrt 8)^-p = 5.8^-p of a tail that is small itself, whatever the width of the peak. The same
holds for blocks. So the tails of all peaks are summed at nodes alone, at those of the segments in a peak's own block
and the two beside it, at those of the blocks elsewhere, and in the end interpolated once: constant matrices.

Each loop comes twice: over a range of samples, and over several ranges at once, each on a thread of its own.
"""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numba import njit, prange, types
from numba.extending import overload

from xrdscape.diffraction.kernels.arguments import Array, Layout, PeakArrays, Sampling
from xrdscape.diffraction.profile import FOUR_LN2
from xrdscape.runtime.compiled import kept

# Points of a segment, segments of a block, and nodes of either: the work for a peak, 3 * points + 3 * segments * nodes
# + (n / points / segments) * nodes, is about least for the 9,000 points of the paper, and 5.8^-nodes is below what the
# precision resolves of a tail.
POINTS = {np.dtype("float32"): 64, np.dtype("float64"): 128}
SEGMENTS = {np.dtype("float32"): 8, np.dtype("float64"): 4}
NODES = {np.dtype("float32"): 8, np.dtype("float64"): 20}
# Past so many FWHM a Gaussian is below 1e-7 (float32) or 1e-16 (float64) of its height, and left out.
REACH_FWHM = {np.dtype("float32"): 2.5, np.dtype("float64"): 3.65}
# Loops over a multiple of this have no remainder that is not vectorised.
STRIDE = 32
# Reordering sums and fusing multiply-add is allowed, so that loops vectorise; NaN and infinity keep their meaning.
FAST = {"reassoc", "contract", "arcp", "nsz"}


@lru_cache
def layout(n: int, dtype: np.dtype) -> Layout:
    """Return segments, blocks and nodes of a grid of n points. A segment reaches half a step past its outermost points."""
    points, segments, p = POINTS[dtype], SEGMENTS[dtype], NODES[dtype]
    angles = np.pi * (np.arange(p) + 0.5) / p
    nodes = (1 - np.cos(angles)) / 2

    def interpolation(positions: Array) -> Array:
        """Return the barycentric form of the interpolating polynomial (Berrut & Trefethen, SIAM Rev. 46, 501 (2004))."""
        terms = (-1.0) ** np.arange(p) * np.sin(angles) / (positions[:, None] - nodes)
        return np.ascontiguousarray((terms / terms.sum(1, keepdims=True)).T).astype(dtype)

    count = max(3 * segments, -(-n // (points * segments)))
    return Layout(
        np.arange(n).astype(dtype),
        (np.arange(count)[:, None] + nodes).ravel().astype(dtype),
        interpolation((np.arange(points) + 0.5) / points),
        interpolation(((np.arange(segments)[:, None] + nodes) / segments).ravel()),
    )


# exp(t) as a polynomial, the lowest power first. In float32 the one through the Chebyshev nodes of [-1.2, 0], which is
# off by 4e-9; in float64 the Taylor series.
_SINGLE = np.polynomial.Chebyshev.interpolate(np.exp, 7, [-1.2, 0]).convert(kind=np.polynomial.Polynomial).coef
_SINGLE = _SINGLE.astype(np.float32)
_DOUBLE = np.array([1.0 / math.factorial(k) for k in range(13, -1, -1)])
_SINGLE_SHRINK, _DOUBLE_SHRINK = np.float32(1 / 2**5), 1 / 2**6


def exp_minus(z: float) -> float:
    """Return exp(-z); compiled only, by `_exp_minus_of`."""
    raise NotImplementedError


@overload(exp_minus, inline="always")
def _exp_minus_of(z: float) -> Callable[[float], float]:
    """Return the loop for exp(-z) by the Taylor series in -z / 2^k and k squarings: it vectorises, the library's exponential does not.

    Where the Gaussian reaches, the series is cut below 1e-7 (float32, z <= 28) or 1e-13 (float64, z <= 37).
    """

    def single(z: float) -> float:
        t = -z * _SINGLE_SHRINK
        square = t * t
        # Estrin's order: the processor waits for fewer results than in Horner's.
        low = (_SINGLE[0] + _SINGLE[1] * t) + square * (_SINGLE[2] + _SINGLE[3] * t)
        high = (_SINGLE[4] + _SINGLE[5] * t) + square * (_SINGLE[6] + _SINGLE[7] * t)
        value = low + square * square * high
        for _ in range(5):
            value = value * value
        return value

    def double(z: float) -> float:
        t = -z * _DOUBLE_SHRINK
        value = _DOUBLE[0]
        for k in range(1, 14):
            value = value * t + _DOUBLE[k]
        for _ in range(6):
            value = value * value
        return value

    return single if z == types.float32 else double


# The loops below cut their part out of an array themselves: numba counts who holds a part, and does without where it
# lives and dies in one function.


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def _add_lorentzian(
    x: Array, offset: float, quarter: float, area: float, values: Array, first: int, last: int
) -> None:
    """Add area / (H^2/4 + u^2) to values[first:last], with u = x + offset."""
    y = values[first:last]
    for i in range(y.shape[0]):
        u = x[i] + offset
        y[i] += area / (quarter + u * u)


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def _lorentz_sums(
    x: Array, offset: float, quarter: float, values: Array, first: int, last: int
) -> tuple[float, float, float]:
    """Return, with g = values[first:last] and r = 1 / (H^2/4 + u^2), the sums of g r, g r^2 and g r^2 u."""
    g = values[first:last]
    one = quarter / quarter
    s_r = s_rr = s_rru = one - one
    for i in range(g.shape[0]):
        u = x[i] + offset
        r = one / (quarter + u * u)
        gr = g[i] * r
        s_r += gr
        s_rr += gr * r
        s_rru += gr * r * u
    return s_r, s_rr, s_rru


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def _add_gaussian(
    x: Array, offset: float, steepness: float, amplitude: float, values: Array, first: int, last: int
) -> None:
    """Add amplitude exp(-steepness u^2) to values[first:last], with u = x + offset."""
    y = values[first:last]
    for i in range(y.shape[0]):
        u = x[i] + offset
        y[i] += amplitude * exp_minus(steepness * u * u)


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def _gauss_sums(
    x: Array, offset: float, steepness: float, values: Array, first: int, last: int
) -> tuple[float, float, float]:
    """Return, with g = values[first:last] and e = exp(-steepness u^2), the sums of g e, g e u and g e u^2."""
    g = values[first:last]
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
def _clip(value: float, largest: int) -> int:
    """Return the value rounded down, within 0 and the largest."""
    return int(min(max(value, 0.0), float(largest)))


@njit(nogil=True)
def _near(place: float, count: int) -> tuple[int, int]:
    """Return first and last-plus-one of the segments or blocks, `count` in all, beside a place in their width."""
    own = math.floor(place)
    return _clip(own - 1, count), _clip(own + 2, count)


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def spread(weights: Array, values: Array, out: Array) -> None:
    """Add to each stretch of `out` what the weights [p, length] make of its p values."""
    p, length = weights.shape
    for s in range(-(-out.shape[0] // length)):
        part, own = out[s * length : (s + 1) * length], values[s * p : (s + 1) * p]
        for k in range(0, p, 4):
            v0, v1, v2, v3 = own[k], own[k + 1], own[k + 2], own[k + 3]
            for i in range(part.shape[0]):
                first = weights[k, i] * v0 + weights[k + 1, i] * v1
                part[i] += first + (weights[k + 2, i] * v2 + weights[k + 3, i] * v3)


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def collect(weights: Array, given: Array, values: Array) -> None:
    """Write the adjoint of `spread`: p values from each stretch of what is given."""
    p, length = weights.shape
    values[:] = 0
    zero = weights.dtype.type(0)
    for s in range(-(-given.shape[0] // length)):
        part, own = given[s * length : (s + 1) * length], values[s * p : (s + 1) * p]
        for k in range(0, p, 4):
            v0 = v1 = v2 = v3 = zero
            for i in range(part.shape[0]):
                g = part[i]
                v0 += weights[k, i] * g
                v1 += weights[k + 1, i] * g
                v2 += weights[k + 2, i] * g
                v3 += weights[k + 3, i] * g
            own[k], own[k + 1], own[k + 2], own[k + 3] = v0, v1, v2, v3


@njit(nogil=True)
def _window(centre: float, half: float, n: int) -> tuple[int, int]:
    """Return first and last-plus-one point that a Gaussian reaches."""
    first = _clip(math.ceil(centre - half), n)
    length = max(0, _clip(math.floor(centre + half) + 1, n) - first)
    # Up to a multiple of the stride, but never so far out that the exponential's series would not hold.
    if half >= 2 * STRIDE:
        length = -(-length // STRIDE) * STRIDE
    return first, min(n, first + length)


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def _add_peaks(
    b: int, peaks: PeakArrays, sampling: Sampling, layout: Layout, fine: Array, coarse: Array, y: Array
) -> None:
    """Add the peaks of sample b: around their centres to the points y, nearby at the nodes of segments (`fine`), far
    away at those of blocks (`coarse`)."""
    centre, height, fwhm = peaks
    origin, step, gaussian, reach = sampling
    ramp, nodes = layout.ramp, layout.nodes
    (p, points), ratio = layout.to_points.shape, layout.to_segments.shape[1] // layout.to_segments.shape[0]
    kind = y.dtype.type
    one, quarter, eta, four_ln2 = kind(1), kind(0.25), kind(gaussian), kind(FOUR_LN2)
    per_segment, per_block = one / kind(points), one / kind(points * ratio)
    blocks = coarse.shape[0] // p
    segments = -(-y.shape[0] // points)
    for m in range(height.shape[1]):
        c, h, width = (centre[b, m] - origin) / step, height[b, m], fwhm[b, m] / kind(step)
        if h == 0:
            continue
        if not (math.isfinite(c) and math.isfinite(width)):
            y[:] = np.nan
            break
        in_segments, in_blocks = (c + 0.5) / points, (c + 0.5) / (points * ratio)
        low, high = _near(in_segments, segments)
        far, past = _near(in_blocks, blocks)
        q = width * width * quarter
        area = (one - eta) * h * q
        _add_lorentzian(ramp, kind(low * points - c), q, area, y, low * points, high * points)
        flat, mass, first, last = q * per_segment**2, area * per_segment**2, far * ratio, past * ratio
        _add_lorentzian(nodes, kind(first - in_segments), flat, mass, fine, first * p, low * p)
        _add_lorentzian(nodes, kind(high - in_segments), flat, mass, fine, high * p, last * p)
        flat, mass = q * per_block**2, area * per_block**2
        _add_lorentzian(nodes, kind(-in_blocks), flat, mass, coarse, 0, far * p)
        _add_lorentzian(nodes, kind(past - in_blocks), flat, mass, coarse, past * p, blocks * p)
        low, high = _window(c, reach * width, y.shape[0])
        _add_gaussian(ramp, kind(low - c), four_ln2 / (width * width), eta * h, y, low, high)


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def _peak_slopes(
    b: int,
    peaks: PeakArrays,
    sampling: Sampling,
    layout: Layout,
    fine: Array,
    coarse: Array,
    g: Array,
    d_peaks: PeakArrays,
) -> None:
    """Write gradients in the peaks of sample b from those in the values that `_add_peaks` adds to.

    With q = H^2/4, r = 1 / (q + u^2), L = q r: dL/dcentre = 2 q r^2 u, dL/dH = (r - q r^2) H/2;
    with G = exp(-4 ln2 u^2/H^2): dG/dcentre = G 8 ln2 u/H^2, dG/dH = G 8 ln2 u^2/H^3.
    """
    centre, height, fwhm = peaks
    d_centre, d_height, d_fwhm = d_peaks
    origin, step, gaussian, reach = sampling
    ramp, nodes = layout.ramp, layout.nodes
    (p, points), ratio = layout.to_points.shape, layout.to_segments.shape[1] // layout.to_segments.shape[0]
    kind = g.dtype.type
    one, two, quarter, eta, four_ln2 = kind(1), kind(2), kind(0.25), kind(gaussian), kind(FOUR_LN2)
    per_segment, per_block = one / kind(points), one / kind(points * ratio)
    blocks = coarse.shape[0] // p
    segments = -(-g.shape[0] // points)
    for m in range(height.shape[1]):
        c, h, width = (centre[b, m] - origin) / step, height[b, m], fwhm[b, m] / kind(step)
        d_centre[b, m] = d_height[b, m] = d_fwhm[b, m] = 0
        if h == 0 or not (math.isfinite(c) and math.isfinite(width)):
            continue
        in_segments, in_blocks = (c + 0.5) / points, (c + 0.5) / (points * ratio)
        low, high = _near(in_segments, segments)
        far, past = _near(in_blocks, blocks)
        q = width * width * quarter
        r, rr, rru = _lorentz_sums(ramp, kind(low * points - c), q, g, low * points, high * points)
        flat, first, last = q * per_segment**2, far * ratio, past * ratio
        r0, rr0, rru0 = _lorentz_sums(nodes, kind(first - in_segments), flat, fine, first * p, low * p)
        r1, rr1, rru1 = _lorentz_sums(nodes, kind(high - in_segments), flat, fine, high * p, last * p)
        r, rr, rru = (
            r + (r0 + r1) * per_segment**2,
            rr + (rr0 + rr1) * per_segment**4,
            rru + (rru0 + rru1) * per_segment**3,
        )
        flat = q * per_block**2
        r0, rr0, rru0 = _lorentz_sums(nodes, kind(-in_blocks), flat, coarse, 0, far * p)
        r1, rr1, rru1 = _lorentz_sums(nodes, kind(past - in_blocks), flat, coarse, past * p, blocks * p)
        r, rr, rru = r + (r0 + r1) * per_block**2, rr + (rr0 + rr1) * per_block**4, rru + (rru0 + rru1) * per_block**3
        low, high = _window(c, reach * width, g.shape[0])
        steepness = four_ln2 / (width * width)
        e, eu, euu = _gauss_sums(ramp, kind(low - c), steepness, g, low, high)
        lorentz = one - eta
        d_height[b, m] = lorentz * q * r + eta * e
        d_centre[b, m] = two * h / kind(step) * (lorentz * q * rru + eta * steepness * eu)
        d_fwhm[b, m] = h / kind(step) * (lorentz * (r - q * rr) * width / two + eta * two / width * steepness * euu)


@njit(nogil=True)
def _node_values(layout: Layout) -> tuple[Array, Array]:
    """Return empty arrays for the values at the nodes of all segments and at those of all blocks."""
    (p, points), ratio = layout.to_points.shape, layout.to_segments.shape[1] // layout.to_segments.shape[0]
    blocks, kind = -(-layout.ramp.shape[0] // (points * ratio)), layout.ramp.dtype
    return np.empty(blocks * ratio * p, kind), np.empty(blocks * p, kind)


@kept(fastmath=FAST, error_model="numpy")
def forward(
    first: int, last: int, peaks: PeakArrays, sampling: Sampling, layout: Layout, pattern: Array
) -> None:
    """Write the patterns [B, n] of samples `first` to `last`."""
    fine, coarse = _node_values(layout)
    for b in range(first, last):
        pattern[b], fine[:], coarse[:] = 0, 0, 0
        _add_peaks(b, peaks, sampling, layout, fine, coarse, pattern[b])
        spread(layout.to_segments, coarse, fine)
        spread(layout.to_points, fine, pattern[b])


@kept(fastmath=FAST, error_model="numpy")
def backward(
    first: int,
    last: int,
    peaks: PeakArrays,
    sampling: Sampling,
    layout: Layout,
    gradient: Array,
    d_peaks: PeakArrays,
) -> None:
    """Write the gradients in the peaks of samples `first` to `last` from that in the patterns [B, n]."""
    fine, coarse = _node_values(layout)
    for b in range(first, last):
        collect(layout.to_points, gradient[b], fine)
        collect(layout.to_segments, fine, coarse)
        _peak_slopes(b, peaks, sampling, layout, fine, coarse, gradient[b], d_peaks)


@kept(fastmath=FAST, error_model="numpy")
def apart(peaks: PeakArrays, sampling: Sampling, layout: Layout, near: Array, fine: Array, coarse: Array) -> None:
    """Write what the peaks [B, P] add to points, to nodes of segments and to those of blocks, a sample a row."""
    near[:], fine[:], coarse[:] = 0, 0, 0
    for b in range(near.shape[0]):
        _add_peaks(b, peaks, sampling, layout, fine[b], coarse[b], near[b])


@kept(parallel=True)
def forward_over(bounds: Array, peaks: PeakArrays, sampling: Sampling, layout: Layout, pattern: Array) -> None:
    """Run `forward` from each of the bounds to the next."""
    for i in prange(bounds.shape[0] - 1):
        forward(bounds[i], bounds[i + 1], peaks, sampling, layout, pattern)


@kept(parallel=True)
def backward_over(
    bounds: Array, peaks: PeakArrays, sampling: Sampling, layout: Layout, gradient: Array, d_peaks: PeakArrays
) -> None:
    """Run `backward` from each of the bounds to the next."""
    for i in prange(bounds.shape[0] - 1):
        backward(bounds[i], bounds[i + 1], peaks, sampling, layout, gradient, d_peaks)
