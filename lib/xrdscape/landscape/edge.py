"""How much of a landscape's roughness is the instrument's doing: the same slices seen with several instruments."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from xrdscape.crystal.structures import load_structure
from xrdscape.diffraction.instrument import Instrument
from xrdscape.landscape.relief import SYMBOLS, false_minima, uphill
from xrdscape.landscape.slices import Slice, xrd_slice


def climb(landscape: Slice) -> float:
    """All that must be climbed on the way to the truth along the two lines through it, mean of the four ways."""
    row, column = (len(axis) // 2 for axis in (landscape.y, landscape.x))
    return float(np.mean([uphill(landscape.value[row]), uphill(landscape.value[:, column])]))


def roughness_by_instrument(
    axes: Mapping[str, tuple[str, str]],
    instruments: Mapping[str, Instrument],
    smallest_barrier: float,
    n: int,
    length_span: float,
    angle_span_deg: float,
) -> pd.DataFrame:
    """Traps and climbing on slices of the cosine loss; truth and trials are recorded with the same instrument.

    Args:
        axes: the two lattice parameters of each reference structure, by its name.
        instruments: by the name that the table gives them.
        smallest_barrier: of a trap, in units of the loss.
        n, length_span, angle_span_deg: as in `landscape.xrd_slice`.

    Returns:
        DataFrame, a row for each structure and instrument: structure, slice, instrument, minima (all false ones on the
        grid), traps (those with the barrier), climb (see `climb`).
    """
    rows = []
    for name, (x, y) in axes.items():
        structure = load_structure(name)
        for label, instrument in instruments.items():
            landscape = xrd_slice(
                structure, x, y, n=n, length_span=length_span, angle_span_deg=angle_span_deg, instrument=instrument
            )
            false = false_minima(landscape)
            traps = int((false["barrier"] >= smallest_barrier).sum())
            slice_name = f"{SYMBOLS[x]}, {SYMBOLS[y]}"
            rows.append((landscape.structure_name, slice_name, label, len(false), traps, climb(landscape)))
    return pd.DataFrame(rows, columns=["structure", "slice", "instrument", "minima", "traps", "climb"])
