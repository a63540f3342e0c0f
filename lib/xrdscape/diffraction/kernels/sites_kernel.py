"""The compiled way from fractional coordinates to the intensities of reflections and back while the cell stays.

With F = sum_n w_n exp(2 pi i h . x_n), reflection m adds strength_m |F_m|^2 to the intensity of its group: reflections
that coincide make one group.
"""

import math
from collections.abc import Callable

import numpy as np
from numba import njit, types
from numba.extending import overload

from xrdscape.diffraction.kernels.arguments import Array, Exact, SiteReflections
from xrdscape.diffraction.kernels.peaks_kernel import FAST
from xrdscape.runtime.compiled import kept


def _taylor(first: int, last: int, dtype: type) -> Array:
    """Return the coefficients of sine (first = 1) or cosine (first = 0) in the squared argument, the highest first."""
    return np.array([(-1) ** (k // 2) / math.factorial(k) for k in range(last, first - 1, -2)], dtype)


# The first term left out is below 4e-9 (float32) or 5e-17 (float64) of the sum, where the argument is at most pi / 4.
_SINE_SINGLE, _COSINE_SINGLE = _taylor(1, 9, np.float32), _taylor(0, 10, np.float32)
_SINE_DOUBLE, _COSINE_DOUBLE = _taylor(1, 15, np.float64), _taylor(0, 16, np.float64)


def _quarter_turn(a: float) -> tuple[float, float]:
    """Return sin(a) and cos(a); compiled only, by `_quarter_turn_of`."""
    raise NotImplementedError


@overload(_quarter_turn, inline="always")
def _quarter_turn_of(a: float) -> Callable[[float], tuple[float, float]]:
    """Return the loop for sin(a) and cos(a) for |a| <= pi / 4 by their series, which vectorise."""

    def single(a: float) -> tuple[float, float]:
        square = a * a
        sine, cosine = _SINE_SINGLE[0], _COSINE_SINGLE[0]
        for k in range(1, 5):
            sine = sine * square + _SINE_SINGLE[k]
        for k in range(1, 6):
            cosine = cosine * square + _COSINE_SINGLE[k]
        return sine * a, cosine

    def double(a: float) -> tuple[float, float]:
        square = a * a
        sine, cosine = _SINE_DOUBLE[0], _COSINE_DOUBLE[0]
        for k in range(1, 8):
            sine = sine * square + _SINE_DOUBLE[k]
        for k in range(1, 9):
            cosine = cosine * square + _COSINE_DOUBLE[k]
        return sine * a, cosine

    return single if a == types.float32 else double


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def _phases(hkl: Exact, x: float, y: float, z: float, quarter: Array) -> None:
    """Write a quarter of the phase 2 pi h . x. Whole turns are taken out, so that large h . x cost no accuracy."""
    quarter_turn = math.pi / 2
    for m in range(quarter.shape[0]):
        turns = hkl[0, m] * x + hkl[1, m] * y + hkl[2, m] * z
        quarter[m] = quarter_turn * (turns - np.rint(turns))


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def _shares(quarter: Array, weight: Array, real: Array, imaginary: Array) -> None:
    """Write w exp(i phase), by doubling the angle twice."""
    one, two = weight.dtype.type(1), weight.dtype.type(2)
    for m in range(quarter.shape[0]):
        s, c = _quarter_turn(quarter[m])
        s, c = two * s * c, one - two * s * s
        real[m] = weight[m] * (one - two * s * s)
        imaginary[m] = weight[m] * (two * s * c)


@kept(fastmath=FAST, error_model="numpy")
def forward(
    first: int,
    last: int,
    frac_coords: Array,
    reflections: SiteReflections,
    parts: Array,
    factor: Array,
    intensity: Exact,
) -> None:
    """Write the intensities [B, groups] of samples `first` to `last` with atoms at [B, N, 3].

    Kept for `backward`: `parts` [B, N, 2, M], real and imaginary part of each atom's share, and `factor` [B, 2, M], F.
    """
    hkl, weight, strength, group = reflections
    count = hkl.shape[1]
    quarter = np.empty(count, weight.dtype)
    for b in range(first, last):
        factor[b] = 0
        for n in range(weight.shape[0]):
            x, y, z = float(frac_coords[b, n, 0]), float(frac_coords[b, n, 1]), float(frac_coords[b, n, 2])
            _phases(hkl, x, y, z, quarter)
            _shares(quarter, weight[n], parts[b, n, 0], parts[b, n, 1])
            factor[b] += parts[b, n]
        intensity[b] = 0
        for m in range(count):
            real, imaginary = factor[b, 0, m], factor[b, 1, m]
            intensity[b, group[m]] += strength[m] * (real * real + imaginary * imaginary)


@kept(fastmath=FAST, error_model="numpy")
def backward(
    first: int,
    last: int,
    d_intensity: Exact,
    reflections: SiteReflections,
    parts: Array,
    factor: Array,
    d_frac_coords: Array,
) -> None:
    """Write the gradients [B, N, 3] in the coordinates from those in the intensities."""
    hkl, strength, group = reflections.hkl, reflections.strength, reflections.group
    count, kind = hkl.shape[1], parts.dtype.type
    real, imaginary = np.empty(count, parts.dtype), np.empty(count, parts.dtype)
    for b in range(first, last):
        for m in range(count):
            slope = kind(4 * math.pi) * strength[m] * kind(d_intensity[b, group[m]])
            real[m], imaginary[m] = slope * factor[b, 0, m], slope * factor[b, 1, m]
        for n in range(parts.shape[1]):
            cosines, sines = parts[b, n, 0], parts[b, n, 1]
            h = k = l = 0.0  # noqa: E741
            for m in range(count):
                along = float(cosines[m] * imaginary[m] - sines[m] * real[m])
                h += along * hkl[0, m]
                k += along * hkl[1, m]
                l += along * hkl[2, m]  # noqa: E741
            d_frac_coords[b, n, 0], d_frac_coords[b, n, 1], d_frac_coords[b, n, 2] = h, k, l
