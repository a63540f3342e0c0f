"""Roughness along single lines of slices: all that rises on a walk to the reference structure."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xrdscape.errors import CellError
from xrdscape.landscape.slices import LENGTHS, SYMBOLS, ParameterName, Slice


def ascent(profile: NDArray[np.float64]) -> float:
    """Return the sum of all rises on a walk along a profile towards its middle, mean of the two directions.

    Args:
        profile: values along a line with the reference in the middle, [n] with n odd; NaN is left out.

    Returns:
        Sum of the rises met; 0 for a valley without a bump.

    Raises:
        CellError: for an even number of values.
    """
    if len(profile) % 2 == 0:
        raise CellError(
            f"A profile needs an odd number of values, the reference in the middle. Received {len(profile)}."
        )
    middle = len(profile) // 2
    ways = (profile[: middle + 1], profile[middle:][::-1])
    return float(np.mean([np.diff(way[~np.isnan(way)]).clip(min=0).sum() for way in ways]))


def mean_ascent(landscape: Slice) -> float:
    """Return the ascent along the two lines through the reference, one parameter alone, mean of the four ways."""
    row, column = (len(axis) // 2 for axis in (landscape.y, landscape.x))
    return float(np.mean([ascent(landscape.value[row]), ascent(landscape.value[:, column])]))


def symmetry_lines(slices: Iterable[Slice], angle: ParameterName = "alpha") -> pd.DataFrame:
    """Return the roughness along lines that the symmetry of the reference structure singles out.

    The lines: a = b, in a slice over a and b whose reference lengths agree; and, in each slice that has the angle, the
    line on which the angle keeps its reference value while the other parameter varies.

    Returns:
        DataFrame, one row a line: line ("a = b", "α = 90°"), varied, ascent (in the unit of the slices).
    """
    rows = []
    for landscape in slices:
        names, middle = (landscape.x_name, landscape.y_name), len(landscape.x) // 2
        if names == ("a", "b") and np.allclose(landscape.x, landscape.y):
            rows.append(("a = b", "a and b", ascent(np.diagonal(landscape.value))))
        if angle in names:
            at = names.index(angle)
            profile = landscape.value[:, middle] if at == 0 else landscape.value[middle]
            rows.append((f"{SYMBOLS[angle]} = {landscape.reference[at]:g}°", SYMBOLS[names[1 - at]], ascent(profile)))
    return pd.DataFrame(rows, columns=["line", "varied", "ascent"])


def line_extremes(lines: pd.DataFrame) -> tuple[float, float, float]:
    """Return the ascent along a = b, and the least and the greatest along the other lines of `symmetry_lines`."""
    diagonal = lines["line"] == "a = b"
    others = lines.loc[~diagonal, "ascent"]
    return float(lines.loc[diagonal, "ascent"].max()), float(others.min()), float(others.max())


def ascents(slices: Sequence[Slice]) -> pd.DataFrame:
    """Return the roughness along single lines of the slices: one parameter alone, and two lengths that are equal in the
    reference.

    Returns:
        DataFrame, one row a line: line ("a alone", "a = b"), ascent, depth (from the highest point of the line down to
        the reference), both in the unit of the loss; share (ascent over depth).
    """
    profiles: dict[str, np.ndarray] = {}
    for landscape in slices:
        middle = len(landscape.x) // 2
        symbols = SYMBOLS[landscape.x_name], SYMBOLS[landscape.y_name]
        if {landscape.x_name, landscape.y_name} <= set(LENGTHS) and np.allclose(landscape.x, landscape.y):
            profiles.setdefault(" = ".join(symbols), np.diagonal(landscape.value))
        profiles.setdefault(f"{symbols[0]} alone", landscape.value[middle])
        profiles.setdefault(f"{symbols[1]} alone", landscape.value[:, middle])
    rows = []
    for line, profile in profiles.items():
        depth = float(np.nanmax(profile) - profile[len(profile) // 2])
        risen = ascent(profile)
        rows.append({"line": line, "ascent": risen, "depth": depth, "share": risen / depth})
    return pd.DataFrame(rows)
