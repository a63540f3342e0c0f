"""Tables and sentences about slices of landscapes: spacings, minima, ascents, and the lowest energies."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import pandas as pd

from xrdscape.landscape.records import ALLOWED, MapAudit, Quantity
from xrdscape.landscape.slices import LENGTHS, PARAMETER_NAMES, SYMBOLS, ParameterName, Slice
from xrdscape.tables.words import minus

ALIKE_WITHIN = 1.5
"""Factor within which two ascents are called alike."""

UNITS: Mapping[Quantity, str] = MappingProxyType({"loss": "", "energy": " eV/atom"})
"""Units of what maps show."""


def spacing_text(slices: Iterable[Slice]) -> str:
    """Return the spacing of the grids of some slices of one crystal, parameter by parameter."""
    return _steps_text(
        {
            name: step
            for landscape in slices
            for name, step in zip((landscape.x_name, landscape.y_name), landscape.steps, strict=True)
        }
    )


def _steps_text(steps: Mapping[ParameterName, float]) -> str:
    ordered = sorted(steps, key=PARAMETER_NAMES.index)
    return ", ".join(f"{SYMBOLS[name]}\u00a0{steps[name]:.2g}{unit(name)}" for name in ordered)


def unit(name: ParameterName) -> str:
    """Return the unit behind the number of a lattice parameter: a space and ångström, or the sign of a degree."""
    return "\u00a0Å" if name in LENGTHS else "°"


def spacing_effect(counts: pd.DataFrame) -> str:
    """Return the effect of the spacing of the grid on the number of prominent minima, in words.

    Args:
        counts: as `minima.minima_counts` gives them.
    """
    off = (counts["prominent"] - counts["prominent_coarser"]).abs()
    if not off.any():
        return f"all {len(counts)} slices have as many traps as on a grid of twice the spacing"
    return (
        f"{(off == 0).sum()} of {len(counts)} slices have as many traps as on a grid of twice the spacing, the others "
        f"differ by at most {off.max()}"
    )


def relation(first: float, second: float) -> str:
    """Return words for two ascents: "greater than", "smaller than" or "much the same as".

    >>> relation(0.9, 0.2)
    'greater than'
    """
    if first > ALIKE_WITHIN * second:
        return "greater than"
    return "smaller than" if second > ALIKE_WITHIN * first else "much the same as"


def roughness_table(minima: pd.DataFrame) -> pd.DataFrame:
    """Return the minima of pattern loss and energy over the same slices, each also on a grid of twice the spacing.

    Args:
        minima: as `minima.paired_minima` gives them.
    """
    return pd.DataFrame(
        {
            "Slice": minima["structure"] + ": " + minima["slice"],
            "Pattern": minima["pattern"],
            "at twice the spacing": minima["pattern_coarser"],
            "Energy": minima["energy"],
            "at twice its spacing": minima["energy_coarser"],
        }
    )


def energy_minima_table(deepest: pd.DataFrame) -> pd.DataFrame:
    """Return the places of the deepest energy on the grid of each slice.

    Args:
        deepest: as `minima.deepest_points` gives them.
    """
    rows = []
    for row in deepest.to_dict("records"):
        offsets = ((row["x_name"], row["x_off"]), (row["y_name"], row["y_off"]))
        rows.append(
            {
                "Slice": f"{row['structure']}: {row['slice']}",
                "Off the truth": ", ".join(
                    minus(f"{SYMBOLS[name]}\u00a0{offset:+.2f}{unit(name)}") for name, offset in offsets
                ),
                "Grid": _steps_text({row["x_name"]: row["x_step"], row["y_name"]: row["y_step"]}),
                "Below the truth (meV/atom)": 1000 * row["below_ev"],
            }
        )
    return pd.DataFrame(rows)


def instruments_text(changes: pd.DataFrame) -> str:
    """Return the largest changes of minima and ascent by the other instruments, in words.

    Args:
        changes: as `edge.largest_changes` gives them.
    """
    return "; ".join(
        f"{row['instrument']}: traps by at most {row['prominent']}, climb by at most {100 * row['ascent']:.1f} %"
        for row in changes.to_dict("records")
    )


def audit_text(audits: Sequence[MapAudit]) -> str:
    """Return a sentence on the origin of the maps, and on what an audit of those from records came to."""
    if not audits:
        return "The maps are computed on this page."
    parts = [
        f"{audit.points} random points of each of the {audit.maps} maps of the {audit.quantity}, which differ from the "
        f"record by at most {audit.largest:.1g}{UNITS[audit.quantity]} ({ALLOWED[audit.quantity]:g} is allowed)"
        for audit in audits
    ]
    return f"The maps are read from records. Computed again on this page: {'; '.join(parts)}."
