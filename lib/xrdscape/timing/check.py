"""Errors of what is timed, held against the dense definition in float64: correct before fast."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from xrdscape.crystal.cell import reciprocal_metric
from xrdscape.crystal.distortion import LATTICE_LEVELS, generator
from xrdscape.crystal.structures import load_structure, to_tensors
from xrdscape.diffraction.pattern import Simulator
from xrdscape.diffraction.reflections import Reflections
from xrdscape.errors import RecordError
from xrdscape.optimisation.descent import Descent, State, evaluate
from xrdscape.optimisation.objectives import OBJECTIVES
from xrdscape.paths import REFERENCE_NAMES
from xrdscape.study.starts import start
from xrdscape.timing.measure import (
    Case,
    coordinate_descent,
    dense_patterns,
    engine_patterns,
    loss_and_gradient,
    loss_through,
)

BOUNDS = {
    ("float32", "pattern"): 3e-4,
    ("float32", "loss"): 3e-6,
    ("float32", "gradient"): 1e-4,
    ("float64", "pattern"): 1e-9,
    ("float64", "loss"): 1e-9,
    ("float64", "gradient"): 1e-9,
    ("coordinates", "loss"): 1e-6,
    ("coordinates", "gradient"): 1e-6,
}
"""Largest errors allowed by path and quantity: of a pattern relative to its maximum, of a loss absolute, of a gradient
relative to the largest component of that sample's."""
EDGE_DEG = 1e-4
"""Nearer than this to the edge of the range the two precisions may disagree on whether a reflection counts."""
REACH = 1.001
"""Reach of the lists: they hold what lies a little outside, so that a reflection at the edge is in both or neither."""
AT_A_TIME, PIECE = 2, 1500
"""Cells and angles at a time: the dense definition needs memory for every peak at every angle."""


@dataclass(frozen=True)
class Pair:
    """A batch of cells in both precisions: the same cells and target (rounded to float32), the same lists."""

    narrow: Case
    exact: Case
    level: float


def cell_pairs(crystal: str, count: int, seed: int = 0) -> Iterator[Pair]:
    """Yield random strained cells of a crystal, a few at a time, each batch at a random one of the paper's levels."""
    reference, order = load_structure(crystal), generator(crystal, "check", 0.0, 0, seed)
    for first in range(0, count, AT_A_TIME):
        level = float(order.choice(LATTICE_LEVELS))
        copies = range(first, min(first + AT_A_TIME, count))
        starts = [start(crystal, "lattice", level, copy, seed, reference) for copy in copies]
        lattice, sites = to_tensors(starts, dtype=torch.float32)
        exact = _case(crystal, Simulator(reference), lattice.double(), sites.double())
        lists = exact.reflections
        rounded = Reflections(lists.hkl.float(), lists.multiplicity.float(), lattice, lists.reach)
        yield Pair(_case(crystal, Simulator(reference, dtype=torch.float32), lattice, sites, rounded), exact, level)


def _case(
    crystal: str, simulator: Simulator, lattice: Tensor, sites: Tensor, reflections: Reflections | None = None
) -> Case:
    lists = simulator.reflections(lattice, REACH) if reflections is None else reflections
    # The reference structure rounded alike: its cell in float32 is another one, by 1e-5 of the maximum on a flank.
    cell, places = to_tensors([load_structure(crystal)], dtype=torch.float32)
    target = simulator(cell.to(simulator.dtype), places.to(simulator.dtype))[0]
    return Case(crystal, simulator, target, lattice, sites, lists, simulator.geometrical(lists, sites))


def lattice_errors(pair: Pair) -> pd.DataFrame:
    """Return the errors of the engine in both precisions, one row a cell and path.

    Returns:
        DataFrame: crystal, level, near_edge, path, pattern, loss, gradient (as in `BOUNDS`).
    """
    reference = loss_through(pair.exact, _dense)
    near = _near_edge(pair.exact)
    frames = []
    for path, case in (("float32", pair.narrow), ("float64", pair.exact)):
        loss, gradient = loss_and_gradient(case)
        errors = {
            "pattern": _relative(engine_patterns(case, case.lattice), reference.patterns).numpy(),
            "loss": (loss - reference.loss).abs().numpy(),
            "gradient": _relative(gradient, reference.gradient).numpy(),
        }
        key = {"crystal": pair.exact.crystal, "level": pair.level, "near_edge": near.numpy(), "path": path}
        frames.append(pd.DataFrame({**key, **errors}))
    return pd.concat(frames, ignore_index=True)


def _dense(case: Case, lattice: Tensor) -> Tensor:
    """Return the dense definition in pieces that stay in cache: the same numbers, sooner."""
    return dense_patterns(case, lattice, PIECE)


