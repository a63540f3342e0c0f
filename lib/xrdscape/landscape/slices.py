"""Two-parameter slices through the landscape of an objective or of the energy; descents inside them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from pymatgen.core import Structure
from torch import Tensor

from xrdscape.crystal.cell import closes
from xrdscape.crystal.families import Family, project
from xrdscape.crystal.structures import from_tensors, to_tensors
from xrdscape.diffraction.pattern import Pattern, Simulator
from xrdscape.diffraction.instrument import Instrument
from xrdscape.errors import CellError, DescentError
from xrdscape.optimisation.descent import Descent, Schedule, Stage, constant
from xrdscape.optimisation.energy import energies
from xrdscape.optimisation.loop import run_descent
from xrdscape.optimisation.objectives import OBJECTIVES, Objective
from xrdscape.optimisation.parameters import LatticeParameters

PARAMETER_NAMES = ("a", "b", "c", "alpha", "beta", "gamma")
# How they are written in tables.
SYMBOLS = dict(zip(PARAMETER_NAMES, "abcαβγ", strict=True))
# Patterns simulated at a time; a batch of this size stays below 100 MB.
BATCH = 128


@dataclass(frozen=True)
class Slice:
    """A function of two lattice parameters, the other four at their true values.

    Args:
        structure_name: reduced formula of the true crystal.
        x_name, y_name: two of `PARAMETER_NAMES`.
        x, y: their values, [nx] and [ny]; angstrom or degrees.
        value: [ny, nx]; NaN where the parameters close no cell.
        truth: the true (x, y).
        label: what `value` is, with its unit.
    """

    structure_name: str
    x_name: str
    y_name: str
    x: np.ndarray
    y: np.ndarray
    value: np.ndarray
    reference: tuple[float, float]
    label: str


def coarser(landscape: Slice) -> Slice:
    """Every second value along each axis, the truth among them: the slice on a grid of twice the spacing."""
    columns, rows = (slice(len(axis) // 2 % 2, None, 2) for axis in (landscape.x, landscape.y))
    return replace(landscape, x=landscape.x[columns], y=landscape.y[rows], value=landscape.value[rows, columns])


def spacing_text(slices: Iterable[Slice]) -> str:
    """The spacing of the grids of some slices of one crystal, parameter by parameter."""
    steps = {
        name: float(axis[1] - axis[0])
        for landscape in slices
        for name, axis in ((landscape.x_name, landscape.x), (landscape.y_name, landscape.y))
    }
    ordered = sorted(steps, key=PARAMETER_NAMES.index)
    return ", ".join(f"{SYMBOLS[name]}\u00a0{steps[name]:.2g}{unit(name)}" for name in ordered)


def unit(name: str) -> str:
    """What follows the number of a lattice parameter: a space and ångström, or the sign of a degree."""
    return "\u00a0Å" if _index(name) < 3 else "°"


def _index(name: str) -> int:
    if name not in PARAMETER_NAMES:
        raise CellError(f"Unknown lattice parameter {name!r}. Use one of: {', '.join(PARAMETER_NAMES)}.")
    return PARAMETER_NAMES.index(name)


def _axis(reference: float, name: str, n: int, length_span: float, angle_span_deg: float) -> np.ndarray:
    """Values around the truth; an odd number of them, so that the truth is one."""
    half = length_span * reference if _index(name) < 3 else angle_span_deg
    return reference + half * np.linspace(-1, 1, n + 1 - n % 2)


def _evaluate(
    structure: Structure,
    names: tuple[str, str],
    axes: tuple[np.ndarray, np.ndarray],
    function: Callable[[Tensor, Tensor], np.ndarray],
    label: str,
) -> Slice:
    """Tabulate `function(lattice [P, 6], frac_coords [1, N, 3]) -> [P]` over the cells of a slice that close."""
    if names[0] == names[1]:
        raise CellError(f"A slice needs two different parameters. Received {names[0]!r} twice.")
    lattice, frac_coords = to_tensors([structure])
    i, j = map(_index, names)
    reference = (float(lattice[0, i]), float(lattice[0, j]))
    grid_x, grid_y = np.meshgrid(*axes)
    cells = lattice.repeat(grid_x.size, 1)
    cells[:, i] = torch.from_numpy(grid_x.ravel())
    cells[:, j] = torch.from_numpy(grid_y.ravel())
    good = closes(cells)
    value = np.full(grid_x.size, np.nan)
    value[good.numpy()] = function(cells[good], frac_coords)
    return Slice(structure.composition.reduced_formula, *names, *axes, value.reshape(grid_x.shape), reference, label)


def xrd_slice(
    structure: Structure,
    x_name: str,
    y_name: str,
    objective: Objective = OBJECTIVES["cosine"],
    n: int = 61,
    length_span: float = 0.15,
    angle_span_deg: float = 15.0,
    instrument: Instrument | None = None,
) -> Slice:
    """Loss between the true pattern and those of distorted cells, over two lattice parameters.

    Args:
        structure: the true crystal.
        x_name, y_name: two of `PARAMETER_NAMES`.
        n: values an axis; one more where even, so that the truth lies on the grid.
        length_span, angle_span_deg: half the range, as a fraction of a length and in degrees.
    """
    simulator = Simulator(structure, instrument, hkl_max=objective.hkl_max)
    target = simulator(*to_tensors([structure]))[0]

    def loss(cells: Tensor, frac_coords: Tensor) -> np.ndarray:
        parts = [
            objective.loss(simulator(part, frac_coords.expand(len(part), -1, -1)), target)
            for part in cells.split(BATCH)
        ]
        return torch.cat(parts).numpy()

    lattice = structure.lattice.parameters
    axes = (
        _axis(lattice[_index(x_name)], x_name, n, length_span, angle_span_deg),
        _axis(lattice[_index(y_name)], y_name, n, length_span, angle_span_deg),
    )
    return _evaluate(structure, (x_name, y_name), axes, loss, f"{objective.label} loss")


def energy_slice(
    structure: Structure,
    x_name: str,
    y_name: str,
    n: int = 15,
    length_span: float = 0.15,
    angle_span_deg: float = 15.0,
) -> Slice:
    """CHGNet energy per atom (eV) over two lattice parameters, coordinates fixed; arguments as `xrd_slice`."""

    def energy(cells: Tensor, frac_coords: Tensor) -> np.ndarray:
        return energies([from_tensors(structure, cell, frac_coords[0]) for cell in cells])

    lattice = structure.lattice.parameters
    axes = (
        _axis(lattice[_index(x_name)], x_name, n, length_span, angle_span_deg),
        _axis(lattice[_index(y_name)], y_name, n, length_span, angle_span_deg),
    )
    return _evaluate(structure, (x_name, y_name), axes, energy, "CHGNet energy (eV/atom)")


@dataclass(frozen=True)
class SliceParameters(LatticeParameters):
    """Lattice parameters of which only two move; the projection acts on these two alone.

    Two lengths that the family makes equal become their mean; an angle that it fixes takes its value; all else stays.
    """

    moving: tuple[int, int] = (0, 1)

    def limit(self, parameters: Tensor, move: Tensor) -> Tensor:
        mask = torch.zeros_like(move)
        mask[:, list(self.moving)] = 1
        return super().limit(parameters, move * mask)

    def project(self, parameters: Tensor) -> Tensor:
        if self.family is None:
            return parameters
        i, j = self.moving
        full = project(parameters, self.family)
        projected = parameters.clone()
        if max(i, j) < 3 and torch.equal(full[:, i], full[:, j]):
            projected[:, i] = projected[:, j] = (parameters[:, i] + parameters[:, j]) / 2
        for k in self.moving:
            if k >= 3:
                projected[:, k] = full[:, k]
        return projected

    def select(self, keep: Tensor) -> "SliceParameters":
        return replace(self, frac_coords=self.frac_coords[keep])


def slice_descent(
    structure: Structure,
    x_name: str,
    y_name: str,
    start: tuple[float, float],
    schedule: Schedule,
    family: Family | None = None,
    objective: Objective = OBJECTIVES["cosine"],
    record_every: int = 1,
    instrument: Instrument | None = None,
) -> pd.DataFrame:
    """Gradient descent in two lattice parameters, the other four at their true values.

    Args:
        start: the first (x, y).
        schedule: learning rate, number of steps and stopping rule.
        family: crystal family to project onto at the start and after each step.

    Returns:
        DataFrame step, x, y, loss.
    """
    simulator = Simulator(structure, instrument, hkl_max=objective.hkl_max)
    lattice, frac_coords = to_tensors([structure])
    descent = Descent(constant(Stage(simulator, simulator(lattice, frac_coords)[0])), objective, schedule)
    parameters = SliceParameters(frac_coords, family, moving=moving_pair(x_name, y_name))
    return path_of(descent, parameters, lattice, start, record_every)


def moving_pair(x_name: str, y_name: str) -> tuple[int, int]:
    """Places of two different lattice parameters in `PARAMETER_NAMES`."""
    if x_name == y_name:
        raise DescentError(f"A slice needs two different parameters. Received {x_name!r} twice.")
    return _index(x_name), _index(y_name)


def path_of(
    descent: Descent, parameters: SliceParameters, lattice: Tensor, start: tuple[float, float], record_every: int = 1
) -> pd.DataFrame:
    """A descent as `slice_descent` gives it, of any problem.

    Args:
        problem: what is descended.
        parameters: which two move, and the coordinates.
        lattice: [1, 6]; four of them stay.
        start: the first values of the two.
    """
    moving, first = parameters.moving, lattice.clone()
    first[0, list(moving)] = torch.tensor(start, dtype=lattice.dtype)
    path = run_descent(descent, parameters, first, parameters.frac_coords, record_every).trajectory
    assert path is not None
    return pd.DataFrame(
        {
            "step": path.steps.numpy(),
            "x": path.parameters[:, 0, moving[0]].numpy(),
            "y": path.parameters[:, 0, moving[1]].numpy(),
            "loss": path.loss[:, 0].numpy(),
        }
    )


def slice_pattern(
    structure: Structure, x_name: str, y_name: str, x: float, y: float, instrument: Instrument | None = None
) -> Pattern:
    """Pattern of the crystal at one point of a slice."""
    lattice, frac_coords = to_tensors([structure])
    lattice[0, _index(x_name)], lattice[0, _index(y_name)] = x, y
    simulator = Simulator(structure, instrument)
    return Pattern(simulator.two_theta_deg.numpy(), simulator(lattice, frac_coords)[0].numpy())
