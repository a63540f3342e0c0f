"""Landscapes under blurs of the patterns, and graduated descents across them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from pymatgen.core import Structure
from torch import Tensor

from xrdscape.crystal.structures import to_tensors
from xrdscape.diffraction.instrument import Instrument
from xrdscape.diffraction.pattern import Simulator
from xrdscape.errors import DescentError
from xrdscape.landscape.minima import prominent_minima
from xrdscape.landscape.slices import ParameterName, Slice, SliceParameters, moving_pair, path_of, xrd_slice
from xrdscape.optimisation.blur import blurred, half_width
from xrdscape.optimisation.descent import Descent, Schedule, Stage
from xrdscape.optimisation.graduated import Narrowing, narrowing_stages
from xrdscape.optimisation.objectives import OBJECTIVES, Objective
from xrdscape.optimisation.rules import Adam

COARSE = Instrument(step_deg=0.1, tabulation="electron")
"""Instrument of the maps here: a tenth of the points, where the narrowest peak still has three to its width."""


@dataclass(frozen=True)
class Smoothed:
    """A slice under a blur: full width at half maximum in degrees, 0 for none, and the slice."""

    width_deg: float
    landscape: Slice


def blurred_objective(objective: Objective, width_deg: float, step_deg: float) -> Objective:
    """Return the objective between two patterns that are both blurred first."""
    half = half_width(width_deg, step_deg)

    def loss(pattern: Tensor, target: Tensor) -> Tensor:
        return objective.loss(blurred(pattern, half), blurred(target, half))

    return replace(objective, loss=loss, kernel_id=None) if half else objective


def smoothed_slices(
    structure: Structure,
    x_name: ParameterName,
    y_name: ParameterName,
    widths_deg: Sequence[float],
    n: int = 61,
    length_span: float = 0.2,
    angle_span_deg: float = 15.0,
    objective: Objective = OBJECTIVES["cosine"],
) -> list[Smoothed]:
    """Return the slice under several blurs; the other arguments are those of `xrd_slice`.

    Args:
        widths_deg: full widths at half maximum of the blurs; 0 for none.
    """
    of_slice = n, length_span, angle_span_deg, COARSE
    losses = [blurred_objective(objective, width, COARSE.step_deg) for width in widths_deg]
    slices = [xrd_slice(structure, x_name, y_name, loss, *of_slice) for loss in losses]
    return [Smoothed(width, landscape) for width, landscape in zip(widths_deg, slices, strict=True)]


def smoothing_counts(smoothed: Sequence[Smoothed], smallest_share: float = 0.01) -> pd.DataFrame:
    """Return the number of false minima that are left under each blur.

    Args:
        smoothed: slices.
        smallest_share: minima count whose barrier is at least this part of their slice's range.

    Returns:
        DataFrame: width_deg, prominent (minima), basin (see `basin_share`).
    """
    return pd.DataFrame(
        [(s.width_deg, len(prominent_minima(s.landscape, smallest_share)), basin_share(s.landscape)) for s in smoothed],
        columns=["width_deg", "prominent", "basin"],
    )


def basin_share(landscape: Slice) -> float:
    """Return the share of the points of a slice from which going down leads to the reference or to a point beside it.

    The way always goes to the lowest of the eight neighbours. Where none is lower, it ends; points without a value do
    not count.
    """
    value = np.where(np.isnan(landscape.value), np.inf, landscape.value)
    rows, columns = value.shape
    padded = np.pad(value, 1, constant_values=np.inf)
    # Staying comes first: of equal values `argmin` takes the first, and on a plateau nothing leads down.
    moves = sorted(((i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)), key=any)
    around = np.stack([padded[1 + i : 1 + i + rows, 1 + j : 1 + j + columns] for i, j in moves])
    y, x = np.indices(value.shape) + np.moveaxis(np.array(moves)[around.argmin(0)], -1, 0)
    end = (y * columns + x).ravel()
    # From each point to where its next one leads, until nothing changes.
    while not np.array_equal(further := end[end], end):
        end = further
    goal_y, goal_x = rows // 2, columns // 2
    home = (np.abs(end // columns - goal_y) <= 1) & (np.abs(end % columns - goal_x) <= 1)
    return float(home[np.isfinite(value.ravel())].mean())


def graduated_path(
    structure: Structure,
    x_name: ParameterName,
    y_name: ParameterName,
    start: tuple[float, float],
    narrowing: Narrowing,
    objective: Objective = OBJECTIVES["cosine"],
) -> pd.DataFrame:
    """Return the path of a graduated descent in two lengths of the cell, its other parameters at their reference
    values.

    Args:
        x_name, y_name: two of "a", "b" and "c".
        start: the first (x, y).
        narrowing: of the blur; its rate, a strain, is taken of the reference's x for both.

    Returns:
        DataFrame step, x, y, loss, width_deg (of the blur at that step).

    Raises:
        DescentError: for an angle, which no strain moves.
    """
    moving = moving_pair(x_name, y_name)
    if max(moving) > 2:
        raise DescentError(
            f"A graduated path leads through two lengths: a, b or c. Received {x_name!r} and {y_name!r}."
        )
    simulator = Simulator(structure, hkl_max=objective.hkl_max)
    lattice, frac_coords = to_tensors([structure])
    stages = narrowing_stages(Stage(simulator, simulator(lattice, frac_coords)[0]), narrowing)
    steps = narrowing.all_steps
    schedule = Schedule(narrowing.rate * float(lattice[0, moving[0]]), steps, check_every=steps, rule=Adam())
    parameters = SliceParameters(frac_coords, clamp=False, moving=moving)
    path = path_of(Descent(stages, objective, schedule), parameters, lattice, start)
    widths = [*np.repeat(narrowing.widths_deg, narrowing.steps), *[0.0] * narrowing.last_steps]
    return path.assign(width_deg=np.array(widths)[path["step"]])
