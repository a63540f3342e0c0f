"""Shared parts of the claims on correlations: the rows of one statistic, what the paper printed, and who is highest."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from xrdscape.crystal.distortion import Noise
from xrdscape.evaluation.estimates import Statistic
from xrdscape.findings.finding import Finding
from xrdscape.findings.terms import FREE
from xrdscape.study.published import published_values
from xrdscape.tables.words import LABELS, estimate_text

COEFFICIENTS: tuple[Statistic, ...] = ("pearson", "spearman")
STATISTIC_TABLES = ("table-s1", "table-s2")
"""Labels of the tables of Pearson's and Spearman's coefficients."""


def at(correlations: pd.DataFrame, noise: Noise, statistic: Statistic) -> pd.DataFrame:
    """Return the defined estimates of one statistic under one kind of noise, by (level, method): value, low, high."""
    rows = correlations[(correlations["noise"] == noise) & (correlations["statistic"] == statistic)]
    return rows.dropna(subset=["value"]).set_index(["level", "method"])[["value", "low", "high"]].sort_index()


def printed(statistic: Statistic, noise: Noise) -> pd.DataFrame:
    """Return the printed values of a statistic: one row a level, one column a method."""
    values = pd.Series({key[1:]: value for key, value in published_values(statistic).items() if key[0] == noise})
    return values.unstack()


def highest(
    correlations: pd.DataFrame, noise: Noise, named: Mapping[float, str], *, key: str, claim: str, place: str
) -> Finding:
    """Return a claim that the method named for a level has the highest mutual information of the free ones there.

    Args:
        correlations: as `statistics.correlations` gives them.
        noise: the kind of noise.
        named: method by level.
        key, claim, place: of the finding.
    """
    rows: Any = at(correlations, noise, "mutual_information")
    values: Any = rows["value"].unstack("method").reindex(columns=list(FREE))
    cases, here, clear = {}, [], 0
    for level, method in named.items():
        if level not in values.index or values.loc[level].isna().any():
            continue
        best = str(values.loc[level].idxmax())
        cases[f"{level:g}"] = bool(rows.loc[(level, method), "high"] >= values.loc[level, best])
        others = rows.loc[level].loc[[m for m in FREE if m != method], "high"]
        clear += int(rows.loc[(level, method), "low"] > others.max())
        here.append(f"{level:g}: {LABELS[best]} {estimate_text(*rows.loc[(level, best)])}")
    return Finding(
        key=key,
        claim=claim,
        place=place,
        rule="the named method has the highest value of the four free ones at the level, "
        "or its 95 % interval reaches the highest",
        result=f"highest, in nats: {'; '.join(here)}. "
        f"The whole interval of the named one lies above the others' at {clear} of {len(cases)}",
        cases=cases,
        unit="levels",
        evidence=("table-1",),
    )
