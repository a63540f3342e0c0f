"""What to use when: the recommended methods, with what they find and cost, read off `tables.beyond.costs`."""

import numpy as np
import pandas as pd

from xrdscape.tables.results import LABELS, percent_text

RECOMMENDED = (
    ("Cell up to 10 % off", "graduated", "lattice", 0.1),
    ("Cell up to 20 % off", "restarts", "lattice", 0.2),
    ("Cell up to 20 % off, family known", "restarts_family", "lattice", 0.2),
    ("Cell up to 20 % off, energy model at hand", "energy_graduated", "lattice", 0.2),
    ("Atoms off by 0.05 of the cell's edges", "energy_entropy", "coordinates", 0.05),
    ("Atoms off by 0.05, no energy model", "entropy_restarts", "coordinates", 0.05),
    ("Atoms off by 0.1, space group known", "entropy_symmetric", "coordinates", 0.1),
    ("Atoms off by 0.1", "entropy_alternation", "coordinates", 0.1),
)
"""What is wrong with the start, the method to use, and the noise and level that stand for it."""

QUOTED = {
    "near": ("graduated", "lattice", 0.1),
    "far": ("restarts", "lattice", 0.2),
    "family": ("restarts_family", "lattice", 0.2),
    "energy": ("energy_graduated", "lattice", 0.2),
    "plain": ("cosine", "lattice", 0.1),
    "atoms": ("energy_entropy", "coordinates", 0.05),
    "atoms_pattern": ("entropy_restarts", "coordinates", 0.05),
    "atoms_cosine": ("adam_restarts", "coordinates", 0.05),
    "atoms_energy": ("chgnet", "coordinates", 0.05),
    "atoms_far": ("entropy_alternation", "coordinates", 0.1),
    "atoms_symmetric": ("entropy_symmetric", "coordinates", 0.1),
}
"""What the page of advice quotes, by the name it has there: method, noise and level."""


def quoted_rates(found: pd.DataFrame) -> dict[str, str]:
    """The rates of `QUOTED`, in words.

    Args:
        found: as `costs` gives it.
    """
    return {name: rate_text(found, *setting) for name, setting in QUOTED.items()}


def rate_text(found: pd.DataFrame, method: str, noise: str, level: float) -> str:
    """Share of tight matches of a method at one setting, in words.

    Args:
        found: as `costs` gives it.
    """
    row = _at(found, method, noise, level)
    return f"{100 * row['rate']:.1f} % [{100 * row['low']:.1f}, {100 * row['high']:.1f}]"


def advice_table(found: pd.DataFrame) -> pd.DataFrame:
    """The recommended methods, one row a situation."""
    rows = []
    for situation, method, noise, level in RECOMMENDED:
        row = _at(found, method, noise, level)
        rate = percent_text(*row[["rate", "low", "high"]])
        rows.append((situation, LABELS[method], rate, f"{row['seconds']:.2g}"))
    return pd.DataFrame(rows, columns=["The start", "Method", "Tight (%)", "Seconds"])


def _at(found: pd.DataFrame, method: str, noise: str, level: float) -> pd.Series:
    return found[(found["method"] == method) & (found["noise"] == noise) & np.isclose(found["level"], level)].iloc[0]


def fooled_text(records: pd.DataFrame, noise: str) -> str:
    """How many ends explain the pattern and do not match tightly, in which crystal most of them are, and how near they
    are all the same.

    Args:
        records: rows of searches.
        noise: of which kind.
    """
    good = records[(records["noise"] == noise) & (records["stop_reason"] == "enough")]
    wrong = good[~good["match_tight_end"].astype(bool)]
    if wrong.empty:
        return f"none of {len(good):,}"
    counts = wrong["structure"].value_counts()
    return (
        f"{len(wrong):,} of {len(good):,}, {counts.iloc[0]:,} of them in {counts.index[0]}; "
        f"{wrong['match_conventional_end'].mean():.0%} of them match by the paper's criterion, and in the median they "
        f"are {wrong['emd_end'].median():.2f} Å off"
    )
