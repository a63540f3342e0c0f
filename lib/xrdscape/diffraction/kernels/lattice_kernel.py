"""The compiled way from lattice parameters to peaks while only the cell moves, with the gradient written out.

Angle, width, form factors and Lorentz-polarisation depend on the cell through s = sin^2(theta) alone, so each
reflection is a function of one number, and its slope is computed beside its value. `reflection_peaks` is the same in
plain torch, which defines it; the tests hold the one against the other.
"""

import math

import numpy as np
from numba import njit

from xrdscape.diffraction.kernels.arguments import (
    Array,
    Exact,
    FormFactors,
    Lists,
    Optics,
    PeakArrays,
    SimulatorConstants,
    WidthConstants,
)
from xrdscape.diffraction.kernels.peaks_kernel import FAST, exp_minus
from xrdscape.runtime.compiled import kept

_LARGEST_EXPONENT = 64.0
"""exp(-z) beyond this counts as 0."""
_RADIANS = math.pi / 180
# Of a, b, c, alpha, beta, gamma, the angle between axes i and j is number 6 - i - j.


@njit(nogil=True)
def reciprocal_metric(lattice: Exact, direct: Exact, inverse: Exact) -> None:
    """Write the metric tensor of lattice parameters and its inverse [3, 3]; eq:metric, eq:reciprocal-metric."""
    for i in range(3):
        for j in range(3):
            cosine = 1.0 if i == j else math.cos(lattice[6 - i - j] * _RADIANS)
            direct[i, j] = lattice[i] * lattice[j] * cosine
    for i in range(3):
        for j in range(3):
            k, l, p, q = (i + 1) % 3, (i + 2) % 3, (j + 1) % 3, (j + 2) % 3  # noqa: E741
            inverse[i, j] = direct[k, p] * direct[l, q] - direct[k, q] * direct[l, p]
    determinant = direct[0, 0] * inverse[0, 0] + direct[0, 1] * inverse[0, 1] + direct[0, 2] * inverse[0, 2]
    for i in range(3):
        for j in range(3):
            inverse[i, j] /= determinant


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def _scattering(
    y: Exact, form_factors: FormFactors, real: Array, imaginary: Array, square: Exact, slope: Exact
) -> None:
    """Write |F|^2 [M] and its slope in y = (sin(theta) / lambda)^2."""
    z, decay, coefficient, gaussian, f_double_prime = form_factors
    terms, count = decay.shape[0] // z.shape[0], y.shape[0]
    geometrical = np.zeros((4, count))
    f_real, f_imaginary, d_real, d_imaginary = geometrical[0], geometrical[1], geometrical[2], geometrical[3]
    factor, d_factor = np.empty(count), np.empty(count)
    # Gaussians are added as they are, the paper's terms times y.
    times, constant = (np.ones(count), 0.0) if gaussian else (y, 1.0)
    for e in range(z.shape[0]):
        factor[:] = 0.0
        d_factor[:] = 0.0
        for t in range(e * terms, (e + 1) * terms):
            rate, weight = float(decay[t, 0]), float(coefficient[e, t])
            for m in range(count):
                term = weight * exp_minus(min(-rate * y[m], _LARGEST_EXPONENT))
                factor[m] += term
                d_factor[m] += term * (constant + rate * times[m])
        start = float(z[e, 0])
        for m in range(count):
            f = start + times[m] * factor[m]
            f_real[m] += f * real[e, m]
            f_imaginary[m] += f * imaginary[e, m]
            d_real[m] += d_factor[m] * real[e, m]
            d_imaginary[m] += d_factor[m] * imaginary[e, m]
    for m in range(count):
        square[m] = f_real[m] * f_real[m] + f_imaginary[m] * f_imaginary[m]
        slope[m] = 2 * (f_real[m] * d_real[m] + f_imaginary[m] * d_imaginary[m])
    if f_double_prime.shape[0] > 0:
        f_real[:] = 0.0
        f_imaginary[:] = 0.0
        for e in range(f_double_prime.shape[0]):
            f = float(f_double_prime[e])
            for m in range(count):
                f_real[m] += f * real[e, m]
                f_imaginary[m] += f * imaginary[e, m]
        for m in range(count):
            square[m] += f_real[m] * f_real[m] + f_imaginary[m] * f_imaginary[m]


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def _weaken(y: Exact, b_iso: float, square: Exact, slope: Exact) -> None:
    """Multiply |F|^2 by the Debye-Waller factor exp(-2 B y), and correct its slope in y."""
    for m in range(y.shape[0]):
        factor = math.exp(-2 * b_iso * y[m])
        square[m] *= factor
        slope[m] = slope[m] * factor - 2 * b_iso * square[m]


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def _edge(centre: float, limit: float, taper: float) -> tuple[float, float]:
    """Return the weight of a reflection by its true angle, and its slope; `instrument.edge_weight`."""
    if taper == 0.0 or centre <= limit:
        return 1.0, 0.0
    past = math.pi * (centre - limit) / taper
    return (1 + math.cos(past)) / 2, -math.pi / (2 * taper) * math.sin(past)


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def _width(constants: WidthConstants, ratio: float, sine: float, cosine: float) -> tuple[float, float]:
    """Return the full width at half maximum in degrees and its slope in sin^2(theta); `widths.fwhm_deg`.

    `ratio` is the wavelength over that of the constants, by which a size's width grows.
    """
    u, v, w, size = constants
    if size == 0.0:
        tangent = sine / cosine
        width = math.sqrt((u * tangent + v) * tangent + w)
        return width, (2 * u * tangent + v) / (4 * width * sine * cosine**3)
    width = slope = 0.0
    if u != 0.0 or v != 0.0 or w != 0.0:
        tangent = sine / cosine
        width = math.sqrt((u * tangent + v) * tangent + w)
        slope = (2 * u * tangent + v) / (4 * width * sine * cosine**3)
    by_size = size * ratio / cosine
    return width + by_size, slope + by_size / (2 * cosine**2)


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def _to_q_axis(b: int, j: int, sine: float, cosine: float, per_sine: float, peaks: PeakArrays, slopes: Exact) -> None:
    """Turn centre and width of a peak, and their slopes in sin^2(theta), from degrees of 2 theta to Q."""
    per_degree = math.pi / 360 * per_sine
    width, d_width = float(peaks.fwhm[b, j]), slopes[b, 2, j]
    peaks.centre[b, j], slopes[b, 0, j] = per_sine * sine, per_sine / (2 * sine)
    peaks.fwhm[b, j] = per_degree * width * cosine
    slopes[b, 2, j] = per_degree * (d_width * cosine - width / (2 * cosine))


