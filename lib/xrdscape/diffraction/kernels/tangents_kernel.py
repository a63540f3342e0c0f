"""The compiled loops behind `pattern_tangents`: derivatives of patterns in a few directions, all at once.

A direction says how every peak changes. What a peak adds to a derivative is a combination of six functions of the
distance u from its centre, whatever the direction: with r = 1 / (H^2/4 + u^2) and e = exp(-4 ln2 u^2/H^2) they are
r, r^2, r^2 u, e, e u and e u^2. They are computed once for all directions, at the places where `peaks_kernel` sums
profiles: points around the peak, nodes of segments nearby and nodes of blocks far away.
"""

import math

import numpy as np
from numba import njit, prange

from xrdscape.diffraction.kernels.arguments import Array, Layout, PeakArrays, PeakTangents, Sampling
from xrdscape.diffraction.kernels.peaks_kernel import FAST, _near, _window, exp_minus, spread
from xrdscape.diffraction.profile import FOUR_LN2
from xrdscape.runtime.compiled import kept


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def _add_lorentzians(
    x: Array, offset: float, quarter: float, weights: Array, basis: Array, values: Array, first: int, last: int
) -> None:
    """Add, to each direction's values[:, first:last], its weights [K, 3] times r, r^2, r^2 u, with u = x + offset."""
    one = quarter / quarter
    r, rr, rru = basis[0, : last - first], basis[1, : last - first], basis[2, : last - first]
    for i in range(r.shape[0]):
        u = x[i] + offset
        r[i] = one / (quarter + u * u)
        rr[i] = r[i] * r[i]
        rru[i] = rr[i] * u
    for k in range(weights.shape[0]):
        a, b, c = weights[k, 0], weights[k, 1], weights[k, 2]
        y = values[k, first:last]
        for i in range(y.shape[0]):
            y[i] += a * r[i] + b * rr[i] + c * rru[i]


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def _add_gaussians(
    x: Array, offset: float, steepness: float, weights: Array, basis: Array, values: Array, first: int, last: int
) -> None:
    """Add, to each direction's values[:, first:last], its weights [K, 3] times e, e u, e u^2, with u = x + offset."""
    e, eu, euu = basis[0, : last - first], basis[1, : last - first], basis[2, : last - first]
    for i in range(e.shape[0]):
        u = x[i] + offset
        e[i] = exp_minus(steepness * u * u)
        eu[i] = e[i] * u
        euu[i] = eu[i] * u
    for k in range(weights.shape[0]):
        a, b, c = weights[k, 0], weights[k, 1], weights[k, 2]
        y = values[k, first:last]
        for i in range(y.shape[0]):
            y[i] += a * e[i] + b * eu[i] + c * euu[i]


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def _weigh(
    h: float,
    q: float,
    width: float,
    eta: float,
    change: tuple[float, float, float, float],
    lorentz: Array,
    gauss: Array,
) -> None:
    """Write what a direction makes of the basis: weights of r, r^2, r^2 u [3], and of e, e u, e u^2 [3].

    With L = q r and q = H^2/4: dL/dcentre = 2 q r^2 u and dL/dH = (r - q r^2) H/2; with G = e and s = 4 ln2/H^2:
    dG/dcentre = 2 s u e and dG/dH = 2 s u^2 e / H. `change` is that of centre, height, width (in steps) and eta.
    """
    d_centre, d_height, d_width, d_eta = change
    s, share = FOUR_LN2 / (width * width), 1 - eta
    lorentz[0] = share * (d_height * q + h * d_width * width / 2) - d_eta * h * q
    lorentz[1] = -share * h * d_width * width / 2 * q
    lorentz[2] = share * h * d_centre * 2 * q
    gauss[0] = eta * d_height + d_eta * h
    gauss[1] = eta * h * d_centre * 2 * s
    gauss[2] = eta * h * d_width * 2 * s / width


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def _add_tangents(
    b: int,
    peaks: PeakArrays,
    tangents: PeakTangents,
    sampling: Sampling,
    layout: Layout,
    fine: Array,
    coarse: Array,
    y: Array,
) -> None:
    """Add the derivatives [K, ...] of the peaks of sample b as `peaks_kernel` adds the peaks."""
    centre, height, fwhm = peaks
    origin, step, eta, reach = sampling
    ramp, nodes = layout.ramp, layout.nodes
    (p, points), ratio = layout.to_points.shape, layout.to_segments.shape[1] // layout.to_segments.shape[0]
    kind, count = y.dtype.type, y.shape[0]
    blocks, segments = coarse.shape[1] // p, -(-y.shape[1] // points)
    basis = np.empty((3, max(coarse.shape[1], fine.shape[1], ramp.shape[0])), y.dtype)
    lorentz, gauss = np.empty((count, 3), y.dtype), np.empty((count, 3), y.dtype)
    scaled = np.empty((count, 3), y.dtype)
    for m in range(height.shape[1]):
        c, h, width = (centre[b, m] - origin) / step, float(height[b, m]), fwhm[b, m] / step
        if not (math.isfinite(c) and math.isfinite(width)):
            continue
        q = width * width / 4
        changes = False
        for k in range(count):
            change = (
                tangents.centre[b, k, m] / step,
                float(tangents.height[b, k, m]),
                tangents.fwhm[b, k, m] / step,
                tangents.eta[k],
            )
            changes = changes or (h != 0.0 or change[1] != 0.0)
            _weigh(h, q, width, eta, change, lorentz[k], gauss[k])
        if not changes:
            continue
        in_segments, in_blocks = (c + 0.5) / points, (c + 0.5) / (points * ratio)
        low, high = _near(in_segments, segments)
        far, past = _near(in_blocks, blocks)
        _add_lorentzians(ramp, kind(low * points - c), kind(q), lorentz, basis, y, low * points, high * points)
        per, first, last = 1.0 / points, far * ratio, past * ratio
        _in_widths(lorentz, per, scaled)
        flat = kind(q * per**2)
        _add_lorentzians(nodes, kind(first - in_segments), flat, scaled, basis, fine, first * p, low * p)
        _add_lorentzians(nodes, kind(high - in_segments), flat, scaled, basis, fine, high * p, last * p)
        per = 1.0 / (points * ratio)
        _in_widths(lorentz, per, scaled)
        flat = kind(q * per**2)
        _add_lorentzians(nodes, kind(-in_blocks), flat, scaled, basis, coarse, 0, far * p)
        _add_lorentzians(nodes, kind(past - in_blocks), flat, scaled, basis, coarse, past * p, blocks * p)
        low, high = _window(c, reach * width, y.shape[1])
        _add_gaussians(ramp, kind(low - c), kind(FOUR_LN2 / (width * width)), gauss, basis, y, low, high)


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def _in_widths(lorentz: Array, per: float, scaled: Array) -> None:
    """Write the weights for distances that are counted in widths of a segment or block, of which a step is `per`."""
    for k in range(lorentz.shape[0]):
        scaled[k, 0] = lorentz[k, 0] * per**2
        scaled[k, 1] = lorentz[k, 1] * per**4
        scaled[k, 2] = lorentz[k, 2] * per**3


