"""Descents in the relief of slices: three within a slice, and where those in six parameters end on it."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from pymatgen.core import Structure

from xrdscape.crystal.families import detect_family
from xrdscape.landscape.minima import false_minima
from xrdscape.landscape.slices import LENGTHS, PARAMETER_NAMES, ParameterName, Slice, slice_descent
from xrdscape.optimisation.descent import Schedule
from xrdscape.study.columns import lattice, match

REACHED_LENGTH, REACHED_ANGLE_DEG = 0.005, 0.5
"""A path has reached the reference within the tight match's tolerances on lengths and angles."""
NEAR_LENGTH, NEAR_ANGLE_DEG = 0.01, 1.0
"""An end point counts as lying at a minimum within so much of each length, or of each angle."""


def three_descents(
    structure: Structure,
    x_name: ParameterName,
    y_name: ParameterName,
    start: tuple[float, float],
    schedule: Schedule,
    record_every: int = 5,
) -> dict[str, pd.DataFrame]:
    """Return the three descents of the paper's Figure 3 inside one slice: free, free from a projected start, and
    projected.

    Returns:
        Paths (step, x, y, loss) by label; the crystal family is the structure's own.
    """
    family = detect_family(structure)
    projected = slice_descent(structure, x_name, y_name, start, schedule, family, record_every=record_every)
    first = (float(projected["x"].iloc[0]), float(projected["y"].iloc[0]))
    return {
        "unconstrained": slice_descent(structure, x_name, y_name, start, schedule, record_every=record_every),
        "unconstrained, from a constrained start": slice_descent(
            structure, x_name, y_name, first, schedule, record_every=record_every
        ),
        "constrained": projected,
    }


def descents_table(slices: Sequence[Slice], paths: Sequence[Mapping[str, pd.DataFrame]]) -> pd.DataFrame:
    """Return the starts and ends of descents inside slices.

    Returns:
        DataFrame, one row a path: structure, descent, start and end as text, loss (at the best point, which is the
        end), reached (both parameters within `REACHED_LENGTH` or `REACHED_ANGLE_DEG` of the reference), off_line
        (largest distance of the path from the line that symmetry keeps: a = b, or the reference value of the angle).
    """
    return pd.DataFrame(
        [
            _outcome(landscape, label, path)
            for landscape, named in zip(slices, paths, strict=True)
            for label, path in named.items()
        ]
    )


def _tolerances(landscape: Slice, length: float, angle_deg: float) -> list[float]:
    """Return the tolerance of each parameter of a slice: so much of its reference length, or so many degrees."""
    return [
        length * value if name in LENGTHS else angle_deg
        for name, value in zip((landscape.x_name, landscape.y_name), landscape.reference, strict=True)
    ]


def _outcome(landscape: Slice, label: str, path: pd.DataFrame) -> dict[str, object]:
    first, best = path.iloc[0], path.iloc[int(path["loss"].to_numpy().argmin())]
    gap = np.abs(np.array([best["x"], best["y"]]) - landscape.reference)
    tolerances = _tolerances(landscape, REACHED_LENGTH, REACHED_ANGLE_DEG)
    line = path["x"] if landscape.y_name == "b" else landscape.reference[1]
    return {
        "structure": landscape.structure_name,
        "descent": label,
        "start": f"{first['x']:.2f}, {first['y']:.2f}",
        "end": f"{best['x']:.2f}, {best['y']:.2f}",
        "loss": best["loss"],
        "reached": bool((gap <= tolerances).all()),
        "off_line": float((path["y"] - line).abs().max()),
    }


def endpoints(records: pd.DataFrame, landscape: Slice, structure: str) -> pd.DataFrame:
    """Return the end points of descents under lattice noise, projected onto a slice.

    Args:
        records: of the descents.
        landscape: the slice.
        structure: name of the structure in the records.

    Returns:
        DataFrame: method, level, x, y, matched (conventional criterion), inside (whether the slice shows it).
    """
    rows = records[(records["structure"] == structure) & (records["noise"] == "lattice")]
    cells = np.stack(list(rows[lattice("end")]))
    x, y = (cells[:, PARAMETER_NAMES.index(name)] for name in (landscape.x_name, landscape.y_name))
    inside = (np.abs(x - landscape.reference[0]) <= np.ptp(landscape.x) / 2) & (
        np.abs(y - landscape.reference[1]) <= np.ptp(landscape.y) / 2
    )
    return pd.DataFrame(
        {
            "method": rows["method"].to_numpy(),
            "level": rows["level"].to_numpy(),
            "x": x,
            "y": y,
            "matched": rows[match("conventional", "end")].to_numpy(dtype=bool),
            "inside": inside,
        }
    )


def near_minima(ends: Sequence[pd.DataFrame], slices: Sequence[Slice], smallest_barrier: float) -> pd.DataFrame:
    """Return the number of end points inside each slice that lie at a false minimum of it, and at the reference.

    An end point lies at a place when it is within `NEAR_LENGTH` or `NEAR_ANGLE_DEG` of it in both parameters.

    Args:
        ends: `endpoints` of each slice.
        slices: the slices.
        smallest_barrier: of the minima that count, in the unit of the slices.

    Returns:
        DataFrame, one row a slice: structure, at_minimum, at_reference, inside.
    """
    rows = []
    for frame, landscape in zip(ends, slices, strict=True):
        inside = frame.loc[frame["inside"], ["x", "y"]].to_numpy()
        minima = false_minima(landscape, smallest_barrier)[["x", "y"]].to_numpy()
        places = np.concatenate([minima, [landscape.reference]])
        close = (np.abs(inside[:, None] - places) <= _tolerances(landscape, NEAR_LENGTH, NEAR_ANGLE_DEG)).all(-1)
        counts = int(close[:, :-1].any(1).sum()), int(close[:, -1].sum()), len(inside)
        rows.append((landscape.structure_name, *counts))
    return pd.DataFrame(rows, columns=["structure", "at_minimum", "at_reference", "inside"])
