"""Sentences and tables on why artefacts of a pattern do harm."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xrdscape.diffraction.artefacts import ArtefactName
from xrdscape.study.artefact_rates import LengthChange
from xrdscape.tables.tolerance import size_phrase
from xrdscape.tables.words import minus

Values = NDArray[np.float64]


def background_text(ratios: Values) -> str:
    """Return the intensity under a background against that under the peaks.

    Args:
        ratios: by crystal, as `artefact_effects.background_ratios` gives them.
    """
    return f"{np.median(ratios):.1f} times ({ratios.min():.1f} to {ratios.max():.1f} by crystal)"


def left_text(left: Values) -> str:
    """Return the part of a background that an estimate leaves.

    Args:
        left: by crystal, as `artefact_effects.background_left` gives it.
    """
    return (
        f"{100 * np.median(left):.0f} % of its maximum ({100 * left.min():.0f} to {100 * left.max():.0f} % by crystal)"
    )


def kept_text(kept: Sequence[bool]) -> str:
    """Return the number of descents that stay at the reference structure where they start.

    Args:
        kept: by crystal, as `artefact_effects.kept_after_subtraction` gives it.
    """
    return f"{sum(kept)} of {len(kept)}"


def from_reference_table(ends: pd.DataFrame) -> pd.DataFrame:
    """Return the descents that start at the reference structure, and stay there or not, by the width of the first blur.

    Args:
        ends: as `artefact_effects.descents_from_reference` gives them.
    """
    rows = []
    for width in ends["first_blur_deg"].unique():
        group = ends[ends["first_blur_deg"] == width]
        changes = f"{100 * group['off'].median():.2g}", f"{100 * group['off'].max():.2g}"
        rows.append((f"{width:g}°" if width else "none", f"{group['tight'].sum()} of {len(group)}", *changes))
    return pd.DataFrame(
        rows, columns=["First blur", "Stay a tight match", "Change of a length: median (%)", "Largest (%)"]
    )


def likeness_text(likeness: pd.DataFrame, width_deg: float) -> str:
    """Return the median similarity of counted patterns to the exact ones, as they are and blurred.

    Args:
        likeness: as `artefact_effects.counting_likeness` gives it.
        width_deg: of the blur.
    """
    plain, smooth = likeness["plain"].median(), likeness["blurred"].median()
    return f"{plain:.2f} as counted and {smooth:.4f} under a blur of {width_deg:g}°"


def total_counts_text(totals: Values) -> str:
    """Return the counts that whole patterns are expected to have.

    Args:
        totals: by crystal, as `artefact_effects.total_counts` gives them.
    """
    return f"{totals.min():,.0f} to {totals.max():,.0f}"


def split_text(wide: Values, right: Values, factor: float) -> str:
    """Return the departures of the angles of free cells from what their families ask, with wide peaks and with right
    ones.

    Args:
        wide, right: of the cells, as `artefact_rates.angle_departures` gives them.
        factor: of the width.
    """
    texts = []
    for off, words in ((wide, f"peaks {factor:g} times as wide"), (right, "right ones")):
        texts.append(f"{np.median(off):.2g}° with {words}" if len(off) else f"not recorded with {words}")
    return ", ".join(texts)


def lengths_text(artefact: ArtefactName, changes: Sequence[LengthChange]) -> str:
    """Return the changes of the lengths of free cells from the reference's: the median and, in brackets, the largest.

    Args:
        artefact: which one.
        changes: as `artefact_rates.length_changes` gives them.
    """
    return ", ".join(
        minus(f"{100 * c.middle:+.2g} % ({100 * c.largest:.2g} %) at {size_phrase(artefact, c.size)}") for c in changes
    )


def explained_text(reference: float, refined: float) -> str:
    """Return the similarities of the reference structure and of free refined models to a target with an artefact."""
    return f"{reference:.2f} against {refined:.2f}"
