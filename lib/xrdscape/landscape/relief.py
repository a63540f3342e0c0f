"""The relief of a slice: minima and the barriers around them, how rough lines are, and where descents end in it."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pymatgen.core import Structure

from xrdscape.crystal.families import detect_family
from xrdscape.diffraction.pattern import Pattern
from xrdscape.errors import CellError
from xrdscape.landscape.slices import (
    PARAMETER_NAMES,
    SYMBOLS,
    Slice,
    coarser,
    slice_descent,
    slice_pattern,
    xrd_slice,
)
from xrdscape.optimisation.descent import Schedule

# Two amounts of climbing that differ by less than this factor are called alike.
ALIKE_WITHIN = 1.5
# A path has reached the truth within the tight match's tolerances on lengths and angles.
REACHED_LENGTH, REACHED_ANGLE_DEG = 0.005, 0.5
# An end point counts as lying at a minimum within so much of each length, or of each angle.
NEAR_LENGTH, NEAR_ANGLE_DEG = 0.01, 1.0


def minima_with_barriers(landscape: Slice, smallest_barrier: float = 0.0) -> pd.DataFrame:
    """Local minima inside a slice, and how far one must climb from each to reach a deeper place.

    The grid is flooded from below. Where two pools meet, the shallower one ends, and its barrier is the height of that
    pass above its bottom. A dent that only the grid makes in a narrow valley has a small barrier, so a threshold
    tells it from a trap. Pools whose bottom lies on the border are not minima, but deeper places all the same.

    Args:
        landscape: the slice.
        smallest_barrier: minima with a lower one are left out, in the unit of the slice.

    Returns:
        DataFrame, highest barrier first: x, y, value, barrier (infinite for the deepest), is_truth.
    """
    value = landscape.value
    bottoms, barriers = _flood(value)
    rows, columns = np.unravel_index(bottoms, value.shape)
    inner = (rows > 0) & (rows < value.shape[0] - 1) & (columns > 0) & (columns < value.shape[1] - 1)
    kept = inner & (barriers >= smallest_barrier)
    rows, columns = rows[kept], columns[kept]
    x, y = landscape.x[columns], landscape.y[rows]
    at_reference = np.isclose(x, landscape.reference[0]) & np.isclose(y, landscape.reference[1])
    frame = pd.DataFrame(
        {"x": x, "y": y, "value": value[rows, columns], "barrier": barriers[kept], "is_truth": at_reference}
    )
    return frame.sort_values(["barrier", "value"], ascending=[False, True], ignore_index=True)


def _flood(value: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Flat indices of the bottoms of all pools, and the barrier of each; NaN is a wall."""
    flat = value.ravel()
    width = value.shape[1]
    pool = np.full(flat.size, -1)  # parent in a forest of pools; -1 while dry
    barrier: dict[int, float] = {}
    for point in np.argsort(flat, kind="stable").tolist():
        if np.isnan(flat[point]):
            break
        roots = sorted({_root(pool, n) for n in _neighbours(point, width, flat.size) if pool[n] >= 0}, key=flat.item)
        pool[point] = roots[0] if roots else point
        if not roots:
            barrier[point] = np.inf
        for shallower in roots[1:]:
            pool[shallower] = roots[0]
            barrier[shallower] = float(flat[point] - flat[shallower])
    return np.array(list(barrier), dtype=np.int64), np.array(list(barrier.values()))


def _root(pool: NDArray[np.int64], point: int) -> int:
    """Bottom of the pool that a wet point belongs to; shortens the way for the next question."""
    while pool[point] != point:
        pool[point] = pool[pool[point]]
        point = int(pool[point])
    return int(point)


def _neighbours(point: int, width: int, size: int) -> list[int]:
    column = point % width
    steps = [d for d in (-1, 0, 1) if 0 <= column + d < width]
    around = [point + row + d for row in (-width, 0, width) for d in steps if (row, d) != (0, 0)]
    return [n for n in around if 0 <= n < size]


