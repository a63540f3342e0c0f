"""Two-parameter slices through the landscape of an objective or of the energy; descents inside them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np
import pandas as pd
import torch
from pymatgen.core import Structure
from torch import Tensor

from xrdscape.crystal.cell import closes
from xrdscape.crystal.families import Family, project
from xrdscape.crystal.structures import from_tensors, to_tensors
from xrdscape.diffraction.instrument import Instrument
from xrdscape.diffraction.pattern import Simulator
from xrdscape.errors import CellError
from xrdscape.optimisation.descent import Descent, Schedule, Stage, constant
from xrdscape.optimisation.energy import energies
from xrdscape.optimisation.loop import run_descent
from xrdscape.optimisation.objectives import OBJECTIVES, Objective
from xrdscape.optimisation.parameters import LatticeParameters
from xrdscape.patterns.pattern import Pattern

ParameterName = Literal["a", "b", "c", "alpha", "beta", "gamma"]
PARAMETER_NAMES: tuple[ParameterName, ...] = get_args(ParameterName)
LENGTHS = PARAMETER_NAMES[:3]
SYMBOLS: Mapping[ParameterName, str] = MappingProxyType(dict(zip(PARAMETER_NAMES, "abcαβγ", strict=True)))
"""Symbols of the lattice parameters in tables."""
BATCH = 128
"""Patterns simulated at a time; a batch of this size stays below 100 MB."""


@dataclass(frozen=True)
class Slice:
    """A function of two lattice parameters, the other four at their reference values.

    Args:
        structure_name: reduced formula of the reference structure.
        x_name, y_name: two of `PARAMETER_NAMES`.
        x, y: their values, [nx] and [ny]; angstrom or degrees.
        value: [ny, nx]; NaN where the parameters close no cell.
        reference: (x, y) of the reference structure.
        label: what `value` is, with its unit.
    """

    structure_name: str
    x_name: ParameterName
    y_name: ParameterName
    x: np.ndarray
    y: np.ndarray
    value: np.ndarray
    reference: tuple[float, float]
    label: str

    @property
    def name(self) -> str:
        """Symbols of the two parameters: "a, γ"."""
        return f"{SYMBOLS[self.x_name]}, {SYMBOLS[self.y_name]}"

    @property
    def steps(self) -> tuple[float, float]:
        """Spacings of the grid along x and y."""
        return float(self.x[1] - self.x[0]), float(self.y[1] - self.y[0])


def coarser(landscape: Slice) -> Slice:
    """Return the slice on a grid of twice the spacing: every second value along each axis, the reference among them."""
    columns, rows = (slice(len(axis) // 2 % 2, None, 2) for axis in (landscape.x, landscape.y))
    return replace(landscape, x=landscape.x[columns], y=landscape.y[rows], value=landscape.value[rows, columns])


def _index(name: ParameterName) -> int:
    if name not in PARAMETER_NAMES:
        raise CellError(f"Unknown lattice parameter {name!r}. Use one of: {', '.join(PARAMETER_NAMES)}.")
    return PARAMETER_NAMES.index(name)


def _axis(reference: float, name: ParameterName, n: int, length_span: float, angle_span_deg: float) -> np.ndarray:
    """Return the values around the reference's; an odd number of them, so that the reference is one."""
    half = length_span * reference if _index(name) < 3 else angle_span_deg
    return reference + half * np.linspace(-1, 1, n + 1 - n % 2)


def _tabulated(
    structure: Structure,
    names: tuple[ParameterName, ParameterName],
    spans: tuple[int, float, float],
    values_at: Callable[[np.ndarray, np.ndarray], np.ndarray],
    label: str,
) -> Slice:
    """Return the slice of a function of points (x, y) [P], which takes its axes from the crystal and the spans."""
    reference = [structure.lattice.parameters[_index(name)] for name in names]
    axes = [_axis(value, name, *spans) for value, name in zip(reference, names, strict=True)]
    grid_x, grid_y = np.meshgrid(*axes)
    value = values_at(grid_x.ravel(), grid_y.ravel()).reshape(grid_x.shape)
    formula = structure.composition.reduced_formula
    return Slice(formula, *names, axes[0], axes[1], value, (reference[0], reference[1]), label)


def _at_cells(
    structure: Structure,
    names: tuple[ParameterName, ParameterName],
    x: np.ndarray,
    y: np.ndarray,
    function: Callable[[Tensor, Tensor], np.ndarray],
) -> np.ndarray:
    """Return `function(lattice [P, 6], frac_coords [1, N, 3]) -> [P]` at the cells that close, NaN at the others."""
    i, j = moving_pair(*names)
    lattice, frac_coords = to_tensors([structure])
    cells = lattice.repeat(len(x), 1)
    cells[:, i], cells[:, j] = torch.from_numpy(x), torch.from_numpy(y)
    good = closes(cells)
    value = np.full(len(x), np.nan)
    value[good.numpy()] = function(cells[good], frac_coords)
    return value


