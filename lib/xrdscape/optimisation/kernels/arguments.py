"""Arguments of the compiled loops of descents: the comparison with a target, results, and a descent under way."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xrdscape.diffraction.kernels.arguments import Array, Exact


class Comparison(NamedTuple):
    """The target of a comparison and its kind: the kernel id of an objective, the target [n], and for the search of
    the cross-correlation its largest shift and the least FWHM of a peak, in steps of the grid."""

    measure: int
    target: Array
    largest_shift: float
    narrowest: float


class Results(NamedTuple):
    """Losses [B] and their gradients [B, ...] in what moves."""

    loss: Exact
    gradient: Array


class Moments(NamedTuple):
    """The moments that a loss needs of profiles P [groups, n] and a target t instead of the pattern I P.

    `gram` is P P^T, `projection` P t, `columns` [n, groups] P^T (for the squared error alone, which asks where a
    pattern is highest); then <t, t> and max t.
    """

    gram: Exact
    projection: Exact
    columns: Exact
    target_square: float
    target_highest: float


class Bands(NamedTuple):
    """The profiles of groups as what `peaks_kernel` makes of them, one group a row: values at the points around it and
    at the nodes of segments, each as a band that begins at a first place, and at the nodes of all blocks; with the
    matrices that carry nodes to points."""

    first_point: NDArray[np.int64]
    near: Array
    first_node: NDArray[np.int64]
    fine: Array
    coarse: Array
    to_points: Array
    to_segments: Array


class Steps(NamedTuple):
    """The course of a descent: the step to reach, the one at which it began, steps between two tests for convergence,
    its tolerance, the learning rate, the largest move and the move in place of a larger one (relative where the limit
    is); and the codes of a sample's status."""

    until: int
    start: int
    check_every: int
    tolerance: float
    rate: float
    largest_move: float
    clamped_move: float
    running: int
    converged: int
    not_finite: int
    impossible: int


class CellLimits(NamedTuple):
    """The limits of a cell: the projection onto its family as a matrix [6, 7], its constant part last (no row for
    none), flattest unit volume and largest volume, and the reach of its reflection list (`reflections.in_reach`)."""

    projector: Exact
    flattest: float
    largest_volume: float
    frame: Exact
    reach: float


class DescentArrays(NamedTuple):
    """The state of a descent, changed in place: parameters [B, ...], loss and best loss [B], best parameters, the mark
    of the last test for convergence, status, and the step that each sample is at [B]."""

    parameters: Array
    loss: Array
    best_loss: Array
    best_parameters: Array
    mark: Array
    status: NDArray[np.int64]
    done: NDArray[np.int64]
