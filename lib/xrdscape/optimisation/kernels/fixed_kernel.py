"""From fractional coordinates to a loss and back in one sweep while the cell stays, compiled.

A line's profile is constant then, up to its intensity. It is kept as what `peaks_kernel` makes of it: values at the
points around it, at the nodes of segments nearby and at those of blocks far away, each as a band without the zeros on
either side. So a line costs a multiplication for each of these, and a pattern stays in the processor's cache.
"""

import math

import numpy as np
from numba import njit, prange

from xrdscape.diffraction.kernels import sites_kernel
from xrdscape.diffraction.kernels.peaks_kernel import FAST, collect, spread
from xrdscape.optimisation.kernels.loss_kernel import is_free, loss_of
from xrdscape.optimisation.objectives import COSINE, SQUARED_ERROR
from xrdscape.runtime.compiled import kept


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def _add(bands, first, line, scale, values):  # type: ignore[no-untyped-def]
    band, part = bands[line], values[first[line] : first[line] + bands.shape[1]]
    for i in range(band.shape[0]):
        part[i] += scale * band[i]


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def _product(bands, first, line, values):  # type: ignore[no-untyped-def]
    band, part = bands[line], values[first[line] : first[line] + bands.shape[1]]
    total = bands.dtype.type(0)
    for i in range(band.shape[0]):
        total += band[i] * part[i]
    return total


@njit(nogil=True)
def _pattern(intensity, first_point, near, first_node, fine, coarse, to_points, to_segments, scratch, pattern):  # type: ignore[no-untyped-def]
    """The pattern [n] of lines of these intensities; `scratch` holds the values at both kinds of nodes."""
    at_segments, at_blocks = scratch
    pattern[:], at_segments[:], at_blocks[:] = 0, 0, 0
    nowhere, kind = np.zeros_like(first_point), near.dtype.type
    for line in range(intensity.shape[0]):
        value = kind(intensity[line])
        _add(near, first_point, line, value, pattern)
        _add(fine, first_node, line, value, at_segments)
        _add(coarse, nowhere, line, value, at_blocks)
    spread(to_segments, at_blocks, at_segments)
    spread(to_points, at_segments, pattern)


@njit(nogil=True)
def _line_slopes(gradient, first_point, near, first_node, fine, coarse, to_points, to_segments, scratch, slopes):  # type: ignore[no-untyped-def]
    """The adjoint of `_pattern`: slopes in the intensities from those in the pattern."""
    at_segments, at_blocks = scratch
    collect(to_points, gradient, at_segments)
    collect(to_segments, at_segments, at_blocks)
    nowhere = np.zeros_like(first_point)
    for line in range(slopes.shape[0]):
        slopes[line] = (
            _product(near, first_point, line, gradient)
            + _product(fine, first_node, line, at_segments)
            + _product(coarse, nowhere, line, at_blocks)
        )


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def _loss_of_moments(measure, intensity, gram, projection, highest, target_moments, n, slopes):  # type: ignore[no-untyped-def]
    """The loss of the pattern x = I P of n points, and its slopes in I, without x.

    `gram` is P P^T, `projection` P t, `highest` the column of P where x is highest, which the squared error alone looks
    at; `target_moments` are <t, t> and max t.
    """
    target_square, target_highest = target_moments
    along = np.zeros_like(intensity)
    for line in range(intensity.shape[0]):
        value, row = intensity[line], gram[line]
        for k in range(row.shape[0]):
            along[k] += value * row[k]
    square, overlap = np.sum(along * intensity), np.sum(projection * intensity)
    if measure == COSINE:
        if square == 0:
            square = 1.0
        scale = 1 / math.sqrt(square * target_square)
        slopes[:] = along * (overlap * scale / square) - projection * scale
        return -overlap * scale
    peak = np.sum(highest * intensity)
    scale, target_scale = (1 / peak if peak > 0 else 1.0), 1 / target_highest
    square, overlap = square * scale * scale, overlap * scale * target_scale
    slopes[:] = along * (2 / n * scale * scale) - projection * (2 / n * scale * target_scale)
    if peak > 0:
        slopes -= highest * (2 / n * scale * (square - overlap))
    return (square - 2 * overlap + target_square * target_scale**2) / n


@kept()
def losses(  # type: ignore[no-untyped-def]
    first, last, measure, frac_coords, hkl, weight, strength, line, gram, projection, columns, target_moments,
    target, search, first_point, near, first_node, fine, coarse, to_points, to_segments, loss, d_frac_coords,
):  # fmt: skip
    """Losses [B] of samples `first` to `last` with atoms at [B, N, 3] against one target, and their gradients.

    Args:
        measure: one of `similarity`'s twins. Cosine and squared error are found from moments.
        hkl, weight, strength, line: as `sites_kernel.forward` takes them.
        gram, projection, target_moments: as in `_loss_of_moments`; `columns` [n, lines] are the profiles' columns.
        target, search: as `loss_kernel.loss_of` takes them.
        first_point, near, first_node, fine, coarse: the profiles, one line a row.
        to_points, to_segments: of `peaks_kernel.Layout`.
    """
    n, count, lines = target.shape[0], line.shape[0], near.shape[0]
    pattern, gradient = np.empty(n, near.dtype), np.empty(n, near.dtype)
    parts, factor = np.empty((1, weight.shape[0], 2, count), weight.dtype), np.empty((1, 2, count), weight.dtype)
    intensity, slopes = np.empty((1, lines)), np.empty((1, lines))
    of_segments = to_segments.shape[1]
    blocks = coarse.shape[1] // to_segments.shape[0]
    scratch = np.empty(blocks * of_segments, near.dtype), np.empty(coarse.shape[1], near.dtype)
    for b in range(first, last):
        places, d_places = frac_coords[b : b + 1], d_frac_coords[b : b + 1]
        sites_kernel.forward(0, 1, places, hkl, weight, strength, line, parts, factor, intensity)
        if measure != COSINE:
            _pattern(
                intensity[0], first_point, near, first_node, fine, coarse, to_points, to_segments, scratch, pattern
            )
        if measure in (COSINE, SQUARED_ERROR):
            highest = projection if measure == COSINE else columns[np.argmax(pattern)]
            loss[b] = _loss_of_moments(measure, intensity[0], gram, projection, highest, target_moments, n, slopes[0])
        else:
            loss[b] = loss_of(measure, pattern, target, search, gradient)
            _line_slopes(
                gradient, first_point, near, first_node, fine, coarse, to_points, to_segments, scratch, slopes[0]
            )
        sites_kernel.backward(0, 1, slopes, hkl, strength, line, parts, factor, d_places)


@kept(parallel=True)
def losses_over(  # type: ignore[no-untyped-def]
    bounds, measure, frac_coords, hkl, weight, strength, line, gram, projection, columns, target_moments,
    target, search, first_point, near, first_node, fine, coarse, to_points, to_segments, loss, d_frac_coords,
):  # fmt: skip
    """`losses` on several threads, each of which begins at its own bound."""
    batch = loss.shape[0]
    begun = np.zeros(batch, np.uint8)
    for i in prange(bounds.shape[0] - 1):
        for k in range(batch):
            b = (bounds[i] + k) % batch
            if is_free(begun, b):
                losses(
                    b, b + 1, measure, frac_coords, hkl, weight, strength, line, gram, projection, columns,
                    target_moments, target, search, first_point, near, first_node, fine, coarse, to_points,
                    to_segments, loss, d_frac_coords,
                )  # fmt: skip
