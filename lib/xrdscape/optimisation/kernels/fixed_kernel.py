"""The sweep from fractional coordinates to a loss and back while the cell stays, compiled.

The profile of a group of coinciding reflections is constant then, up to its intensity. It is kept as what
`peaks_kernel` makes of it (`Bands`): values at the points around it, at the nodes of segments nearby and at those of
blocks far away, without the zeros on either side. So a group costs a multiplication for each of these, and a pattern
stays in the processor's cache.
"""

import math

import numpy as np
from numba import njit, prange

from xrdscape.diffraction.kernels import sites_kernel
from xrdscape.diffraction.kernels.arguments import Array, Exact, SiteReflections
from xrdscape.diffraction.kernels.peaks_kernel import FAST, collect, spread
from xrdscape.optimisation.kernels.arguments import Bands, Comparison, Moments, Results
from xrdscape.optimisation.kernels.loss_kernel import is_free, loss_of
from xrdscape.optimisation.objectives import COSINE, SQUARED_ERROR
from xrdscape.runtime.compiled import kept


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def _add(bands: Array, first: Array, group: int, scale: float, values: Array) -> None:
    """Add a band, scaled, to the values from its first place on."""
    band, part = bands[group], values[first[group] : first[group] + bands.shape[1]]
    for i in range(band.shape[0]):
        part[i] += scale * band[i]


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def _product(bands: Array, first: Array, group: int, values: Array) -> float:
    """Return the scalar product of a band and the values from its first place on."""
    band, part = bands[group], values[first[group] : first[group] + bands.shape[1]]
    total = bands.dtype.type(0)
    for i in range(band.shape[0]):
        total += band[i] * part[i]
    return total


@njit(nogil=True)
def _pattern(intensity: Exact, bands: Bands, at_segments: Array, at_blocks: Array, pattern: Array) -> None:
    """Write the pattern [n] of groups of these intensities, and the values at both kinds of nodes on the way."""
    pattern[:], at_segments[:], at_blocks[:] = 0, 0, 0
    first_point, near, first_node, fine, coarse, to_points, to_segments = bands
    nowhere, kind = np.zeros_like(first_point), near.dtype.type
    for group in range(intensity.shape[0]):
        value = kind(intensity[group])
        _add(near, first_point, group, value, pattern)
        _add(fine, first_node, group, value, at_segments)
        _add(coarse, nowhere, group, value, at_blocks)
    spread(to_segments, at_blocks, at_segments)
    spread(to_points, at_segments, pattern)


@njit(nogil=True)
def _intensity_slopes(gradient: Array, bands: Bands, at_segments: Array, at_blocks: Array, slopes: Exact) -> None:
    """Write the adjoint of `_pattern`: slopes in the intensities from those in the pattern."""
    first_point, near, first_node, fine, coarse, to_points, to_segments = bands
    collect(to_points, gradient, at_segments)
    collect(to_segments, at_segments, at_blocks)
    nowhere = np.zeros_like(first_point)
    for group in range(slopes.shape[0]):
        slopes[group] = (
            _product(near, first_point, group, gradient)
            + _product(fine, first_node, group, at_segments)
            + _product(coarse, nowhere, group, at_blocks)
        )


@njit(nogil=True, fastmath=FAST, error_model="numpy")
def _loss_of_moments(measure: int, intensity: Exact, moments: Moments, highest: Exact, n: int, slopes: Exact) -> float:
    """Return the loss of the pattern x = I P of n points, and write its slopes in I, without x.

    `highest` is the column of P where x is highest, which the squared error alone looks at.
    """
    gram, projection = moments.gram, moments.projection
    target_square, target_highest = moments.target_square, moments.target_highest
    along = np.zeros_like(intensity)
    for group in range(intensity.shape[0]):
        value, row = intensity[group], gram[group]
        for k in range(row.shape[0]):
            along[k] += value * row[k]
    square, overlap = np.sum(along * intensity), np.sum(projection * intensity)
    if measure == COSINE:
        if square == 0:
            square += 1.0
        scale = 1 / math.sqrt(square * target_square)
        slopes[:] = along * (overlap * scale / square) - projection * scale
        return -overlap * scale
    peak = np.sum(highest * intensity)
    share, target_scale = (1 / peak if peak > 0 else 1.0), 1 / target_highest
    square, overlap = square * share * share, overlap * share * target_scale
    slopes[:] = along * (2 / n * share * share) - projection * (2 / n * share * target_scale)
    if peak > 0:
        slopes -= highest * (2 / n * share * (square - overlap))
    return (square - 2 * overlap + target_square * target_scale**2) / n


@kept()
def losses(
    first: int,
    last: int,
    compared: Comparison,
    frac_coords: Array,
    reflections: SiteReflections,
    moments: Moments,
    bands: Bands,
    results: Results,
) -> None:
    """Write losses and gradients [B, N, 3] of samples `first` to `last` with atoms at [B, N, 3] against one target.

    Cosine and squared error are found from moments.
    """
    measure, n = compared.measure, compared.target.shape[0]
    weight, count, groups = reflections.weight, reflections.group.shape[0], bands.near.shape[0]
    kind = bands.near.dtype
    pattern, gradient = np.empty(n, kind), np.empty(n, kind)
    parts, factor = np.empty((1, weight.shape[0], 2, count), weight.dtype), np.empty((1, 2, count), weight.dtype)
    intensity, slopes = np.empty((1, groups)), np.empty((1, groups))
    blocks = bands.coarse.shape[1] // bands.to_segments.shape[0]
    at_segments, at_blocks = np.empty(blocks * bands.to_segments.shape[1], kind), np.empty(bands.coarse.shape[1], kind)
    for b in range(first, last):
        places, d_places = frac_coords[b : b + 1], results.gradient[b : b + 1]
        sites_kernel.forward(0, 1, places, reflections, parts, factor, intensity)
        if measure != COSINE:
            _pattern(intensity[0], bands, at_segments, at_blocks, pattern)
        if measure in (COSINE, SQUARED_ERROR):
            highest = moments.projection if measure == COSINE else moments.columns[np.argmax(pattern)]
            results.loss[b] = _loss_of_moments(measure, intensity[0], moments, highest, n, slopes[0])
        else:
            results.loss[b] = loss_of(compared, pattern, gradient)
            _intensity_slopes(gradient, bands, at_segments, at_blocks, slopes[0])
        sites_kernel.backward(0, 1, slopes, reflections, parts, factor, d_places)


@kept(parallel=True)
def losses_over(
    bounds: Array,
    compared: Comparison,
    frac_coords: Array,
    reflections: SiteReflections,
    moments: Moments,
    bands: Bands,
    results: Results,
) -> None:
    """Run `losses` on several threads, each of which begins at its own bound."""
    batch = results.loss.shape[0]
    begun = np.zeros(batch, np.uint8)
    for i in prange(bounds.shape[0] - 1):
        for k in range(batch):
            b = (bounds[i] + k) % batch
            if is_free(begun, b):
                losses(b, b + 1, compared, frac_coords, reflections, moments, bands, results)
