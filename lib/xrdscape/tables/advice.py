"""The recommended methods by situation, with what they find and cost."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from xrdscape.crystal.distortion import Noise
from xrdscape.tables.words import LABELS, percent_text

RECOMMENDED: tuple[tuple[str, str, Noise, float], ...] = (
    ("Cell up to 10 % off", "graduated", "lattice", 0.1),
    ("Cell up to 20 % off", "restarts", "lattice", 0.2),
    ("Cell up to 20 % off, family known", "restarts_family", "lattice", 0.2),
    ("Cell up to 20 % off, energy model at hand", "energy_graduated", "lattice", 0.2),
    ("Atoms off by 0.05 of the cell's edges", "energy_entropy", "coordinates", 0.05),
    ("Atoms off by 0.05, no energy model", "entropy_restarts", "coordinates", 0.05),
    ("Atoms off by 0.1, space group known", "entropy_symmetric", "coordinates", 0.1),
    ("Atoms off by 0.1", "entropy_alternation", "coordinates", 0.1),
)
"""Situations: what is wrong with the starting model, the method to use, and the noise and level that stand for it."""

QUOTED: Mapping[str, tuple[str, Noise, float]] = {
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
"""Rates that the page of advice quotes, by the name they have there: method, noise and level."""


def quoted_rates(costs: pd.DataFrame) -> dict[str, str]:
    """Return the rates of `QUOTED`, in words.

    Args:
        costs: as `statistics.costs` gives them.
    """
    return {name: rate_text(costs, *setting) for name, setting in QUOTED.items()}


def rate_text(costs: pd.DataFrame, method: str, noise: Noise, level: float) -> str:
    """Return the share of tight matches of a method at one setting, in words.

    Args:
        costs: as `statistics.costs` gives them.
        method, noise, level: the setting.
    """
    row = _at(costs, method, noise, level)
    return f"{100 * row['rate']:.1f} % [{100 * row['low']:.1f}, {100 * row['high']:.1f}]"


def advice_table(costs: pd.DataFrame) -> pd.DataFrame:
    """Return the recommended methods, one row a situation.

    Args:
        costs: as `statistics.costs` gives them.
    """
    rows = []
    for situation, method, noise, level in RECOMMENDED:
        row = _at(costs, method, noise, level)
        rate = percent_text(*row[["rate", "low", "high"]])
        rows.append((situation, LABELS[method], rate, f"{row['seconds']:.2g}"))
    return pd.DataFrame(rows, columns=["The start", "Method", "Tight (%)", "Seconds"])


def _at(costs: pd.DataFrame, method: str, noise: Noise, level: float) -> pd.Series:
    return costs[(costs["method"] == method) & (costs["noise"] == noise) & np.isclose(costs["level"], level)].iloc[0]
