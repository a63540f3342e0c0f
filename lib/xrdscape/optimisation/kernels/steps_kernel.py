"""Many steps of a descent at once, sample by sample, compiled: of the cell, or of the atoms in a cell that stays.

A step is that of `descent.step`, which defines it; the tests hold the one against the other. Here nothing is left of it
but its arithmetic: for a small cell the bookkeeping of one step, operation by operation, takes longer than its pattern.
"""

import math

import numpy as np
from numba import njit, prange

from xrdscape.diffraction.kernels.arguments import (
    Array,
    Exact,
    FormFactors,
    Layout,
    Lists,
    Optics,
    Sampling,
    SimulatorConstants,
    SiteReflections,
    WidthConstants,
)
from xrdscape.diffraction.kernels.lattice_kernel import reciprocal_metric
from xrdscape.optimisation.kernels import fixed_kernel
from xrdscape.optimisation.kernels.arguments import (
    Bands,
    CellLimits,
    Comparison,
    DescentArrays,
    Moments,
    Results,
    Steps,
)
from xrdscape.optimisation.kernels.loss_kernel import losses
from xrdscape.runtime.compiled import kept


@njit(nogil=True)
def _note(b: int, steps: Steps, state: DescentArrays, total: float) -> None:
    """Keep the best of sample b and test it for convergence, as `stopping.tested`; `total` tells whether loss and
    slopes are finite."""
    loss, best_loss, mark, status, at = state.loss, state.best_loss, state.mark, state.status, state.done[b]
    if not math.isfinite(total):
        status[b] = steps.not_finite
    elif loss[b] < best_loss[b]:
        best_loss[b] = loss[b]
        state.best_parameters[b] = state.parameters[b]
    if at == steps.start:
        mark[b] = best_loss[b]
    elif at % steps.check_every == 0:
        tolerance = state.parameters.dtype.type(steps.tolerance)
        if status[b] == steps.running and mark[b] - best_loss[b] < tolerance:
            status[b] = steps.converged
        mark[b] = best_loss[b]


@njit(nogil=True)
def _in_reach(frame: Exact, direct: Exact, largest: float) -> bool:
    """Return whether a cell with this metric is within the reach of its list; `reflections.in_reach`."""
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
def _moved(parameters: Array, slopes: Exact, steps: Steps, projector: Exact, moved: Array) -> None:
    """Write where plain gradient descent goes; `parameters.LatticeParameters.limit` and `.project`.

    Both limits on a move are relative to the parameter.
    """
    kind, free = parameters.dtype.type, np.empty_like(parameters)
    for i in range(6):
        move, size = kind(-steps.rate) * kind(slopes[i]), abs(parameters[i])
        if abs(move) > kind(steps.largest_move) * size:
            move = math.copysign(kind(steps.clamped_move) * size, move)
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
def _possible(parameters: Array, flattest: float, largest_volume: float) -> bool:
    """Return whether parameters are a crystal's; `parameters.LatticeParameters.possible`."""
    for i in range(6):
        if not (parameters[i] > 0 and (i < 3 or parameters[i] < 180)):
            return False
    squares, product = 0.0, 1.0
    for i in range(3, 6):
        cosine = math.cos(float(parameters[i]) * (math.pi / 180))
        squares, product = squares + cosine * cosine, product * cosine
    relative = math.sqrt(max(0.0, 1 - squares + 2 * product))
    volume = relative * float(parameters[0]) * float(parameters[1]) * float(parameters[2])
    return relative > flattest and volume < largest_volume


