"""Tables of what each ingredient of a method buys, level by level and by crystal family."""

import numpy as np
import pandas as pd

from xrdscape.crystal.families import FAMILIES, detect_family
from xrdscape.crystal.structures import load_structure
from xrdscape.tables.beyond import costs, costs_table, seconds_text
from xrdscape.tables.results import LABELS


def ablation_table(records: pd.DataFrame, noise: str) -> pd.DataFrame:
    """`costs_table` of variants of one recipe under one kind of noise."""
    return costs_table(costs(records), noise).rename(columns={"Method": "What is changed"})


def families_table(records: pd.DataFrame, noise: str, level: float) -> pd.DataFrame:
    """Tight matches in per cent by crystal family, at one setting: a row a variant, in the order of `LABELS`.

    Args:
        records: rows of searches.
        noise, level: the setting.

    Returns:
        DataFrame with a column for each family of the records' crystals, in whose name stands how many starts each
        rate is of, one for all crystals, and the median time of a start.
    """
    part = records[(records["noise"] == noise) & np.isclose(records["level"], level)]
    family = part["structure"].map({name: detect_family(load_structure(name)) for name in part["structure"].unique()})
    methods = [m for m in LABELS if m in set(part["method"])]
    shares = part.groupby(["method", family])["match_tight_end"].mean().unstack().loc[methods]
    starts = family[part["method"] == methods[0]].value_counts()
    table = pd.DataFrame({"What is changed": [LABELS[m] for m in methods]})
    for name in sorted(shares.columns, key=FAMILIES.index):
        table[f"{name.capitalize()} ({starts[name]})"] = (100 * shares[name]).round().astype(int).to_numpy()
    by_method = part.groupby("method")
    table["All"] = (100 * by_method["match_tight_end"].mean().loc[methods]).round().astype(int).to_numpy()
    table["Seconds"] = [seconds_text(by_method["seconds"].median()[m]) for m in methods]
    return table
