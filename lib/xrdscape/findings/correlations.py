"""Claims on geometric distance and similarity under lattice noise and constraints (the paper's Tables 1, S1, S2)."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from xrdscape.evaluation.estimates import Statistic
from xrdscape.findings.coordinates import best_by_level_coordinates, error_is_monotonic, right_way_round
from xrdscape.findings.finding import Finding
from xrdscape.findings.statistic import COEFFICIENTS, STATISTIC_TABLES, at, highest, printed
from xrdscape.findings.terms import FREE, STRONG_NOISE
from xrdscape.tables.words import LABELS, STATISTIC_NAMES, estimate_text, number_text

CONSISTENT = 0.5
"""A similarity goes consistently with the distance if both coefficients reach this at every level."""

HALF_OF_VARIANCE = 0.5
"""A similarity tells the distance well if a straight line explains this part of the variance."""


def correlation_findings(correlations: pd.DataFrame) -> list[Finding]:
    """Return the paper's claims on distance and similarity (its Figure 4, Tables 1, S1 and S2).

    Args:
        correlations: as `statistics.correlations` gives them.
    """
    return [
        _best_by_level(correlations),
        _low_at_high_noise(correlations),
        _constraints_inform(correlations),
        _constraints_correlate(correlations),
        _none_is_consistent(correlations),
        _entropy_informs(correlations),
        _error_is_weakest(correlations),
        _cosine_and_entropy_alike(correlations),
        _scattered(correlations),
        best_by_level_coordinates(correlations),
        right_way_round(correlations),
        error_is_monotonic(correlations),
    ]


def _best_by_level(correlations: pd.DataFrame) -> Finding:
    named = {0.01: "cosine", 0.05: "entropy", 0.1: "entropy"}
    return highest(
        correlations,
        "lattice",
        named,
        key="best-by-level-lattice",
        claim="Under lattice noise cosine similarity has the highest mutual information at the lowest level, "
        "entropy similarity at moderate ones.",
        place="Section 2.1.2, Table 1",
    )


def _low_at_high_noise(correlations: pd.DataFrame) -> Finding:
    rows = at(correlations, "lattice", "mutual_information")
    values, low, high = (rows[c].unstack("method").reindex(columns=list(FREE)) for c in ("value", "low", "high"))
    levels = [level for level in values.index if level > STRONG_NOISE] if 0.01 in values.index else []
    floor = values.loc[0.01].min() if levels else np.nan
    cases = {
        f"{level:g}": bool(low.loc[level].max() <= high.loc[level].min() and values.loc[level].max() < floor)
        for level in levels
    }
    here = [f"{level:g}: {values.loc[level].min():.2f} to {values.loc[level].max():.2f}" for level in levels]
    return Finding(
        key="low-at-high-noise",
        claim="At high lattice noise all similarities have a similarly low mutual information.",
        place="Section 2.1.2, Table 1",
        rule=f"at a level above {STRONG_NOISE:g} the 95 % intervals of the four free methods share a point, "
        "and the highest value is below the lowest at level 0.01",
        result=f"range of the four, in nats: {'; '.join(here)}; lowest at level 0.01: {floor:.2f}",
        cases=cases,
        unit="levels",
        evidence=("table-1",),
    )


def _constraints_inform(correlations: pd.DataFrame) -> Finding:
    rows = at(correlations, "lattice", "mutual_information")
    cases, here = _above(rows)
    return Finding(
        key="constraints-inform",
        claim="With constraints the mutual information of similarity and distance is substantially higher, "
        "at every level of lattice noise.",
        place="Abstract; Section 2.1.2, Fig. 4, Table 1",
        rule="the 95 % interval with constraints lies above that without (cosine similarity)",
        result=f"with against without, by level, in nats: {'; '.join(here.values())}",
        cases=cases,
        unit="levels",
        evidence=("table-1", "fig-4"),
    )


def _above(rows: pd.DataFrame) -> tuple[dict[str, bool], dict[str, str]]:
    """Return whether the constrained interval lies above the free one, and both in words, by level."""
    cases, here = {}, {}
    for level in sorted(set(rows.index.get_level_values("level"))):
        if all((level, m) in rows.index for m in ("cosine", "cosine_constrained")):
            free, bound = rows.loc[(level, "cosine")], rows.loc[(level, "cosine_constrained")]
            cases[f"{level:g}"] = bool(bound["low"] > free["high"])
            texts = [estimate_text(*e) for e in (bound, free)]
            here[f"{level:g}"] = f"{level:g}: {' against '.join(texts)}"
    return cases, here


def _constraints_correlate(correlations: pd.DataFrame) -> Finding:
    cases: dict[str, bool] = {}
    lower, shown, of = [], 0, 0
    for statistic in COEFFICIENTS:
        above, here = _above(at(correlations, "lattice", statistic))
        name = STATISTIC_NAMES[statistic]
        cases |= {f"{name} {level}": holds for level, holds in above.items()}
        lower += [f"{name} at {here[level]}" for level, holds in above.items() if not holds]
        paper = printed(statistic, "lattice")
        shown += int((paper["cosine_constrained"] > paper["cosine"]).sum())
        of += len(paper)
    return Finding(
        key="constraints-correlate",
        claim="With constraints Pearson's and Spearman's correlation of similarity and distance are higher, "
        "under lattice noise.",
        place="Abstract; Section 2.1.2, Tables S1 and S2",
        rule="the 95 % interval of the coefficient with constraints lies above that without (cosine similarity)",
        result=(f"with against without where it does not: {'; '.join(lower)}" if lower else "it does everywhere")
        + f". The printed values are higher with constraints in {shown} of {of} places",
        cases=cases,
        unit="pairs of coefficient and level",
        evidence=("table-s1", "table-s2"),
    )


def _none_is_consistent(correlations: pd.DataFrame) -> Finding:
    tables = {s: at(correlations, "lattice", s)["value"].unstack("method") for s in COEFFICIENTS}
    methods = [m for m in FREE if all(m in table.columns for table in tables.values())]
    least = {m: min(float(table[m].min()) for table in tables.values()) for m in methods}
    here = ", ".join(f"{LABELS[m]} {number_text(value)}" for m, value in least.items())
    return Finding(
        key="none-is-consistent",
        claim="Without constraints no similarity goes consistently with the distance, under lattice noise.",
        place="Section 2.1.2, Tables S1 and S2",
        rule=f"Pearson's or Spearman's coefficient of the similarity is below {CONSISTENT:g} at some level",
        result=f"lowest coefficient of each: {here}",
        cases={LABELS[m]: value < CONSISTENT for m, value in least.items()},
        unit="similarities",
        evidence=("table-s1", "table-s2"),
    )


def _at_strong(correlations: pd.DataFrame, statistic: Statistic) -> pd.DataFrame:
    rows = at(correlations, "lattice", statistic)
    rows = rows[np.isclose(rows.index.get_level_values("level"), STRONG_NOISE)]
    return rows.droplevel("level")


def _entropy_informs(correlations: pd.DataFrame) -> Finding:
    rows: Any = _at_strong(correlations, "mutual_information")
    others = [m for m in ("cosine", "mse") if {m, "entropy"} <= set(rows.index)]
    texts = [f"{LABELS[m]} {estimate_text(*rows.loc[m])}" for m in ("entropy", *others)] if others else []
    paper = printed("mutual_information", "lattice").loc[STRONG_NOISE]
    values = ", ".join(f"{LABELS[m]} {paper[m]:.2f}" for m in ("entropy", "cosine", "mse"))
    return Finding(
        key="entropy-informs",
        claim="At lattice noise 0.1 entropy similarity has a higher mutual information than cosine similarity and MSE.",
        place="Section 2.1.2, Fig. 4",
        rule="the 95 % interval of entropy similarity lies above that of the other",
        result=f"in nats: {', '.join(texts)}; printed: {values}",
        cases={LABELS[m]: bool(rows.loc["entropy", "low"] > rows.loc[m, "high"]) for m in others},
        unit="comparisons",
        evidence=("fig-4", "table-1"),
    )


def _by_coefficient(correlations: pd.DataFrame, rule: Callable[[pd.DataFrame], bool]) -> Mapping[str, bool]:
    """Return the outcome of a rule on the estimates at lattice noise 0.1, by coefficient."""
    tables = {STATISTIC_NAMES[s]: _at_strong(correlations, s) for s in COEFFICIENTS}
    return {name: bool(rule(rows)) for name, rows in tables.items() if {*FREE} <= set(rows.index)}


def _texts(correlations: pd.DataFrame, methods: tuple[str, ...]) -> str:
    parts = []
    for statistic in COEFFICIENTS:
        rows: Any = _at_strong(correlations, statistic)
        cells = [f"{LABELS[m]} {estimate_text(*rows.loc[m])}" for m in methods if m in rows.index]
        parts.append(f"{STATISTIC_NAMES[statistic]}: {', '.join(cells)}")
    return "; ".join(parts)


def _error_is_weakest(correlations: pd.DataFrame) -> Finding:
    weakest = [STATISTIC_NAMES[s] for s in COEFFICIENTS if printed(s, "lattice").loc[STRONG_NOISE].idxmin() == "mse"]
    return Finding(
        key="error-is-weakest",
        claim="At lattice noise 0.1 the mean squared error has the weakest correlation with the distance.",
        place="Section 2.1.2, Fig. 4",
        rule="its coefficient is the lowest of all methods",
        result=f"{_texts(correlations, FREE)}. "
        f"In the printed tables it is the lowest by {' and '.join(weakest) or 'neither'}",
        cases=_by_coefficient(correlations, lambda rows: rows["value"].idxmin() == "mse"),
        unit="coefficients",
        evidence=("fig-4", *STATISTIC_TABLES),
    )


def _cosine_and_entropy_alike(correlations: pd.DataFrame) -> Finding:
    def alike(rows: pd.DataFrame) -> bool:
        both = rows.loc[["cosine", "entropy"]]
        return bool(both["low"].max() <= both["high"].min())

    return Finding(
        key="cosine-entropy-alike",
        claim="At lattice noise 0.1 cosine and entropy similarity have comparable correlations with the distance.",
        place="Section 2.1.2, Fig. 4",
        rule="the 95 % intervals of the two coefficients share a point",
        result=_texts(correlations, ("cosine", "entropy")),
        cases=_by_coefficient(correlations, alike),
        unit="coefficients",
        evidence=("fig-4", *STATISTIC_TABLES),
    )


def _scattered(correlations: pd.DataFrame) -> Finding:
    rows: Any = _at_strong(correlations, "pearson")
    methods = [m for m in FREE if m in rows.index]
    here = ", ".join(f"{LABELS[m]} {rows.loc[m, 'value'] ** 2:.2f}" for m in methods)
    return Finding(
        key="scattered",
        claim="At lattice noise 0.1 the data scatter broadly: "
        "all similarities struggle to tell distinct geometries apart.",
        place="Section 2.1.2, Fig. 4",
        rule="the square of Pearson's coefficient, the part of the variance that a line explains, "
        f"is below {HALF_OF_VARIANCE:g}",
        result=f"squares: {here}",
        cases={LABELS[m]: bool(rows.loc[m, "value"] ** 2 < HALF_OF_VARIANCE) for m in methods},
        unit="similarities",
        evidence=("fig-4", "table-s1"),
    )
