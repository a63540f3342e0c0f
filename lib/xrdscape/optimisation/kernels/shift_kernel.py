"""The shift at which two patterns overlap most, compiled: from coarse to fine, instead of every shift in full.

Patterns have peaks no narrower than the instrument's FWHM, f bins, so their overlap as a function of the shift is a sum
of peaks, Lorentzians wider than 2 f or Gaussians wider than 1.4 f. Patterns summed over blocks of w bins show it
smoothed by a triangle of w bins and at every w-th shift alone; at its highest point that costs at most the fraction
w^2/f^2 (1/4 + 1/6) for Lorentzians, 0.58 w^2/f^2 for Gaussians. So the best shift lies beside one whose coarse overlap
is behind the highest by no more than `LOST` w^2/f^2, and only there is it looked at more closely.
`objectives.best_shift` defines the result.
"""

import numpy as np
from numba import njit

from xrdscape.diffraction.kernels.arguments import Array
from xrdscape.diffraction.kernels.peaks_kernel import FAST

LOST = 0.7
WIDEST, FINER = 0.6, 4
"""The coarsest blocks are no wider than this share of the FWHM, each finer level has blocks a quarter as wide."""


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def _overlap(x: Array, t: Array, shift: int) -> float:
    """Return sum_i x_i t_(i - shift)."""
    first, last = max(0, shift), min(x.shape[0], t.shape[0] + shift)
    total = x.dtype.type(0)
    if first < last:
        a, b = x[first:last], t[first - shift : last - shift]
        for i in range(a.shape[0]):
            total += a[i] * b[i]
    return total


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def _all_overlaps(x: Array, t: Array) -> Array:
    """Return the overlaps of all shifts, from 1 - n to n - 1, of t [n]: sums in another order, fewer and longer loops."""
    n = x.shape[0]
    overlaps, backwards = np.zeros(2 * n - 1, x.dtype), t[::-1].copy()
    for i in range(n):
        part, factor = overlaps[i : i + n], x[i]
        for j in range(n):
            part[j] += factor * backwards[j]
    return overlaps


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def _block_sums(x: Array, block: int) -> Array:
    """Return sums over blocks of bins, of four at a time as often as it takes."""
    while block > 1:
        sums = np.zeros(-(-x.shape[0] // FINER), x.dtype)
        for i in range(x.shape[0] // FINER):
            sums[i] = (x[FINER * i] + x[FINER * i + 1]) + (x[FINER * i + 2] + x[FINER * i + 3])
        for i in range(x.shape[0] // FINER * FINER, x.shape[0]):
            sums[-1] += x[i]
        x, block = sums, block // FINER
    return x


@njit(nogil=True)
def _finer(shifts: Array, overlaps: Array, least: float, inner: int, outer: int) -> Array:
    """Return the shifts to look at more closely, in units of the finer level: those with enough overlap, and the outermost."""
    found, count = np.empty((FINER + 1) * shifts.shape[0], shifts.dtype), 0
    for i in range(shifts.shape[0]):
        place = abs(shifts[i])
        if place <= outer and (place > inner or overlaps[i] >= least):
            for shift in range(FINER * shifts[i] - FINER // 2, FINER * shifts[i] + FINER // 2 + 1):
                if count == 0 or shift > found[count - 1]:
                    found[count] = shift
                    count += 1
    return found[:count]


@njit(nogil=True)
def best_shift(x: Array, t: Array, largest: float, narrowest: float) -> int:
    """Return that shift of t [n] by up to `largest` bins which has the greatest overlap with x [n], both >= 0.

    `narrowest` is the least FWHM of a peak in bins. Equals `objectives.best_shift` but for shifts that are equally good
    to rounding.
    """
    largest = min(int(largest), x.shape[0] - 1)
    block = 1
    while FINER * block <= WIDEST * narrowest:
        block *= FINER
    a, b = _block_sums(x, block), _block_sums(t, block)
    shifts, overlaps = np.arange(1 - a.shape[0], a.shape[0]), _all_overlaps(a, b)
    while True:
        # At either end of the range the overlap may still rise: what lies there is always looked at more closely.
        inner = largest if block == 1 else largest // block - 1
        highest, best = x.dtype.type(-1), 0
        for i in range(shifts.shape[0]):
            if abs(shifts[i]) <= inner and overlaps[i] > highest:
                highest, best = overlaps[i], i
        if block == 1:
            return shifts[best]
        least, outer = highest * (1 - LOST * (block / narrowest) ** 2), -(-largest // block)
        shifts = _finer(shifts, overlaps, least, inner, outer)
        block //= FINER
        a, b = _block_sums(x, block), _block_sums(t, block)
        overlaps = np.empty(shifts.shape[0], x.dtype)
        for i in range(shifts.shape[0]):
            overlaps[i] = _overlap(a, b, shifts[i])