def _near_edge(case: Case) -> Tensor:
    """Return whether a reflection of each cell is so near to the end of the range that rounding decides on it."""
    hkl, instrument = case.reflections.hkl.double(), case.simulator.instrument
    length_squared = ((hkl @ reciprocal_metric(case.lattice.double())) * hkl).sum(-1)
    sine = (0.5 * instrument.wavelength_angstrom * length_squared.sqrt()).clamp(max=1.0)
    near = (2 * torch.rad2deg(torch.arcsin(sine)) - instrument.two_theta_max_deg).abs() < EDGE_DEG
    return (near & (case.reflections.multiplicity > 0)).any(-1)


def _relative(found: Tensor, expected: Tensor) -> Tensor:
    """Return the largest difference of each sample, relative to its largest component."""
    difference = (found.double() - expected).flatten(1).abs().amax(-1)
    return difference / expected.flatten(1).abs().amax(-1)


def coordinate_errors(crystal: str, count: int, seed: int = 0) -> pd.DataFrame:
    """Return the errors of the coordinate mode against the full path, both in float64, one row a sample and objective.

    Returns:
        DataFrame: crystal, level, near_edge, path ("coordinates"), objective, loss, gradient.
    """
    frames = []
    for objective in OBJECTIVES:
        descent, state = coordinate_descent(crystal, count, objective, torch.float64, seed)
        loss, gradient = evaluate(descent, state)
        full_loss, full_gradient = _full_path(descent, state)
        errors = {
            "loss": (loss - full_loss).abs().numpy(),
            "gradient": _relative(gradient, full_gradient).numpy(),
        }
        key = {"crystal": crystal, "level": np.nan, "near_edge": False, "path": "coordinates", "objective": objective}
        frames.append(pd.DataFrame({**key, **errors}))
    return pd.concat(frames, ignore_index=True)


def _full_path(descent: Descent, state: State) -> tuple[Tensor, Tensor]:
    """Return the loss and gradient of displaced atoms through the whole simulator."""
    parameters = state.parameters.detach().requires_grad_()
    simulator = state.stage.simulator
    lattice, frac_coords = state.parameterisation.crystal(parameters)
    patterns = simulator.patterns(lattice, state.reflections, simulator.geometrical(state.reflections, frac_coords))
    loss = descent.objective.loss(patterns, state.stage.target)
    (gradient,) = torch.autograd.grad(loss.sum(), parameters)
    return loss.detach(), gradient


def largest_errors(errors: pd.DataFrame) -> pd.DataFrame:
    """Return the largest errors beside their bounds; cells with a reflection at the edge count apart.

    Returns:
        DataFrame: path, quantity, cells, near_edge (cells set apart), largest, bound, near_edge_largest.
    """
    rows = []
    for (path, quantity), bound in BOUNDS.items():
        part = errors[errors["path"] == path]
        if part.empty:
            continue
        clear, edge = part[~part["near_edge"]][quantity], part[part["near_edge"]][quantity]
        rows.append((path, quantity, len(clear), len(edge), clear.max(), bound, edge.max()))
    columns = ["path", "quantity", "cells", "near_edge", "largest", "bound", "near_edge_largest"]
    return pd.DataFrame(rows, columns=columns)


def require_correct(table: pd.DataFrame) -> None:
    """Raise RecordError where an error is above its bound.

    Raises:
        RecordError: it names each quantity, its error and its bound.
    """
    bad = table[~(table["largest"] <= table["bound"])]
    if len(bad):
        listed = "; ".join(f"{r.path} {r.quantity} {r.largest:.1e} (allowed {r.bound:.0e})" for r in bad.itertuples())
        raise RecordError(f"The engine is not correct, so its speed means nothing: {listed}. Nothing was timed.")


def check_engine(cells: int, seed: int = 0, crystals: tuple[str, ...] = REFERENCE_NAMES) -> Iterator[pd.DataFrame]:
    """Yield the errors of the whole check, a few cells at a time, so that a caller can show progress.

    Args:
        cells: random strained cells in all, the same number of each crystal.
        seed: of the noise.
        crystals: which crystals.

    Yields:
        Rows of `lattice_errors` and `coordinate_errors`.
    """
    each = max(1, round(cells / len(crystals)))
    for crystal in crystals:
        for pair in cell_pairs(crystal, each, seed):
            yield lattice_errors(pair)
        yield coordinate_errors(crystal, 2 * AT_A_TIME, seed)


def check_crystal(crystal: str, cells: int, seed: int = 0) -> pd.DataFrame:
    """Return `largest_errors` of the whole check on a few cells of one crystal."""
    return largest_errors(pd.concat(check_engine(cells, seed, (crystal,)), ignore_index=True))