def false_minima(landscape: Slice, smallest_barrier: float = 0.0) -> pd.DataFrame:
    """`minima_with_barriers` without the truth."""
    minima = minima_with_barriers(landscape, smallest_barrier)
    return minima[~minima["is_truth"]].reset_index(drop=True)


def minima_patterns(structure: Structure, landscape: Slice, minima: pd.DataFrame) -> list[Pattern]:
    """The patterns at the minima of a slice, in their order."""
    places = minima[["x", "y"]].to_numpy()
    return [slice_pattern(structure, landscape.x_name, landscape.y_name, float(x), float(y)) for x, y in places]


def all_slices(structure: Structure, n: int, length_span: float, angle_span_deg: float) -> dict[tuple[str, str], Slice]:
    """The cosine loss over all 15 pairs of lattice parameters, by their names; arguments as `landscape.xrd_slice`."""
    return {
        (x, y): xrd_slice(structure, x, y, n=n, length_span=length_span, angle_span_deg=angle_span_deg)
        for x, y in combinations(PARAMETER_NAMES, 2)
    }


def minima_counts(slices: Iterable[Slice], smallest_barrier: float) -> pd.DataFrame:
    """How many false minima each slice shows.

    Returns:
        DataFrame, one row a slice: structure, slice ("a, γ"), minima (all on the grid, the truth left out), traps
        (of these, with at least the smallest barrier), traps_coarser (the same on a grid of twice the spacing),
        deepest (lowest value of a trap; NaN without one).
    """
    rows = []
    for landscape in slices:
        false = false_minima(landscape)
        traps = false[false["barrier"] >= smallest_barrier]
        rows.append(
            {
                "structure": landscape.structure_name,
                "slice": f"{SYMBOLS[landscape.x_name]}, {SYMBOLS[landscape.y_name]}",
                "minima": len(false),
                "traps": len(traps),
                "traps_coarser": len(false_minima(coarser(landscape), smallest_barrier)),
                "deepest": traps["value"].min(),
            }
        )
    return pd.DataFrame(rows)


def spacing_effect(counts: pd.DataFrame) -> str:
    """What the spacing of the grid does to the number of traps of `minima_counts`, in words."""
    off = (counts["traps"] - counts["traps_coarser"]).abs()
    if not off.any():
        return f"all {len(counts)} slices have as many traps as on a grid of twice the spacing"
    return (
        f"{(off == 0).sum()} of {len(counts)} slices have as many traps as on a grid of twice the spacing, the others "
        f"differ by at most {off.max()}"
    )


def uphill(profile: NDArray[np.float64]) -> float:
    """All that must be climbed on a walk along a profile towards its middle, mean of the two directions.

    Args:
        profile: values along a line with the truth in the middle, [n] with n odd; NaN is left out.

    Returns:
        Sum of the rises met; 0 for a valley without a bump.
    """
    if len(profile) % 2 == 0:
        raise CellError(f"A profile needs an odd number of values, the truth in the middle. Received {len(profile)}.")
    middle = len(profile) // 2
    ways = (profile[: middle + 1], profile[middle:][::-1])
    return float(np.mean([np.diff(way[~np.isnan(way)]).clip(min=0).sum() for way in ways]))


def symmetry_lines(slices: Iterable[Slice], angle: str = "alpha") -> pd.DataFrame:
    """How rough the loss is along lines that the symmetry of the truth singles out.

    The lines: a = b, in a slice over a and b whose true lengths agree; and, in each slice that has the angle, the
    line on which the angle keeps its true value while the other parameter varies.

    Returns:
        DataFrame, one row a line: line ("a = b", "α = 90°"), varied, uphill (in the unit of the slices).
    """
    rows = []
    for landscape in slices:
        names, middle = (landscape.x_name, landscape.y_name), len(landscape.x) // 2
        if names == ("a", "b") and np.allclose(landscape.x, landscape.y):
            rows.append(("a = b", "a and b", uphill(np.diagonal(landscape.value))))
        if angle in names:
            at = names.index(angle)
            profile = landscape.value[:, middle] if at == 0 else landscape.value[middle]
            rows.append((f"{SYMBOLS[angle]} = {landscape.reference[at]:g}°", SYMBOLS[names[1 - at]], uphill(profile)))
    return pd.DataFrame(rows, columns=["line", "varied", "uphill"])


