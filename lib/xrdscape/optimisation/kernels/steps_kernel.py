"""Many steps of a descent at once, sample by sample, compiled: of the cell, or of the atoms in a cell that stays.

A step is that of `descent.step`, which defines it; the tests hold the one against the other. Here nothing is left of it
but its arithmetic: for a small cell the bookkeeping of one step, operation by operation, takes longer than its pattern.
"""

import math

import numpy as np
from numba import njit, prange

from xrdscape.diffraction.kernels.lattice_kernel import reciprocal_metric
from xrdscape.optimisation.kernels import fixed_kernel
from xrdscape.optimisation.kernels.loss_kernel import losses
from xrdscape.runtime.compiled import kept


@njit(nogil=True)
def _note(  # type: ignore[no-untyped-def]
    b, at, start, check_every, tolerance, codes, total, parameters, loss, best_loss, best_parameters, mark, status
):
    """Keep the best of sample b and test it for convergence, at step `at`; `total` tells whether all is finite."""
    running, converged, not_finite, _ = codes
    if not math.isfinite(total):
        status[b] = not_finite
    elif loss[b] < best_loss[b]:
        best_loss[b] = loss[b]
        best_parameters[b] = parameters[b]
    if at == start:
        mark[b] = best_loss[b]
    elif at % check_every == 0:
        if status[b] == running and mark[b] - best_loss[b] < parameters.dtype.type(tolerance):
            status[b] = converged
        mark[b] = best_loss[b]


@njit(nogil=True)
def _in_reach(frame, direct, largest):  # type: ignore[no-untyped-def]
    """Whether a cell with this metric is within the reach of its list; `reflections.in_reach`."""
    strain = 0.0
    for i in range(3):
        for j in range(3):
            relative = -1.0 if i == j else 0.0
            for k in range(3):
                for l in range(3):  # noqa: E741
                    relative += frame[i, k] * direct[k, l] * frame[j, l]
            strain += relative * relative
    return 1 + math.sqrt(strain) <= largest


@njit(nogil=True)
def _moved(parameters, slopes, rate, clamp, projector, moved):  # type: ignore[no-untyped-def]
    """Where plain gradient descent goes; `parameterisation.LatticeParameters.limit` and `.project`.

    `clamp` holds the largest move and the move instead of a larger one, relative to the parameter; `projector` [6, 7]
    the projection, its constant part last, or no row at all.
    """
    kind, free = parameters.dtype.type, np.empty_like(parameters)
    for i in range(6):
        move, size = kind(-rate) * kind(slopes[i]), abs(parameters[i])
        if abs(move) > kind(clamp[0]) * size:
            move = math.copysign(kind(clamp[1]) * size, move)
        free[i] = parameters[i] + move
    if projector.shape[0] == 0:
        moved[:] = free
        return
    for i in range(6):
        total = projector[i, 6]
        for j in range(6):
            total += projector[i, j] * float(free[j])
        moved[i] = total


@njit(nogil=True)
def _possible(parameters, limits):  # type: ignore[no-untyped-def]
    """Whether parameters are a crystal's; `parameterisation.LatticeParameters.possible`."""
    for i in range(6):
        if not (parameters[i] > 0 and (i < 3 or parameters[i] < 180)):
            return False
    squares, product = 0.0, 1.0
    for i in range(3, 6):
        cosine = math.cos(float(parameters[i]) * (math.pi / 180))
        squares, product = squares + cosine * cosine, product * cosine
    relative = math.sqrt(max(0.0, 1 - squares + 2 * product))
    volume = relative * float(parameters[0]) * float(parameters[1]) * float(parameters[2])
    return relative > limits[0] and volume < limits[1]


@kept()
def move_cells(  # type: ignore[no-untyped-def]
    first, last, until, start, check_every, tolerance, rate, clamp, limits, codes, projector, frame, reach,
    parameters, loss, best_loss, best_parameters, mark, status, done,
    measure, target, search, cells, hkl, multiplicity, real, imaginary, z, decay, coefficient,
    instrument, profile, ramp, nodes, to_points, to_segments, losses_exact, slopes,
):  # fmt: skip
    """Take samples `first` to `last` to step `until` of the descent, or until they stop or leave their lists' reach.

    Args:
        start: the step at which the descent began, where the first mark is set.
        check_every, tolerance, rate: the schedule.
        clamp, projector: of `_moved`.
        limits: flattest unit volume and largest volume of a crystal.
        codes: of the states running, converged, not finite, impossible.
        frame, reach: of the lists; `reflections.in_reach`.
        parameters, ..., status: the state of the descent, changed in place; `done` is the step that each sample is at.
        measure, ..., slopes: as `loss_kernel.losses` takes them; `cells` are the parameters in float64.
    """
    running, _, _, impossible = codes
    direct, inverse, moved = np.empty((3, 3)), np.empty((3, 3)), np.empty_like(parameters[0])
    for b in range(first, last):
        while done[b] < until and status[b] == running:
            for i in range(6):
                cells[b, i] = parameters[b, i]
            reciprocal_metric(cells[b], direct, inverse)
            if not _in_reach(frame[b], direct, reach):
                break
            losses(
                b, b + 1, measure, target, search, cells, hkl, multiplicity, real, imaginary, z, decay, coefficient,
                instrument, profile, ramp, nodes, to_points, to_segments, losses_exact, slopes,
            )  # fmt: skip
            loss[b] = losses_exact[b]
            total = float(loss[b])
            for i in range(6):
                total += slopes[b, i]
            _note(
                *(b, done[b], start, check_every, tolerance, codes, total),
                *(parameters, loss, best_loss, best_parameters, mark, status),
            )
            if status[b] == running:
                _moved(parameters[b], slopes[b], rate, clamp, projector, moved)
                if _possible(moved, limits):
                    parameters[b] = moved
                else:
                    status[b] = impossible
            done[b] += 1


