"""Many steps of a descent at once, where they can be compiled; the same as `descent.step` again and again.

Samples go on alone: one whose cell leaves the reach of its reflection list waits for a new list while the others
finish, so that what becomes of a sample does not depend on its batch.
"""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xrdscape.crystal.families import Family, project
from xrdscape.diffraction.pattern import compiles
from xrdscape.diffraction.reflection_peaks import lists_of
from xrdscape.diffraction.reflections import RADIUS_SLACK, Reflections, joined
from xrdscape.diffraction.structure_factors import GeometricalFactors
from xrdscape.optimisation.descent import REACH, Descent, Schedule, State
from xrdscape.optimisation.kernels import steps_kernel
from xrdscape.optimisation.kernels.arguments import CellLimits, DescentArrays, Steps
from xrdscape.optimisation.moving_cell import comparison_of
from xrdscape.optimisation.parameters import (
    COORDINATE_CLAMPED_MOVE,
    COORDINATE_LARGEST_MOVE,
    FLATTEST_UNIT_VOLUME,
    LARGEST_VOLUME_ANGSTROM3,
    LATTICE_CLAMPED_MOVE,
    LATTICE_LARGEST_MOVE,
    CoordinateParameters,
    LatticeParameters,
)
from xrdscape.optimisation.rules import PLAIN
from xrdscape.optimisation.stopping import CONVERGED, IMPOSSIBLE, NOT_FINITE, RUNNING
from xrdscape.runtime.threads import over_samples

STEPS_TOGETHER = 2000
"""Steps at once, all samples together: some tenths of a second, after which a run may be saved or interrupted."""


def steps_at_once(descent: Descent, state: State, most: int) -> int:
    """Return how many of the next steps `fused_steps` can take, at most `most`: 0 or 1 where they must be taken singly."""
    stage = state.stage
    if descent.schedule.rule != PLAIN or stage.blur or stage.axis is not None or stage.weights is not None:
        return 0
    if type(state.parameterisation) is LatticeParameters:
        compiled = (
            descent.objective.kernel_id is not None
            and state.geometrical is not None
            and compiles(state.parameters, state.geometrical)
        )
    else:
        compiled = (
            type(state.parameterisation) is CoordinateParameters
            and state.fixed is not None
            and state.fixed.compiled is not None
        )
    if not compiled:
        return 0
    most = min(most, max(1, STEPS_TOGETHER // len(state.index)))
    return next((k for k in range(most) if descent.stage(state.step + k) is not state.stage), most)


def fused_steps(descent: Descent, state: State, steps: int) -> State:
    """Return the state after so many steps of those that `steps_at_once` allows."""
    arrays = DescentArrays(
        parameters=state.parameters.numpy().copy(),
        loss=state.loss.numpy().copy(),
        best_loss=state.best_loss.numpy().copy(),
        best_parameters=state.best_parameters.numpy().copy(),
        mark=state.mark.numpy().copy(),
        status=state.status.numpy().copy(),
        done=np.full(len(state.index), state.step),
    )
    reflections, geometrical = state.reflections, state.geometrical
    if isinstance(state.parameterisation, LatticeParameters):
        reflections, geometrical = _move_cells(descent, state, steps, arrays)
    else:
        _move_sites(descent, state, steps, arrays)
    return replace(
        state,
        step=state.step + steps,
        steps=state.steps + torch.from_numpy(arrays.done - state.step),
        reflections=reflections,
        geometrical=geometrical,
        parameters=torch.from_numpy(arrays.parameters),
        loss=torch.from_numpy(arrays.loss),
        best_loss=torch.from_numpy(arrays.best_loss),
        best_parameters=torch.from_numpy(arrays.best_parameters),
        mark=torch.from_numpy(arrays.mark),
        status=torch.from_numpy(arrays.status),
    )


def _steps(schedule: Schedule, until: int, clamp: tuple[float, float] | None) -> Steps:
    """Return how steps go up to one, with the largest move and the move in place of a larger one, if there is one."""
    largest_move, clamped_move = clamp or (np.inf, 0.0)
    return Steps(
        until=until,
        start=0,
        check_every=schedule.check_every,
        tolerance=schedule.tolerance,
        rate=schedule.learning_rate,
        largest_move=largest_move,
        clamped_move=clamped_move,
        running=RUNNING,
        converged=CONVERGED,
        not_finite=NOT_FINITE,
        impossible=IMPOSSIBLE,
    )


def _move_sites(descent: Descent, state: State, steps: int, arrays: DescentArrays) -> None:
    """Move atoms in a cell that stays."""
    assert isinstance(state.parameterisation, CoordinateParameters)
    assert state.fixed is not None
    assert state.fixed.compiled is not None
    fixed = state.fixed.compiled
    clamp = (COORDINATE_LARGEST_MOVE, COORDINATE_CLAMPED_MOVE) if state.parameterisation.clamp else None
    over_samples(
        steps_kernel.move_sites, steps_kernel.move_sites_over,
        len(arrays.done), len(fixed.reflections.group) * steps,
        _steps(descent.schedule, state.step + steps, clamp),
        arrays, fixed.compared, fixed.reflections, fixed.moments, fixed.bands,
    )  # fmt: skip


def _move_cells(
    descent: Descent, state: State, steps: int, arrays: DescentArrays
) -> tuple[Reflections, GeometricalFactors]:
    """Move cells, and return their lists: where a cell leaves the reach of its own, that is made anew."""
    parameterisation, simulator = state.parameterisation, state.stage.simulator
    assert isinstance(parameterisation, LatticeParameters)
    assert state.geometrical is not None
    clamp = (LATTICE_LARGEST_MOVE, LATTICE_CLAMPED_MOVE) if parameterisation.clamp else None
    taken = _steps(descent.schedule, state.step + steps, clamp)
    compared = comparison_of(descent.objective, simulator.instrument, state.stage.target.to(simulator.dtype))
    reflections, geometrical = state.reflections, state.geometrical
    while True:
        limits = CellLimits(
            projector=_projector(parameterisation.family),
            flattest=FLATTEST_UNIT_VOLUME,
            largest_volume=LARGEST_VOLUME_ANGSTROM3,
            frame=reflections.frame.numpy(),
            reach=reflections.reach**2 * (1 + RADIUS_SLACK),
        )
        over_samples(
            steps_kernel.move_cells, steps_kernel.move_cells_over,
            len(arrays.done), reflections.hkl.shape[1] * steps,
            taken, limits, arrays, compared, lists_of(reflections, geometrical), simulator.constants,
        )  # fmt: skip
        behind = torch.from_numpy((arrays.done < taken.until) & (arrays.status == RUNNING))
        if not bool(behind.any()):
            return reflections, geometrical
        cells = torch.from_numpy(arrays.parameters)[behind]
        fresh = simulator.reflections(cells, REACH, allow_empty=True)
        theirs = simulator.geometrical(fresh, parameterisation.frac_coords[behind])
        reflections, geometrical = joined(behind, (reflections, geometrical), (fresh, theirs))


@lru_cache
def _projector(family: Family | None) -> NDArray[np.float64]:
    """Return the projection onto a crystal family as a matrix, its constant part last [6, 7]; empty for none."""
    if family is None:
        return np.empty((0, 7))
    constant: Tensor = project(torch.zeros(6, dtype=torch.float64), family)
    columns = project(torch.eye(6, dtype=torch.float64), family) - constant
    return torch.cat([columns.T, constant[:, None]], 1).contiguous().numpy()
