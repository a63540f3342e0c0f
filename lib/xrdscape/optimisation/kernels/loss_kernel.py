"""Compiled losses of a pattern, and the sweep from lattice parameters to a loss and back.

In a sweep a pattern and its gradient stay in the processor's cache: nothing but a loss and six slopes leaves a sample.
The measures are those of `objectives`, which defines them; the tests hold the one against the other.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, prange, types
from numba.extending import overload

from xrdscape.diffraction.kernels import lattice_kernel, peaks_kernel
from xrdscape.diffraction.kernels.arguments import (
    Array,
    Exact,
    FormFactors,
    Layout,
    Lists,
    Optics,
    PeakArrays,
    Sampling,
    SimulatorConstants,
    WidthConstants,
)
from xrdscape.diffraction.kernels.peaks_kernel import FAST
from xrdscape.optimisation.kernels.arguments import Comparison, Results
from xrdscape.optimisation.kernels.shift_kernel import best_shift
from xrdscape.optimisation.objectives import COSINE, ENTROPY, SQUARED_ERROR
from xrdscape.runtime.compiled import kept


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def _cosine(x: Array, t: Array, gradient: Array) -> float:
    """Return -<x, t> / (|x| |t|), and write its slopes cos x / |x|^2 - t / (|x| |t|)."""
    square = overlap = target_square = 0.0
    for i in range(x.shape[0]):
        square += float(x[i]) * float(x[i])
        overlap += float(x[i]) * float(t[i])
        target_square += float(t[i]) * float(t[i])
    if square == 0:
        square = 1.0
    scale = 1 / math.sqrt(square * target_square)
    kind = x.dtype.type
    along, toward = kind(overlap * scale / square), kind(scale)
    for i in range(x.shape[0]):
        gradient[i] = along * x[i] - toward * t[i]
    return -overlap * scale


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def _squared_error(x: Array, t: Array, gradient: Array) -> float:
    """Return mean((x / max x - t / max t)^2), and write its slopes, that of the maximum included."""
    n, kind = x.shape[0], x.dtype.type
    highest, target_highest = x[0], t[0]
    for i in range(n):
        highest, target_highest = max(highest, x[i]), max(target_highest, t[i])
    one = kind(1)
    scale, target_scale = (one / highest if highest > 0 else one), one / target_highest
    total = along = 0.0
    for i in range(n):
        # Not a number, which a maximum may pass over, is met here.
        difference = scale * x[i] - target_scale * t[i]
        total += float(difference) * float(difference)
        along += float(difference) * float(x[i])
        gradient[i] = kind(2 / n) * scale * difference
    if highest > 0:
        for i in range(n):
            if x[i] == highest:
                gradient[i] -= kind(2 / n * along) * scale * scale
                break
    return total / n


def _logarithms(values: Array) -> None:
    """Replace numbers by their logarithms; compiled only, by `_logarithms_of`."""
    raise NotImplementedError


@overload(_logarithms)
def _logarithms_of(values: Array) -> Callable[[Array], None]:
    """Return the loop for natural logarithms of positive normal numbers, in place: it vectorises, the library's do not.

    A number is 2^e m with m from sqrt(1/2) to sqrt(2), and ln m = 2 artanh(s) with s = (m - 1) / (m + 1), |s| < 0.172.
    The series in s is cut below 2e-9 (float32) or 2e-17 (float64).
    """
    single = values.dtype == types.float32
    whole, fraction_bits, one_bits = (np.int32, 23, 0x3F800000) if single else (np.int64, 52, 0x3FF0000000000000)
    # Adding this to the bits makes the exponent count from sqrt(1/2).
    root_bits = int(np.array(math.sqrt(0.5), np.float32 if single else np.float64).view(whole))
    shift, fraction, root = whole(fraction_bits), whole((1 << fraction_bits) - 1), whole(root_bits)
    lift, bias = whole(one_bits - root_bits), whole(one_bits >> fraction_bits)
    kind = np.float32 if single else np.float64
    terms = np.array([2 / (2 * k + 1) for k in range(4 if single else 10, -1, -1)], kind)
    count, one, ln_two = len(terms), kind(1), kind(math.log(2))

    def loop(values: Array) -> None:
        bits = values.view(whole)
        for i in range(values.shape[0]):
            lifted = bits[i] + lift
            exponent = (lifted >> shift) - bias
            bits[i] = (lifted & fraction) + root
            m = values[i]
            s = (m - one) / (m + one)
            square = s * s
            series = terms[0]
            for k in range(1, count):
                series = series * square + terms[k]
            values[i] = kind(exponent) * ln_two + s * series

    return loop


def _tiny(values: Array) -> float:
    """Return the smallest normal number of the precision; compiled only, by `_tiny_of`."""
    raise NotImplementedError


@overload(_tiny)
def _tiny_of(values: Array) -> Callable[[Array], np.floating[Any]]:
    """Return what gives the smallest normal number of the precision."""
    smallest = np.finfo(np.float32 if values.dtype == types.float32 else np.float64).tiny

    def constant(values: Array) -> np.floating[Any]:
        return smallest

    return constant


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def _entropy(x: Array, t: Array, gradient: Array) -> float:
    """Return -1 + (sum p ln(p / m) + sum q ln(q / m)) / ln 4 with p = x / sum x, q = t / sum t, m = (p + q) / 2.

    Its slope in p is ln(p / m) / ln 4.
    """
    n, kind = x.shape[0], x.dtype.type
    total = target_total = 0.0
    for i in range(n):
        total += float(x[i])
        target_total += float(t[i])
    if total == 0:
        gradient[:] = 0
        return 0.0
    p_scale, q_scale, tiny, two = kind(1 / total), kind(1 / target_total), _tiny(x), kind(2)
    known = np.empty_like(x)
    for i in range(n):
        p, q = max(p_scale * x[i], tiny), max(q_scale * t[i], tiny)
        twice = two / (p + q)
        gradient[i], known[i] = twice * p, twice * q
    _logarithms(gradient)
    _logarithms(known)
    mean = rest = 0.0
    for i in range(n):
        mean += float(p_scale * x[i] * gradient[i])
        rest += float(q_scale * t[i] * known[i])
    along, scale = kind(mean), kind(1 / (math.log(4.0) * total))
    for i in range(n):
        gradient[i] = (gradient[i] - along) * scale
    return (mean + rest) / math.log(4.0) - 1


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def _correlation(x: Array, t: Array, largest: float, narrowest: float, gradient: Array) -> float:
    """Return -max over s of sum_i x_i t_(i - s) / (|x| |t|), and write its slopes at the best shift."""
    n, kind, shift = x.shape[0], x.dtype.type, best_shift(x, t, largest, narrowest)
    first, last = max(0, shift), min(n, n + shift)
    square = overlap = target_square = 0.0
    for i in range(n):
        square += float(x[i]) * float(x[i])
        target_square += float(t[i]) * float(t[i])
    shared, moved = x[first:last], t[first - shift : last - shift]
    for i in range(shared.shape[0]):
        overlap += float(shared[i]) * float(moved[i])
    if square == 0:
        square = 1.0
    scale = 1 / math.sqrt(square * target_square)
    along, toward = kind(overlap * scale / square), kind(scale)
    for i in range(n):
        gradient[i] = along * x[i]
    slopes = gradient[first:last]
    for i in range(slopes.shape[0]):
        slopes[i] -= toward * moved[i]
    return -overlap * scale


@njit(nogil=True)
def loss_of(compared: Comparison, x: Array, gradient: Array) -> float:
    """Return the loss of a pattern against the target, and write its slopes."""
    measure, t = compared.measure, compared.target
    if measure == COSINE:
        return _cosine(x, t, gradient)
    if measure == SQUARED_ERROR:
        return _squared_error(x, t, gradient)
    if measure == ENTROPY:
        return _entropy(x, t, gradient)
    return _correlation(x, t, compared.largest_shift, compared.narrowest, gradient)


@njit(nogil=True)
def is_free(begun: Array, b: int) -> bool:
    """Return whether no thread has begun sample b; from now on one has.

    So a thread that is done takes over what slower ones have not begun. Two may find the same sample free at the same
    moment: both then compute it, and write the same result.
    """
    if begun[b]:
        return False
    begun[b] = 1
    return True


@kept()
def losses(
    first: int,
    last: int,
    compared: Comparison,
    lattice: Exact,
    lists: Lists,
    simulator: SimulatorConstants,
    results: Results,
) -> None:
    """Write losses and gradients [B, 6] of samples `first` to `last` with these cells [B, 6] against one target."""
    sampling, layout, optics = simulator.sampling, simulator.layout, simulator.optics
    n, kind = layout.ramp.shape[0], lists.real.dtype
    pattern, gradient = np.empty((1, n), kind), np.empty((1, n), kind)
    for b in range(first, last):
        # Without the padding at the end of a list, so that no sample depends on the longest one's.
        count = np.sum(lists.multiplicity[b] > 0) * optics.share.shape[0]
        slopes = np.empty((1, 3, count))
        peaks = PeakArrays(np.empty((1, count)), np.empty((1, count), kind), np.empty((1, count), kind))
        d_peaks = PeakArrays(np.empty((1, count)), np.empty((1, count), kind), np.empty((1, count), kind))
        cell, hkl, d_cell = lattice[b : b + 1], lists.hkl[b : b + 1], results.gradient[b : b + 1]
        alone = Lists(hkl, lists.multiplicity[b : b + 1], lists.real[b : b + 1], lists.imaginary[b : b + 1])
        lattice_kernel.forward(0, 1, cell, alone, simulator, peaks, slopes)
        peaks_kernel.forward(0, 1, peaks, sampling, layout, pattern)
        results.loss[b] = loss_of(compared, pattern[0], gradient[0])
        peaks_kernel.backward(0, 1, peaks, sampling, layout, gradient, d_peaks)
        lattice_kernel.backward(0, 1, cell, hkl, optics, slopes, d_peaks, d_cell)


def losses_over(
    bounds: Array,
    compared: Comparison,
    lattice: Exact,
    lists: Lists,
    simulator: SimulatorConstants,
    results: Results,
) -> None:
    """Run `losses` on several threads, each of which begins at its own bound."""
    # A parallel loop takes no tuple of tuples.
    _losses_over(
        bounds, compared, lattice, lists, results,
        simulator.form_factors, simulator.optics, simulator.width, simulator.sampling, simulator.layout,
    )  # fmt: skip


@kept(parallel=True)
def _losses_over(
    bounds: Array,
    compared: Comparison,
    lattice: Exact,
    lists: Lists,
    results: Results,
    form_factors: FormFactors,
    optics: Optics,
    width: WidthConstants,
    sampling: Sampling,
    layout: Layout,
) -> None:
    batch = results.loss.shape[0]
    begun = np.zeros(batch, np.uint8)
    for i in prange(bounds.shape[0] - 1):
        for k in range(batch):
            b = (bounds[i] + k) % batch
            if is_free(begun, b):
                simulator = SimulatorConstants(form_factors, optics, width, sampling, layout)
                losses(b, b + 1, compared, lattice, lists, simulator, results)