@kept(parallel=True)
def move_cells_over(  # type: ignore[no-untyped-def]
    bounds, until, start, check_every, tolerance, rate, clamp, limits, codes, projector, frame, reach,
    parameters, loss, best_loss, best_parameters, mark, status, done,
    measure, target, search, cells, hkl, multiplicity, real, imaginary, z, decay, coefficient,
    instrument, profile, ramp, nodes, to_points, to_segments, losses_exact, slopes,
):  # fmt: skip
    """`move_cells` from each of the bounds to the next."""
    for i in prange(bounds.shape[0] - 1):
        move_cells(
            bounds[i], bounds[i + 1], until, start, check_every, tolerance, rate, clamp, limits, codes, projector,
            frame, reach, parameters, loss, best_loss, best_parameters, mark, status, done,
            measure, target, search, cells, hkl, multiplicity, real, imaginary, z, decay, coefficient,
            instrument, profile, ramp, nodes, to_points, to_segments, losses_exact, slopes,
        )  # fmt: skip


@njit(nogil=True)
def _displaced(places, slopes, rate, clamp, moved):  # type: ignore[no-untyped-def]
    """Where plain gradient descent goes, and whether all of it is finite; `parameterisation.CoordinateParameters`.

    `clamp` holds the largest move, and the move instead of a larger one relative to the coordinate.
    """
    kind, finite = places.dtype.type, True
    for n in range(places.shape[0]):
        for i in range(3):
            move = kind(-rate) * slopes[n, i]
            if abs(move) > kind(clamp[0]):
                move = math.copysign(kind(clamp[1]) * abs(places[n, i]), move)
            moved[n, i] = places[n, i] + move
            finite = finite and math.isfinite(moved[n, i])
    return finite


@kept()
def move_sites(  # type: ignore[no-untyped-def]
    first, last, until, start, check_every, tolerance, rate, clamp, codes,
    parameters, loss, best_loss, best_parameters, mark, status, done,
    measure, hkl, weight, strength, line, gram, projection, columns, target_moments, target, search,
    first_point, near, first_node, fine, coarse, to_points, to_segments, losses_exact, slopes,
):  # fmt: skip
    """Take samples `first` to `last` to step `until` of the descent, or until they stop.

    Args:
        start, ..., codes, parameters, ..., done: as in `move_cells`.
        clamp: of `_displaced`.
        measure, ..., slopes: as `fixed_kernel.losses` takes them.
    """
    running, _, _, impossible = codes
    moved = np.empty_like(parameters[0])
    for b in range(first, last):
        while done[b] < until and status[b] == running:
            fixed_kernel.losses(
                b, b + 1, measure, parameters, hkl, weight, strength, line, gram, projection, columns, target_moments,
                target, search, first_point, near, first_node, fine, coarse, to_points, to_segments,
                losses_exact, slopes,
            )  # fmt: skip
            loss[b] = losses_exact[b]
            total = float(loss[b])
            for n in range(moved.shape[0]):
                for i in range(3):
                    total += slopes[b, n, i]
            _note(
                *(b, done[b], start, check_every, tolerance, codes, total),
                *(parameters, loss, best_loss, best_parameters, mark, status),
            )
            if status[b] == running:
                if _displaced(parameters[b], slopes[b], rate, clamp, moved):
                    parameters[b] = moved
                else:
                    status[b] = impossible
            done[b] += 1


@kept(parallel=True)
def move_sites_over(  # type: ignore[no-untyped-def]
    bounds, until, start, check_every, tolerance, rate, clamp, codes,
    parameters, loss, best_loss, best_parameters, mark, status, done,
    measure, hkl, weight, strength, line, gram, projection, columns, target_moments, target, search,
    first_point, near, first_node, fine, coarse, to_points, to_segments, losses_exact, slopes,
):  # fmt: skip
    """`move_sites` from each of the bounds to the next."""
    for i in prange(bounds.shape[0] - 1):
        move_sites(
            bounds[i], bounds[i + 1], until, start, check_every, tolerance, rate, clamp, codes,
            parameters, loss, best_loss, best_parameters, mark, status, done,
            measure, hkl, weight, strength, line, gram, projection, columns, target_moments, target, search,
            first_point, near, first_node, fine, coarse, to_points, to_segments, losses_exact, slopes,
        )  # fmt: skip
