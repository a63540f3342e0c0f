"""How rough a few slices are: their traps, and what must be climbed along single lines to the truth."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from xrdscape.landscape.relief import SYMBOLS, false_minima, uphill
from xrdscape.landscape.slices import PARAMETER_NAMES, Slice


def prominent_traps(landscape: Slice, smallest_share: float) -> pd.DataFrame:
    """False minima of a slice whose barrier is at least this share of the slice's range; see `false_minima`."""
    return false_minima(landscape, smallest_share * _range(landscape))


def traps_by_slice(slices: Sequence[Slice], smallest_share: float) -> pd.DataFrame:
    """How many traps each slice has.

    Args:
        slices: of any loss; barriers count in parts of each one's own range, since losses differ in scale.
        smallest_share: the least barrier of a trap, 0 to 1.

    Returns:
        DataFrame, one row a slice: slice ("a, γ"), minima (false ones on the grid), traps, highest (barrier over the
        slice's range; 0 without a trap), deepest (lowest value of a trap; NaN without one).
    """
    rows = []
    for landscape in slices:
        traps = prominent_traps(landscape, smallest_share)
        # A place as deep as the truth has no end of a barrier: from there no deeper one can be reached.
        barriers = traps["barrier"].clip(upper=_range(landscape)) / _range(landscape)
        rows.append(
            {
                "slice": f"{SYMBOLS[landscape.x_name]}, {SYMBOLS[landscape.y_name]}",
                "minima": len(false_minima(landscape)),
                "traps": len(traps),
                "highest": float(barriers.max()) if len(traps) else 0.0,
                "deepest": float(traps["value"].min()),
            }
        )
    return pd.DataFrame(rows)


def climbs(slices: Sequence[Slice]) -> pd.DataFrame:
    """What a walk to the truth along single lines of the slices must climb.

    The lines: one parameter alone, and two lengths together where the truth has them equal.

    Returns:
        DataFrame, one row a line: line ("a alone", "a = b"), climb (see `uphill`), depth (from the highest point of
        the line down to the truth), both in the unit of the loss; share (climb over depth).
    """
    profiles: dict[str, np.ndarray] = {}
    for landscape in slices:
        middle = len(landscape.x) // 2
        symbols = SYMBOLS[landscape.x_name], SYMBOLS[landscape.y_name]
        lengths = all(name in PARAMETER_NAMES[:3] for name in (landscape.x_name, landscape.y_name))
        if lengths and np.allclose(landscape.x, landscape.y):
            profiles.setdefault(" = ".join(symbols), np.diagonal(landscape.value))
        profiles.setdefault(f"{symbols[0]} alone", landscape.value[middle])
        profiles.setdefault(f"{symbols[1]} alone", landscape.value[:, middle])
    rows = []
    for line, profile in profiles.items():
        depth = float(np.nanmax(profile) - profile[len(profile) // 2])
        climb = uphill(profile)
        rows.append({"line": line, "climb": climb, "depth": depth, "share": climb / depth})
    return pd.DataFrame(rows)


def _range(landscape: Slice) -> float:
    return float(np.nanmax(landscape.value) - np.nanmin(landscape.value))