@kept(fastmath=FAST, error_model="numpy")
def forward(
    first: int,
    last: int,
    peaks: PeakArrays,
    tangents: PeakTangents,
    sampling: Sampling,
    layout: Layout,
    derivatives: Array,
) -> None:
    """Write the derivatives [B, K, n] of the patterns of samples `first` to `last` in K directions."""
    (p, points), ratio = layout.to_points.shape, layout.to_segments.shape[1] // layout.to_segments.shape[0]
    blocks, count = -(-layout.ramp.shape[0] // (points * ratio)), derivatives.shape[1]
    fine = np.empty((count, blocks * ratio * p), derivatives.dtype)
    coarse = np.empty((count, blocks * p), derivatives.dtype)
    for b in range(first, last):
        derivatives[b], fine[:], coarse[:] = 0, 0, 0
        _add_tangents(b, peaks, tangents, sampling, layout, fine, coarse, derivatives[b])
        for k in range(count):
            spread(layout.to_segments, coarse[k], fine[k])
            spread(layout.to_points, fine[k], derivatives[b, k])


@kept(parallel=True)
def forward_over(
    bounds: Array, peaks: PeakArrays, tangents: PeakTangents, sampling: Sampling, layout: Layout, derivatives: Array
) -> None:
    """Run `forward` from each of the bounds to the next."""
    for i in prange(bounds.shape[0] - 1):
        forward(bounds[i], bounds[i + 1], peaks, tangents, sampling, layout, derivatives)