@kept(fastmath=FAST, error_model="numpy")
def forward(
    first: int,
    last: int,
    lattice: Exact,
    lists: Lists,
    simulator: SimulatorConstants,
    peaks: PeakArrays,
    slopes: Exact,
) -> None:
    """Write the peaks [B, lines * M] of samples `first` to `last` with lattice parameters [B, 6], and their slopes
    [B, 3, lines * M] in s = sin^2(theta) for the strongest emission line.

    A cell that is not a number gives heights that are not. Lists may be longer than M: the rest is padding.
    """
    optics = simulator.optics
    direct, inverse = np.empty((3, 3)), np.empty((3, 3))
    count = peaks.centre.shape[1] // optics.share.shape[0]
    s, square, d_square = np.empty(count), np.empty(count), np.empty(count)
    for b in range(first, last):
        reciprocal_metric(lattice[b], direct, inverse)
        g = inverse * (optics.wavelength / 2) ** 2
        hkl = lists.hkl[b]
        for m in range(count):
            h, k, l = float(hkl[m, 0]), float(hkl[m, 1]), float(hkl[m, 2])  # noqa: E741
            s[m] = g[0, 0] * h * h + g[1, 1] * k * k + g[2, 2] * l * l
            s[m] += 2 * (g[1, 2] * k * l + g[0, 2] * h * l + g[0, 1] * h * k)
        y = s / optics.wavelength**2
        _scattering(y, simulator.form_factors, lists.real[b], lists.imaginary[b], square, d_square)
        if optics.b_iso != 0.0:
            _weaken(y, optics.b_iso, square, d_square)
        for line in range(optics.share.shape[0]):
            _line_peaks(b, line, lists.multiplicity[b], s, square, d_square, optics, simulator.width, peaks, slopes)


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def _line_peaks(
    b: int,
    line: int,
    multiplicity: Array,
    s: Exact,
    square: Exact,
    d_square: Exact,
    optics: Optics,
    width_constants: WidthConstants,
    peaks: PeakArrays,
    slopes: Exact,
) -> None:
    """Write the peaks of sample b for one emission line, from s, |F|^2 and its slope in s / lambda^2 [M]."""
    wavelength, limit, taper, edge = optics.wavelength, optics.limit, optics.taper, optics.edge
    ratio, share = optics.ratio[line], optics.share[line]
    mixing = 8 * optics.polarisation / (1 + optics.polarisation)
    centre, height, fwhm = peaks
    for m in range(s.shape[0]):
        value, j = s[m] * ratio**2, line * s.shape[0] + m
        if multiplicity[m] == 0 or value > edge:
            centre[b, j], height[b, j], fwhm[b, j] = limit, 0.0, 1.0
            slopes[b, 0, j] = slopes[b, 1, j] = slopes[b, 2, j] = 0.0
            continue
        sine, cosine = math.sqrt(value), math.sqrt(1 - value)
        angle = 2 / _RADIANS * math.asin(sine)
        d_angle = 1 / (_RADIANS * sine * cosine)
        width, d_width = _width(width_constants, ratio, sine, cosine)
        polarisation = (2 - mixing * value * (1 - value)) / (value * cosine)
        d_polarisation = (2 * mixing * value - mixing) / (value * cosine) - polarisation * (
            1 / value - 0.5 / (1 - value)
        )
        weight, d_weight = _edge(angle, limit, taper)
        times = multiplicity[m] * share
        strength = times * polarisation * square[m]
        centre[b, j], height[b, j], fwhm[b, j] = angle + optics.zero, weight * strength, width
        slopes[b, 0, j] = d_angle
        # The slope of |F|^2 is one in s itself, the others become one by the ratio of the wavelengths.
        slopes[b, 1, j] = d_weight * d_angle * strength + weight * times * (
            d_polarisation * square[m] + polarisation * d_square[m] / (wavelength * ratio) ** 2
        )
        slopes[b, 2, j] = d_width
        if optics.q_per_sine != 0.0:
            _to_q_axis(b, j, sine, cosine, optics.q_per_sine, peaks, slopes)
        if ratio != 1.0:
            for i in range(3):
                slopes[b, i, j] *= ratio**2


