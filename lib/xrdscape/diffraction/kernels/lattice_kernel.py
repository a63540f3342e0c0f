"""From lattice parameters to peaks while only the cell moves, compiled, with the gradient written out.

Angle, width, form factors and Lorentz-polarisation depend on the cell through s = sin^2(theta) alone, so each
reflection is a function of one number, and its slope is computed beside its value. `Simulator.peaks` is the same in
plain torch, which defines it; the tests hold the one against the other.
"""

import math

import numpy as np
from numba import njit

from xrdscape.diffraction.kernels.peaks_kernel import FAST, exp_minus
from xrdscape.runtime.compiled import kept

# exp(-z) below this counts as 0.
_LARGEST_EXPONENT = 64.0
_RADIANS = math.pi / 180
# Of a, b, c, alpha, beta, gamma, the angle between axes i and j is number 6 - i - j.


@njit(nogil=True)
def reciprocal_metric(lattice, direct, inverse):  # type: ignore[no-untyped-def]
    """The metric tensor and its inverse [3, 3] of a, b, c, alpha, beta, gamma; eq:metric, eq:reciprocal-metric."""
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
def _scattering(y, z, decay, coefficient, real, imaginary, square, slope):  # type: ignore[no-untyped-def]
    """|F|^2 [M] and its slope in y = (sin(theta) / lambda)^2."""
    terms, count = decay.shape[0] // z.shape[0], y.shape[0]
    geometrical = np.zeros((4, count))
    f_real, f_imaginary, d_real, d_imaginary = geometrical[0], geometrical[1], geometrical[2], geometrical[3]
    factor, d_factor = np.empty(count), np.empty(count)
    for e in range(z.shape[0]):
        factor[:] = 0.0
        d_factor[:] = 0.0
        for t in range(e * terms, (e + 1) * terms):
            rate, weight = float(decay[t, 0]), float(coefficient[e, t])
            for m in range(count):
                term = weight * exp_minus(min(-rate * y[m], _LARGEST_EXPONENT))
                factor[m] += term
                d_factor[m] += term * (1 + rate * y[m])
        start = float(z[e, 0])
        for m in range(count):
            f = start + y[m] * factor[m]
            f_real[m] += f * real[e, m]
            f_imaginary[m] += f * imaginary[e, m]
            d_real[m] += d_factor[m] * real[e, m]
            d_imaginary[m] += d_factor[m] * imaginary[e, m]
    for m in range(count):
        square[m] = f_real[m] * f_real[m] + f_imaginary[m] * f_imaginary[m]
        slope[m] = 2 * (f_real[m] * d_real[m] + f_imaginary[m] * d_imaginary[m])


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def _edge(centre, limit, taper):  # type: ignore[no-untyped-def]
    """Weight of a reflection by its angle, and its slope; `profile.edge_weight`."""
    if taper == 0.0 or centre <= limit:
        return 1.0, 0.0
    past = math.pi * (centre - limit) / taper
    return (1 + math.cos(past)) / 2, -math.pi / (2 * taper) * math.sin(past)