def line_extremes(lines: pd.DataFrame) -> tuple[float, float, float]:
    """Climb along a = b, and the least and the greatest along the other lines of `symmetry_lines`."""
    diagonal = lines["line"] == "a = b"
    others = lines.loc[~diagonal, "uphill"]
    return float(lines.loc[diagonal, "uphill"].max()), float(others.min()), float(others.max())


def compared(first: float, second: float) -> str:
    """Words for two amounts of climbing: "greater than", "smaller than" or "much the same as".

    >>> compared(0.9, 0.2)
    'greater than'
    """
    if first > ALIKE_WITHIN * second:
        return "greater than"
    return "smaller than" if second > ALIKE_WITHIN * first else "much the same as"


def three_descents(
    structure: Structure,
    x_name: str,
    y_name: str,
    start: tuple[float, float],
    schedule: Schedule,
    record_every: int = 5,
) -> dict[str, pd.DataFrame]:
    """The three descents of the paper's Figure 3 inside one slice: free, free from a projected start, and projected.

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
    """Where descents inside slices start and end.

    Returns:
        DataFrame, one row a path: structure, descent, start and end as text, loss (at the best point, which is the
        end), reached (both parameters within `REACHED_LENGTH` or `REACHED_ANGLE_DEG` of the truth), off_line (largest
        distance of the path from the line that symmetry keeps: a = b, or the true value of the angle).
    """
    return pd.DataFrame(
        [
            _outcome(landscape, label, path)
            for landscape, named in zip(slices, paths, strict=True)
            for label, path in named.items()
        ]
    )


def _tolerances(landscape: Slice, length: float, angle_deg: float) -> list[float]:
    """What is allowed in each parameter of a slice: so much of its true length, or so many degrees."""
    return [
        length * true if name in PARAMETER_NAMES[:3] else angle_deg
        for name, true in zip((landscape.x_name, landscape.y_name), landscape.reference, strict=True)
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
    """End points of descents under lattice noise, projected onto a slice.

    Args:
        records: of the descents.
        structure: name of the structure in the records.

    Returns:
        DataFrame: method, level, x, y, matched (conventional criterion), inside (whether the slice shows it).
    """
    rows = records[(records["structure"] == structure) & (records["noise"] == "lattice")]
    cells = np.stack(list(rows["end_lattice"]))
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
            "matched": rows["match_conventional_end"].to_numpy(dtype=bool),
            "inside": inside,
        }
    )


def near_minima(ends: Sequence[pd.DataFrame], slices: Sequence[Slice], smallest_barrier: float) -> tuple[int, int, int]:
    """How many end points inside their slices lie at a trap of the slice, how many at the truth, how many inside.

    An end point lies at a place when it is within `NEAR_LENGTH` or `NEAR_ANGLE_DEG` of it in both parameters.
    """
    at_trap = at_reference = shown = 0
    for frame, landscape in zip(ends, slices, strict=True):
        inside = frame.loc[frame["inside"], ["x", "y"]].to_numpy()
        traps = false_minima(landscape, smallest_barrier)[["x", "y"]].to_numpy()
        places = np.concatenate([traps, [landscape.reference]])
        close = (np.abs(inside[:, None] - places) <= _tolerances(landscape, NEAR_LENGTH, NEAR_ANGLE_DEG)).all(-1)
        at_trap, at_reference = at_trap + int(close[:, :-1].any(1).sum()), at_reference + int(close[:, -1].sum())
        shown += len(inside)
    return at_trap, at_reference, shown