def loss_at(
    structure: Structure,
    x_name: ParameterName,
    y_name: ParameterName,
    x: np.ndarray,
    y: np.ndarray,
    objective: Objective = OBJECTIVES["cosine"],
    instrument: Instrument | None = None,
) -> np.ndarray:
    """Return the loss between the reference pattern and those of distorted cells, one for each point (x, y) [P].

    Args:
        structure: the reference structure.
        x_name, y_name: two of `PARAMETER_NAMES`.
        x, y: their values, angstrom or degrees.
    """
    simulator = Simulator(structure, instrument, hkl_max=objective.hkl_max)
    target = simulator(*to_tensors([structure]))[0]

    def loss(cells: Tensor, frac_coords: Tensor) -> np.ndarray:
        parts = [
            objective.loss(simulator(part, frac_coords.expand(len(part), -1, -1)), target)
            for part in cells.split(BATCH)
        ]
        return torch.cat(parts).numpy()

    return _at_cells(structure, (x_name, y_name), x, y, loss)


def energy_at(
    structure: Structure, x_name: ParameterName, y_name: ParameterName, x: np.ndarray, y: np.ndarray
) -> np.ndarray:
    """Return the CHGNet energy per atom (eV) of distorted cells, one for each point; arguments as `loss_at`."""

    def energy(cells: Tensor, frac_coords: Tensor) -> np.ndarray:
        return energies([from_tensors(structure, cell, frac_coords[0]) for cell in cells])

    return _at_cells(structure, (x_name, y_name), x, y, energy)


def xrd_slice(
    structure: Structure,
    x_name: ParameterName,
    y_name: ParameterName,
    objective: Objective = OBJECTIVES["cosine"],
    n: int = 61,
    length_span: float = 0.15,
    angle_span_deg: float = 15.0,
    instrument: Instrument | None = None,
) -> Slice:
    """Return the loss between the reference pattern and those of distorted cells, over two lattice parameters.

    Args:
        structure: the reference structure.
        x_name, y_name: two of `PARAMETER_NAMES`.
        n: values an axis; one more where even, so that the reference lies on the grid.
        length_span, angle_span_deg: half the range, as a fraction of a length and in degrees.
    """
    values_at = partial(loss_at, structure, x_name, y_name, objective=objective, instrument=instrument)
    spans = n, length_span, angle_span_deg
    return _tabulated(structure, (x_name, y_name), spans, values_at, f"{objective.label} loss")


def energy_slice(
    structure: Structure,
    x_name: ParameterName,
    y_name: ParameterName,
    n: int = 15,
    length_span: float = 0.15,
    angle_span_deg: float = 15.0,
) -> Slice:
    """Return the CHGNet energy per atom (eV) over two lattice parameters; arguments as `xrd_slice`."""
    values_at = partial(energy_at, structure, x_name, y_name)
    spans = n, length_span, angle_span_deg
    return _tabulated(structure, (x_name, y_name), spans, values_at, "CHGNet energy (eV/atom)")


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
    x_name: ParameterName,
    y_name: ParameterName,
    start: tuple[float, float],
    schedule: Schedule,
    family: Family | None = None,
    objective: Objective = OBJECTIVES["cosine"],
    record_every: int = 1,
    instrument: Instrument | None = None,
) -> pd.DataFrame:
    """Return the path of a gradient descent in two lattice parameters, the other four at their reference values.

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


def moving_pair(x_name: ParameterName, y_name: ParameterName) -> tuple[int, int]:
    """Return the places of two different lattice parameters in `PARAMETER_NAMES`."""
    if x_name == y_name:
        raise CellError(f"A slice needs two different parameters. Received {x_name!r} twice.")
    return _index(x_name), _index(y_name)


def path_of(
    descent: Descent, parameters: SliceParameters, lattice: Tensor, start: tuple[float, float], record_every: int = 1
) -> pd.DataFrame:
    """Return the path of any descent in two lattice parameters, as `slice_descent` gives it.

    Args:
        descent: what is descended.
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
    structure: Structure,
    x_name: ParameterName,
    y_name: ParameterName,
    x: float,
    y: float,
    instrument: Instrument | None = None,
) -> Pattern:
    """Return the pattern of the crystal at one point of a slice."""
    lattice, frac_coords = to_tensors([structure])
    lattice[0, _index(x_name)], lattice[0, _index(y_name)] = x, y
    simulator = Simulator(structure, instrument)
    return Pattern(simulator.two_theta_deg.numpy(), simulator(lattice, frac_coords)[0].numpy())