@kept(fastmath=FAST, error_model="numpy")
def forward(  # type: ignore[no-untyped-def]
    first,
    last,
    lattice,
    hkl,
    multiplicity,
    real,
    imaginary,
    z,
    decay,
    coefficient,
    instrument,
    centre,
    height,
    fwhm,
    slopes,
):
    """Peaks [B, M] of samples `first` to `last` with lattice parameters [B, 6], and their slopes in s [B, 3, M].

    `instrument` holds wavelength, U, V, W, the end of the range in degrees, the taper, and the s past which no
    reflection counts. A cell that is not a number gives heights that are not. Lists may be longer than M: the rest is
    padding.
    """
    wavelength, u, v, w, limit, taper, edge = instrument
    direct, inverse = np.empty((3, 3)), np.empty((3, 3))
    count = centre.shape[1]
    s, square, d_square = np.empty(count), np.empty(count), np.empty(count)
    for b in range(first, last):
        reciprocal_metric(lattice[b], direct, inverse)
        g = inverse * (wavelength / 2) ** 2
        for m in range(count):
            h, k, l = float(hkl[b, m, 0]), float(hkl[b, m, 1]), float(hkl[b, m, 2])  # noqa: E741
            s[m] = g[0, 0] * h * h + g[1, 1] * k * k + g[2, 2] * l * l
            s[m] += 2 * (g[1, 2] * k * l + g[0, 2] * h * l + g[0, 1] * h * k)
        _scattering(s / wavelength**2, z, decay, coefficient, real[b], imaginary[b], square, d_square)
        for m in range(count):
            value = s[m]
            if multiplicity[b, m] == 0 or value > edge:
                centre[b, m], height[b, m], fwhm[b, m] = limit, 0.0, 1.0
                slopes[b, 0, m] = slopes[b, 1, m] = slopes[b, 2, m] = 0.0
                continue
            sine, cosine = math.sqrt(value), math.sqrt(1 - value)
            tangent = sine / cosine
            angle = 2 / _RADIANS * math.asin(sine)
            d_angle = 1 / (_RADIANS * sine * cosine)
            width = math.sqrt((u * tangent + v) * tangent + w)
            polarisation = (2 - 4 * value * (1 - value)) / (value * cosine)
            d_polarisation = (8 * value - 4) / (value * cosine) - polarisation * (1 / value - 0.5 / (1 - value))
            weight, d_weight = _edge(angle, limit, taper)
            strength = multiplicity[b, m] * polarisation * square[m]
            centre[b, m], height[b, m], fwhm[b, m] = angle, weight * strength, width
            slopes[b, 0, m] = d_angle
            slopes[b, 1, m] = d_weight * d_angle * strength + weight * multiplicity[b, m] * (
                d_polarisation * square[m] + polarisation * d_square[m] / wavelength**2
            )
            slopes[b, 2, m] = (2 * u * tangent + v) / (4 * width * sine * cosine**3)


@kept(fastmath=FAST, error_model="numpy")
def backward(  # type: ignore[no-untyped-def]
    first, last, lattice, hkl, wavelength, slopes, d_centre, d_height, d_fwhm, d_lattice
):
    """Gradient [B, 6] in the lattice parameters of samples `first` to `last` from those in the peaks.

    From the gradient D in the reciprocal metric follows that in the metric, -G* D G*, and from that the rest.
    """
    direct, inverse = np.empty((3, 3)), np.empty((3, 3))
    for b in range(first, last):
        reciprocal_metric(lattice[b], direct, inverse)
        hh = kk = ll = kl = hl = hk = 0.0
        for m in range(d_centre.shape[1]):
            h, k, l = float(hkl[b, m, 0]), float(hkl[b, m, 1]), float(hkl[b, m, 2])  # noqa: E741
            d_s = d_centre[b, m] * slopes[b, 0, m] + d_height[b, m] * slopes[b, 1, m] + d_fwhm[b, m] * slopes[b, 2, m]
            hh += d_s * h * h
            kk += d_s * k * k
            ll += d_s * l * l
            kl += d_s * k * l
            hl += d_s * h * l
            hk += d_s * h * k
        d_inverse = np.array(((hh, hk, hl), (hk, kk, kl), (hl, kl, ll))) * (wavelength / 2) ** 2
        d_lattice[b] = 0.0
        for i in range(3):
            for j in range(3):
                total = 0.0
                for p in range(3):
                    for q in range(3):
                        total -= inverse[i, p] * d_inverse[p, q] * inverse[q, j]
                d_lattice[b, i] += 2 * total * direct[i, j] / lattice[b, i]
                if i != j:
                    sine = math.sin(lattice[b, 6 - i - j] * _RADIANS)
                    d_lattice[b, 6 - i - j] -= total * lattice[b, i] * lattice[b, j] * sine * _RADIANS
