"""Local minima of slices and the barriers around them."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pymatgen.core import Structure

from xrdscape.errors import RecordError
from xrdscape.landscape.slices import Slice, coarser, slice_pattern
from xrdscape.patterns.pattern import Pattern

LEAST_BARRIER = 0.01
"""The part of a slice's range that one must climb to leave a minimum, for it to count beside those of another slice:
less is rippling of the grid."""


def minima_with_barriers(landscape: Slice, smallest_barrier: float = 0.0) -> pd.DataFrame:
    """Return the local minima inside a slice, each with the barrier that one must climb to reach a deeper place.

    The grid is flooded from below. Where two pools meet, the shallower one ends, and its barrier is the height of that
    pass above its bottom. A grid artefact, a minimum that only the grid makes in a narrow valley, has a small barrier,
    so a threshold tells it from a minimum of the landscape. Pools whose bottom lies on the border are not minima, but
    deeper places all the same.

    Args:
        landscape: the slice.
        smallest_barrier: minima with a lower one are left out, in the unit of the slice.

    Returns:
        DataFrame, highest barrier first: x, y, value, barrier (infinite for the deepest), is_reference.
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
        {"x": x, "y": y, "value": value[rows, columns], "barrier": barriers[kept], "is_reference": at_reference}
    )
    return frame.sort_values(["barrier", "value"], ascending=[False, True], ignore_index=True)


def _flood(value: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the flat indices of the bottoms of all pools, and the barrier of each; NaN is a wall."""
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
    """Return the bottom of the pool that a wet point belongs to, and shorten the way for the next question."""
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
    """Return `minima_with_barriers` without the reference structure."""
    minima = minima_with_barriers(landscape, smallest_barrier)
    return minima[~minima["is_reference"]].reset_index(drop=True)


def prominent_minima(landscape: Slice, smallest_share: float) -> pd.DataFrame:
    """Return the false minima of a slice whose barrier is at least this share of the slice's range."""
    return false_minima(landscape, smallest_share * _range(landscape))


def minima_patterns(structure: Structure, landscape: Slice, minima: pd.DataFrame) -> list[Pattern]:
    """Return the patterns at the minima of a slice, in their order."""
    places = minima[["x", "y"]].to_numpy()
    return [slice_pattern(structure, landscape.x_name, landscape.y_name, float(x), float(y)) for x, y in places]


def minima_counts(slices: Iterable[Slice], smallest_barrier: float) -> pd.DataFrame:
    """Return the number of false minima of each slice.

    Returns:
        DataFrame, one row a slice: structure, slice ("a, γ"), minima (all on the grid, the reference left out),
        prominent (of these, with at least the smallest barrier), prominent_coarser (the same on a grid of twice the
        spacing), deepest (lowest value of a prominent one; NaN without one).
    """
    rows = []
    for landscape in slices:
        false = false_minima(landscape)
        prominent = false[false["barrier"] >= smallest_barrier]
        rows.append(
            {
                "structure": landscape.structure_name,
                "slice": landscape.name,
                "minima": len(false),
                "prominent": len(prominent),
                "prominent_coarser": len(false_minima(coarser(landscape), smallest_barrier)),
                "deepest": prominent["value"].min(),
            }
        )
    return pd.DataFrame(rows)


def minima_by_share(slices: Sequence[Slice], smallest_share: float) -> pd.DataFrame:
    """Return the number of false minima of each slice, whose barriers count in parts of the slice's own range.

    Args:
        slices: of any loss; losses differ in scale.
        smallest_share: the least barrier of a prominent minimum, 0 to 1.

    Returns:
        DataFrame, one row a slice: slice ("a, γ"), minima (false ones on the grid), prominent, highest (barrier over
        the slice's range; 0 without a prominent one), deepest (lowest value of a prominent one; NaN without one).
    """
    rows = []
    for landscape in slices:
        prominent = prominent_minima(landscape, smallest_share)
        # A place as deep as the reference has no end of a barrier: from there no deeper one can be reached.
        barriers = prominent["barrier"].clip(upper=_range(landscape)) / _range(landscape)
        rows.append(
            {
                "slice": landscape.name,
                "minima": len(false_minima(landscape)),
                "prominent": len(prominent),
                "highest": float(barriers.max()) if len(prominent) else 0.0,
                "deepest": float(prominent["value"].min()),
            }
        )
    return pd.DataFrame(rows)


def paired_minima(losses: Sequence[Slice], energies: Sequence[Slice]) -> pd.DataFrame:
    """Return the numbers of minima of pattern loss and energy over the same slices, each also on a grid of twice the
    spacing.

    Minima count from barriers of `LEAST_BARRIER` on, the deepest among them.

    Args:
        losses: of the pattern.
        energies: over the same parameters and ranges.

    Returns:
        DataFrame, one row a slice: structure, slice ("a, γ"), pattern, pattern_coarser, energy, energy_coarser.

    Raises:
        RecordError: for two slices that are not over the same ranges.
    """
    rows = []
    for pattern, energy in zip(losses, energies, strict=True):
        if not all(np.allclose(p[[0, -1]], e[[0, -1]]) for p, e in ((pattern.x, energy.x), (pattern.y, energy.y))):
            raise RecordError("Minima can be compared over one range alone: give both slices the same spans.")
        counts = [_count(landscape) for landscape in (pattern, coarser(pattern), energy, coarser(energy))]
        rows.append((energy.structure_name, energy.name, *counts))
    return pd.DataFrame(rows, columns=["structure", "slice", "pattern", "pattern_coarser", "energy", "energy_coarser"])


def deepest_points(energies: Sequence[Slice]) -> pd.DataFrame:
    """Return the places of the deepest energy on the grid of each slice.

    Args:
        energies: in eV/atom.

    Returns:
        DataFrame, one row a slice: structure, slice ("a, γ"), x_name, y_name, x_off, y_off (from the reference),
        x_step, y_step (of the grid), below_ev (depth below the reference, eV/atom).
    """
    rows = []
    for energy in energies:
        j, i = np.unravel_index(np.nanargmin(energy.value), energy.value.shape)
        centre = (np.abs(energy.y - energy.reference[1]).argmin(), np.abs(energy.x - energy.reference[0]).argmin())
        rows.append(
            {
                "structure": energy.structure_name,
                "slice": energy.name,
                "x_name": energy.x_name,
                "y_name": energy.y_name,
                "x_off": energy.x[i] - energy.reference[0],
                "y_off": energy.y[j] - energy.reference[1],
                **{f"{axis}_step": step for axis, step in zip("xy", energy.steps, strict=True)},
                "below_ev": float(energy.value[centre] - energy.value[j, i]),
            }
        )
    return pd.DataFrame(rows)


def _count(landscape: Slice) -> int:
    return len(minima_with_barriers(landscape, LEAST_BARRIER * _range(landscape)))


def _range(landscape: Slice) -> float:
    return float(np.nanmax(landscape.value) - np.nanmin(landscape.value))
