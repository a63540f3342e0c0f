"""Many steps of a descent at once, where they can be compiled; the same as `descent.step` again and again.

Samples go on alone: one whose cell leaves the reach of its reflection list waits for a new list while the others
finish, so that what becomes of a sample does not depend on its company.
"""

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xrdscape.crystal.families import Family, project
from xrdscape.diffraction.pattern import compiles, instrument_constants
from xrdscape.diffraction.peaks import peak_constants
from xrdscape.diffraction.reflections import RADIUS_SLACK, joined
from xrdscape.optimisation.descent import REACH, Descent, State
from xrdscape.optimisation.kernels import steps_kernel
from xrdscape.optimisation.moving_cell import search_constants
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

# Steps at once, all samples together: some tenths of a second, after which a run may be saved or interrupted.
STEPS_TOGETHER = 2000
_CODES = (RUNNING, CONVERGED, NOT_FINITE, IMPOSSIBLE)

_Timed = tuple[int, int, int, float, float]
"""Last step and first, steps between tests for convergence, tolerance, learning rate."""
_Arrays = dict[str, NDArray[Any]]
_Places = NDArray[np.int64]


def steps_at_once(descent: Descent, state: State, most: int) -> int:
    """How many of the next steps `fused_steps` can take, at most `most`: 0 or 1 where they must be taken singly."""
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
    """So many steps of those that `steps_at_once` allows."""
    kept = {
        name: getattr(state, name).numpy().copy()
        for name in ("parameters", "loss", "best_loss", "best_parameters", "mark", "status")
    }
    done, schedule, until = np.full(len(state.index), state.step), descent.schedule, state.step + steps
    timed = until, 0, schedule.check_every, schedule.tolerance, schedule.learning_rate
    moving = isinstance(state.parameterisation, LatticeParameters)
    lists = (_move_cells if moving else _move_sites)(descent, state, timed, kept, done)
    changed = {name: torch.from_numpy(value) for name, value in kept.items()}
    steps_taken = state.steps + torch.from_numpy(done - state.step)
    return replace(state, step=until, steps=steps_taken, **lists, **changed)  # type: ignore[arg-type]


def _move_sites(
    descent: Descent, state: State, timed: _Timed, kept: _Arrays, done: NDArray[np.int64]
) -> dict[str, Any]:
    parameterisation = state.parameterisation
    assert isinstance(parameterisation, CoordinateParameters)
    assert state.fixed is not None
    assert state.fixed.compiled is not None
    measure, constants, reflections = state.fixed.compiled
    clamp = (COORDINATE_LARGEST_MOVE, COORDINATE_CLAMPED_MOVE) if parameterisation.clamp else (np.inf, 0.0)
    over_samples(
        *(
            steps_kernel.move_sites,
            steps_kernel.move_sites_over,
            len(done),
            reflections * (timed[0] - state.step),
        ),
        *(*timed, clamp, _CODES, *kept.values(), done),
        *(measure, *constants, np.empty(len(done)), np.empty_like(kept["parameters"])),
    )
    return {}


def _move_cells(
    descent: Descent, state: State, timed: _Timed, kept: _Arrays, done: NDArray[np.int64]
) -> dict[str, Any]:
    """Also the lists of the cells: where one leaves the reach of its own, that is made anew."""
    parameterisation, stage, until = state.parameterisation, state.stage, timed[0]
    assert isinstance(parameterisation, LatticeParameters)
    assert state.geometrical is not None
    simulator = stage.simulator
    clamp = (LATTICE_LARGEST_MOVE, LATTICE_CLAMPED_MOVE) if parameterisation.clamp else (np.inf, 0.0)
    batch = len(done)
    exact = np.empty((batch, 6)), np.empty(batch), np.empty((batch, 6))
    reflections, geometrical = state.reflections, state.geometrical
    while True:
        lists = reflections.hkl, reflections.multiplicity, *geometrical
        over_samples(
            *(
                steps_kernel.move_cells,
                steps_kernel.move_cells_over,
                batch,
                reflections.hkl.shape[1] * (until - state.step),
            ),
            *(*timed, clamp),
            *((FLATTEST_UNIT_VOLUME, LARGEST_VOLUME_ANGSTROM3), _CODES, _projector(parameterisation.family)),
            *(reflections.frame.numpy(), reflections.reach**2 * (1 + RADIUS_SLACK), *kept.values(), done),
            *(descent.objective.kernel_id, stage.target.to(simulator.dtype).contiguous().numpy()),
            *(search_constants(descent.objective, simulator.instrument), exact[0]),
            *(t.contiguous().numpy() for t in (*lists, *simulator.form_factor_table)),
            *(instrument_constants(simulator.instrument), *peak_constants(simulator.instrument, simulator.dtype)),
            *exact[1:],
        )
        behind = torch.from_numpy((done < until) & (kept["status"] == RUNNING))
        if not bool(behind.any()):
            return {"reflections": reflections, "geometrical": geometrical}
        cells = torch.from_numpy(kept["parameters"])[behind]
        fresh = simulator.reflections(cells, REACH, allow_empty=True)
        own = simulator.geometrical(fresh, parameterisation.frac_coords[behind])
        reflections, geometrical = joined(behind, (reflections, geometrical), (fresh, own))


@lru_cache
def _projector(family: Family | None) -> np.ndarray:
    """The projection onto a crystal family as a matrix, its constant part last [6, 7]; empty for none."""
    if family is None:
        return np.empty((0, 7))
    constant: Tensor = project(torch.zeros(6, dtype=torch.float64), family)
    columns = project(torch.eye(6, dtype=torch.float64), family) - constant
    return torch.cat([columns.T, constant[:, None]], 1).contiguous().numpy()
