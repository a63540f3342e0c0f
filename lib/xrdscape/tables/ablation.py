"""Tables of what each ingredient of a method buys, level by level and by crystal family."""

import pandas as pd

from xrdscape.crystal.distortion import Noise
from xrdscape.crystal.families import FAMILIES
from xrdscape.tables.beyond import costs_table
from xrdscape.tables.words import LABELS, seconds_text


def ablation_table(costs: pd.DataFrame, noise: Noise) -> pd.DataFrame:
    """Return `costs_table` of variants of one method under one kind of noise."""
    return costs_table(costs, noise).rename(columns={"Method": "What is changed"})


def families_table(shares: pd.DataFrame) -> pd.DataFrame:
    """Return the tight matches in per cent by crystal family, at one setting: a row a variant, in the order of
    `LABELS`.

    Args:
        shares: as `outcomes.family_shares` gives them.

    Returns:
        DataFrame with a column for each family of the records' crystals, in whose name stands how many starts each
        rate is of, one for all crystals, and the median time of a start.
    """
    methods = [m for m in LABELS if m in set(shares["method"])]
    percent = (100 * shares.pivot(index="method", columns="family", values="share").loc[methods]).round().astype(int)
    first = shares[shares["method"] == methods[0]].set_index("family")["starts"]
    seconds = shares.groupby("method")["seconds"].first()
    families = [name for name in FAMILIES if name in percent.columns]
    return pd.DataFrame(
        {
            "What is changed": [LABELS[m] for m in methods],
            **{f"{name.capitalize()} ({first[name]})": percent[name].to_numpy() for name in families},
            "All": percent["all"].to_numpy(),
            "Seconds": [seconds_text(seconds[m]) for m in methods],
        }
    )
