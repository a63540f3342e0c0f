"""The same slices seen with several instruments: how much of a landscape's roughness is the instrument's doing."""

from collections.abc import Mapping

import pandas as pd

from xrdscape.crystal.structures import load_structure
from xrdscape.diffraction.instrument import Instrument
from xrdscape.landscape.ascents import mean_ascent
from xrdscape.landscape.minima import false_minima
from xrdscape.landscape.slices import ParameterName, xrd_slice


def roughness_by_instrument(
    axes: Mapping[str, tuple[ParameterName, ParameterName]],
    instruments: Mapping[str, Instrument],
    smallest_barrier: float,
    n: int,
    length_span: float,
    angle_span_deg: float,
) -> pd.DataFrame:
    """Return the false minima and ascents of slices of the cosine loss; all patterns are recorded with the same
    instrument.

    Args:
        axes: the two lattice parameters of each reference structure, by its name.
        instruments: by the name that the table gives them.
        smallest_barrier: of a prominent minimum, in units of the loss.
        n, length_span, angle_span_deg: as in `slices.xrd_slice`.

    Returns:
        DataFrame, a row for each structure and instrument: structure, slice, instrument, minima (all false ones on the
        grid), prominent (those with the barrier), ascent (see `mean_ascent`).
    """
    rows = []
    for name, (x, y) in axes.items():
        structure = load_structure(name)
        for label, instrument in instruments.items():
            landscape = xrd_slice(
                structure, x, y, n=n, length_span=length_span, angle_span_deg=angle_span_deg, instrument=instrument
            )
            false = false_minima(landscape)
            prominent = int((false["barrier"] >= smallest_barrier).sum())
            named = landscape.structure_name, landscape.name, label
            rows.append((*named, len(false), prominent, mean_ascent(landscape)))
    return pd.DataFrame(rows, columns=["structure", "slice", "instrument", "minima", "prominent", "ascent"])


def largest_changes(roughness: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Return the largest changes of minima and ascent by the other instruments, over the structures.

    Args:
        roughness: as `roughness_by_instrument` gives it.
        reference: the instrument to compare with.

    Returns:
        DataFrame, one row an instrument: instrument, prominent (change of their number), ascent (relative change).
    """
    wide = roughness.pivot(index="structure", columns="instrument", values=["prominent", "ascent"])
    rows = []
    for name in [name for name in roughness["instrument"].unique() if name != reference]:
        prominent = int((wide["prominent"][name] - wide["prominent"][reference]).abs().max())
        rows.append((name, prominent, float((wide["ascent"][name] / wide["ascent"][reference] - 1).abs().max())))
    return pd.DataFrame(rows, columns=["instrument", "prominent", "ascent"])