@kept()
def move_cells(
    first: int,
    last: int,
    steps: Steps,
    limits: CellLimits,
    state: DescentArrays,
    compared: Comparison,
    lists: Lists,
    simulator: SimulatorConstants,
) -> None:
    """Take samples `first` to `last` to a step of the descent, or until they stop or leave their lists' reach."""
    parameters, status, done = state.parameters, state.status, state.done
    cells, results = np.empty((last, 6)), Results(np.empty(last), np.empty((last, 6)))
    direct, inverse, moved = np.empty((3, 3)), np.empty((3, 3)), np.empty_like(parameters[0])
    for b in range(first, last):
        while done[b] < steps.until and status[b] == steps.running:
            for i in range(6):
                cells[b, i] = parameters[b, i]
            reciprocal_metric(cells[b], direct, inverse)
            if not _in_reach(limits.frame[b], direct, limits.reach):
                break
            losses(b, b + 1, compared, cells, lists, simulator, results)
            state.loss[b] = results.loss[b]
            total = float(state.loss[b])
            for i in range(6):
                total += results.gradient[b, i]
            _note(b, steps, state, total)
            if status[b] == steps.running:
                _moved(parameters[b], results.gradient[b], steps, limits.projector, moved)
                if _possible(moved, limits.flattest, limits.largest_volume):
                    parameters[b] = moved
                else:
                    status[b] = steps.impossible
            done[b] += 1


def move_cells_over(
    bounds: Array,
    steps: Steps,
    limits: CellLimits,
    state: DescentArrays,
    compared: Comparison,
    lists: Lists,
    simulator: SimulatorConstants,
) -> None:
    """Run `move_cells` from each of the bounds to the next."""
    # A parallel loop takes no tuple of tuples.
    _move_cells_over(
        bounds, steps, limits, state, compared, lists,
        simulator.form_factors, simulator.optics, simulator.width, simulator.sampling, simulator.layout,
    )  # fmt: skip


@kept(parallel=True)
def _move_cells_over(
    bounds: Array,
    steps: Steps,
    limits: CellLimits,
    state: DescentArrays,
    compared: Comparison,
    lists: Lists,
    form_factors: FormFactors,
    optics: Optics,
    width: WidthConstants,
    sampling: Sampling,
    layout: Layout,
) -> None:
    for i in prange(bounds.shape[0] - 1):
        simulator = SimulatorConstants(form_factors, optics, width, sampling, layout)
        move_cells(bounds[i], bounds[i + 1], steps, limits, state, compared, lists, simulator)


@njit(nogil=True)
def _displaced(places: Array, slopes: Array, steps: Steps, moved: Array) -> bool:
    """Write where plain gradient descent goes, and return whether all of it is finite;
    `parameters.CoordinateParameters`.

    The largest move is absolute, the move in place of a larger one relative to the coordinate.
    """
    kind, finite = places.dtype.type, True
    for n in range(places.shape[0]):
        for i in range(3):
            move = kind(-steps.rate) * slopes[n, i]
            if abs(move) > kind(steps.largest_move):
                move = math.copysign(kind(steps.clamped_move) * abs(places[n, i]), move)
            moved[n, i] = places[n, i] + move
            finite = finite and math.isfinite(moved[n, i])
    return finite


@kept()
def move_sites(
    first: int,
    last: int,
    steps: Steps,
    state: DescentArrays,
    compared: Comparison,
    reflections: SiteReflections,
    moments: Moments,
    bands: Bands,
) -> None:
    """Take samples `first` to `last` to a step of the descent, or until they stop."""
    parameters, status, done = state.parameters, state.status, state.done
    results, moved = Results(np.empty(last), np.empty_like(parameters[:last])), np.empty_like(parameters[0])
    for b in range(first, last):
        while done[b] < steps.until and status[b] == steps.running:
            fixed_kernel.losses(b, b + 1, compared, parameters, reflections, moments, bands, results)
            state.loss[b] = results.loss[b]
            total = float(state.loss[b])
            for n in range(moved.shape[0]):
                for i in range(3):
                    total += results.gradient[b, n, i]
            _note(b, steps, state, total)
            if status[b] == steps.running:
                if _displaced(parameters[b], results.gradient[b], steps, moved):
                    parameters[b] = moved
                else:
                    status[b] = steps.impossible
            done[b] += 1


@kept(parallel=True)
def move_sites_over(
    bounds: Array,
    steps: Steps,
    state: DescentArrays,
    compared: Comparison,
    reflections: SiteReflections,
    moments: Moments,
    bands: Bands,
) -> None:
    """Run `move_sites` from each of the bounds to the next."""
    for i in prange(bounds.shape[0] - 1):
        move_sites(bounds[i], bounds[i + 1], steps, state, compared, reflections, moments, bands)