@kept(fastmath=FAST, error_model="numpy")
def backward(
    first: int,
    last: int,
    lattice: Exact,
    hkl: Array,
    optics: Optics,
    slopes: Exact,
    d_peaks: PeakArrays,
    d_lattice: Exact,
) -> None:
    """Write the gradient [B, 6] in the lattice parameters of samples `first` to `last` from those in the peaks.

    From the gradient D in the reciprocal metric follows that in the metric, -G* D G*, and from that the rest.
    """
    direct, inverse, gradient = np.empty((3, 3)), np.empty((3, 3)), np.empty(6)
    d_centre, d_height, d_fwhm = d_peaks
    lines = optics.share.shape[0]
    count = d_centre.shape[1] // lines
    for b in range(first, last):
        reciprocal_metric(lattice[b], direct, inverse)
        hh = kk = ll = kl = hl = hk = 0.0
        for line in range(lines):
            for m in range(count):
                j = line * count + m
                h, k, l = float(hkl[b, m, 0]), float(hkl[b, m, 1]), float(hkl[b, m, 2])  # noqa: E741
                d_s = (
                    d_centre[b, j] * slopes[b, 0, j] + d_height[b, j] * slopes[b, 1, j] + d_fwhm[b, j] * slopes[b, 2, j]
                )
                hh += d_s * h * h
                kk += d_s * k * k
                ll += d_s * l * l
                kl += d_s * k * l
                hl += d_s * h * l
                hk += d_s * h * k
        d_inverse = np.array(((hh, hk, hl), (hk, kk, kl), (hl, kl, ll))) * (optics.wavelength / 2) ** 2
        gradient[:] = 0.0
        for i in range(3):
            for j in range(3):
                total = 0.0
                for p in range(3):
                    for q in range(3):
                        total -= inverse[i, p] * d_inverse[p, q] * inverse[q, j]
                gradient[i] += 2 * total * direct[i, j] / lattice[b, i]
                if i != j:
                    sine = math.sin(lattice[b, 6 - i - j] * _RADIANS)
                    gradient[6 - i - j] -= total * lattice[b, i] * lattice[b, j] * sine * _RADIANS
        # Written at once: another thread may write the same numbers at the same time.
        d_lattice[b] = gradient
