"""Claims on geometric distance and similarity under coordinate noise (the paper's Tables 1, S1 and S2)."""

import numpy as np
import pandas as pd

from xrdscape.evaluation.estimates import Statistic
from xrdscape.findings.finding import Finding
from xrdscape.findings.statistic import COEFFICIENTS, STATISTIC_TABLES, at, highest
from xrdscape.findings.terms import STRONG_NOISE
from xrdscape.study.columns import SETTING, Similarity
from xrdscape.study.published import published_values
from xrdscape.tables.words import LABELS, STATISTIC_NAMES, number_text

LIKENESSES: tuple[Similarity, ...] = ("cosine", "entropy", "cross_correlation")
"""Methods whose objective is a similarity, not an error."""


def best_by_level_coordinates(correlations: pd.DataFrame) -> Finding:
    """Return the claim on which objective tells most about the distance at which level of coordinate noise."""
    named = {
        0.001: "cosine",
        0.005: "cosine",
        0.01: "cross_correlation",
        0.05: "cross_correlation",
        0.1: "entropy",
    }
    return highest(
        correlations,
        "coordinates",
        named,
        key="best-by-level-coordinates",
        claim="Under coordinate noise cosine similarity has the highest mutual information at low levels, "
        "cross-correlation at moderate ones, entropy similarity at the highest.",
        place="Section 2.1.2, Table 1",
    )


def right_way_round(correlations: pd.DataFrame) -> Finding:
    """Return the claim that similarity falls and error grows with the distance."""
    cases, lowest = {}, []
    for statistic in COEFFICIENTS:
        rows = at(correlations, "coordinates", statistic)
        rows = rows[rows.index.get_level_values("method").isin(("cosine", "entropy", "mse"))]
        for level, method in rows.index:
            cases[f"{STATISTIC_NAMES[statistic]}, {LABELS[method]} at {level:g}"] = bool(
                rows.loc[(level, method), "low"] > 0
            )
        lowest += [float(rows["value"].min())] if len(rows) else []
    return Finding(
        key="right-way-round",
        claim="Under coordinate noise cosine and entropy similarity fall with the distance "
        "(negative correlations) and the mean squared error grows with it.",
        place="Section 2.1.2, Tables S1 and S2",
        rule="the coefficient has this sign with its whole 95 % interval",
        result=f"weakest coefficient {number_text(min(lowest))} in the sense claimed" if lowest else "",
        cases=cases,
        unit="triples of coefficient, method and level",
        evidence=STATISTIC_TABLES,
    )


def error_is_monotonic(correlations: pd.DataFrame) -> Finding:
    """Return the claim that the error's rank correlation is above those of the similarities."""
    rows = at(correlations, "coordinates", "spearman")["value"].unstack("method")
    cases, here = {}, []
    for level in rows.index:
        similar = rows.loc[level].reindex(["cosine", "entropy"])
        error = rows.loc[level].get("mse", np.nan)
        if np.isfinite([*similar, error]).all():
            cases[f"{level:g}"] = bool(error > similar.max())
            here.append(f"{level:g}: {number_text(error)} against {number_text(similar.max())}")
    return Finding(
        key="error-is-monotonic",
        claim="Under coordinate noise the mean squared error has a relatively high Spearman correlation "
        "with the distance.",
        place="Section 2.1.2, Table S2",
        rule="at a level its coefficient is higher than those of cosine and entropy similarity "
        "(in the sense in which each is right)",
        result=f"against the higher of the two, by level: {'; '.join(here)}",
        cases=cases,
        unit="levels",
        evidence=("table-s2",),
    )


def sign_text(correlations: pd.DataFrame, statistic: Statistic = "pearson") -> str:
    """Return the signs printed for coordinate noise beside ours, in words and counts."""
    paper = {
        key: value
        for key, value in published_values(statistic).items()
        if key[0] == "coordinates" and key[2] in LIKENESSES
    }
    ours = correlations[correlations["statistic"] == statistic].set_index(SETTING)["value"]
    pairs = [(key, value, ours[key]) for key, value in paper.items() if key in ours and np.isfinite(ours[key])]
    below = [(p, v) for key, p, v in pairs if key[1] < STRONG_NOISE]
    top = [(key, p, v) for key, p, v in pairs if key[1] >= STRONG_NOISE]
    listed = "; ".join(f"{LABELS[key[2]]} {number_text(p)} and {number_text(v)}" for key, p, v in top)
    return (
        f"Below coordinate noise {STRONG_NOISE:g}, of {len(below)} {statistic.capitalize()} coefficients "
        f"for the three similarities the paper prints {sum(p < 0 for p, _ in below)} with a negative sign; "
        f"ours, in the convention of this page, are positive in {sum(v > 0 for _, v in below)} of these places. "
        f"At level {STRONG_NOISE:g} the paper prints positive signs; there, paper and here: {listed}."
    )
