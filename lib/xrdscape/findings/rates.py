"""Claims on match rates (the paper's Figure 1), tested on our descents."""

from typing import Any

import pandas as pd

from xrdscape.findings.agreement import deceptive_similarity, inverted_similarity, still_trapped
from xrdscape.findings.finding import Finding
from xrdscape.findings.hidden import projection_guides
from xrdscape.findings.terms import FREE, NEARLY_ALL, STRONG_NOISE, percent, rate_text
from xrdscape.study import statistics
from xrdscape.study.columns import SETTING, match
from xrdscape.study.records import NOISED
from xrdscape.tables.words import LABELS, setting_text

LENGTH_TOLERANCE, ANGLE_TOLERANCE_DEG = 0.1, 5.0
"""The paper's tolerances of a match on lengths (relative) and angles."""


def rate_findings(records: pd.DataFrame, gains: pd.DataFrame) -> list[Finding]:
    """Return the paper's claims on match rates and on single descents (its Figures 1, 5 and S4).

    Args:
        records: of descents.
        gains: by projection and descent, as `projection.projection_gains` gives them.
    """
    rates = statistics.match_rates(records).set_index(SETTING).sort_index()
    return [
        _largest_drop(rates),
        _within_tolerance(records),
        _objectives_alike(rates),
        _struggles(rates),
        _constraints_help(rates),
        _constraints_help_many(records),
        projection_guides(gains),
        still_trapped(records),
        deceptive_similarity(records),
        inverted_similarity(records),
        _last_mile(records),
    ]


def _largest_drop(rates: pd.DataFrame) -> Finding:
    wide: Any = rates["rate"].unstack("method").loc["lattice"].drop(columns=NOISED)
    falls = -wide.diff().iloc[1:]
    tested = len(falls) > 1 and {0.05, STRONG_NOISE} <= set(wide.index)
    here = [f"{LABELS[m]} {100 * falls.loc[STRONG_NOISE, m]:.0f}" for m in falls.columns] if tested else []
    steepest = falls.idxmax()
    return Finding(
        key="largest-drop",
        claim="Under lattice noise the match rate falls most between noise levels 0.05 and 0.1.",
        place="Section 2, Fig. 1a",
        rule="a method's match rate falls more there than between any other two neighbouring levels",
        result=f"fall there in percentage points: {', '.join(here)}",
        cases={LABELS[m]: bool(steepest[m] == STRONG_NOISE) for m in falls.columns} if tested else {},
        unit="methods",
        evidence=("fig-1",),
    )


def _within_tolerance(records: pd.DataFrame) -> Finding:
    off = statistics.off_reference(records, STRONG_NOISE)
    lengths = int((off[:, :3] <= LENGTH_TOLERANCE).all(1).sum())
    angles = int((off[:, 3:] <= ANGLE_TOLERANCE_DEG).all(1).sum())
    n = len(off)
    return Finding(
        key="within-tolerance",
        claim="At lattice noise 0.1 the lattice parameters typically stay within the matcher's tolerances.",
        place="Section 2",
        rule="in more than half of the starts at this level all three parameters of the kind are within tolerance: "
        f"{100 * LENGTH_TOLERANCE:.0f} % for lengths, {ANGLE_TOLERANCE_DEG:g}° for angles",
        result=f"lengths in {rate_text(lengths, n)}, angles in {rate_text(angles, n)} of {n} starts" if n else "",
        cases={"lengths": lengths > n / 2, "angles": angles > n / 2} if n else {},
        unit="kinds of parameter",
        evidence=("fig-1",),
    )


def _objectives_alike(rates: pd.DataFrame) -> Finding:
    free: Any = rates[rates.index.get_level_values("method").isin(FREE)]
    settings = free.groupby(["noise", "level"])
    alike = settings["low"].max() <= settings["high"].min()
    spread = settings["rate"].max() - settings["rate"].min()
    noise, level = spread.idxmax()
    best = free.loc[(noise, level), "rate"]
    return Finding(
        key="objectives-alike",
        claim="The choice of objective makes little or no difference.",
        place="Section 2, Fig. 1",
        rule="the 95 % intervals of the four free methods' match rates share a point",
        result=f"largest difference {100 * spread.max():.0f} percentage points, "
        f"at {setting_text(noise, level)}, {LABELS[best.idxmax()]} above {LABELS[best.idxmin()]}",
        cases={setting_text(*key): bool(alike[key]) for key in alike.index},
        unit="settings",
        evidence=("fig-1",),
    )


def _struggles(rates: pd.DataFrame) -> Finding:
    starts = rates.xs(NOISED, level="method")["rate"]
    hard = [key for key in starts.index if starts[key] < NEARLY_ALL]
    rows = {(*key, m): rates.loc[(*key, m)] for key in hard for m in FREE if (*key, m) in rates.index}
    best = max(rows, key=lambda key: rows[key]["rate"], default=None)
    result = f"highest {_counts_text(rows[best])}, {LABELS[best[2]]} at {setting_text(*best[:2])}" if best else ""
    return Finding(
        key="descent-struggles",
        claim="Descent on the similarity of patterns struggles to recover the structure, under both kinds of noise.",
        place="Fig. 1, caption; Sections 2.3 and 3",
        rule=f"at a setting where fewer than {percent(NEARLY_ALL)} of the starts match as they are, "
        "the 95 % interval of a free method's match rate does not lie above one half",
        result=result,
        cases={f"{setting_text(*key[:2])}, {LABELS[key[2]]}": bool(row["low"] <= 0.5) for key, row in rows.items()},
        unit="pairs of setting and method",
        evidence=("fig-1",),
    )


def _constraints_help(rates: pd.DataFrame) -> Finding:
    free, bound = (
        rates.xs(m, level="method").loc["lattice"] if ("lattice", m) in _methods(rates) else rates.iloc[:0]
        for m in ("cosine", "cosine_constrained")
    )
    levels = [level for level in free.index if level in bound.index and free.loc[level, "rate"] < 1]
    here = [
        f"{level:g}: {_counts_text(bound.loc[level])} against {_counts_text(free.loc[level])}"
        for level in levels
        if level >= STRONG_NOISE
    ]
    return Finding(
        key="constraints-help",
        claim="Constraining the descent to the true crystal family raises the match rate significantly, "
        "even at high lattice noise.",
        place="Abstract; Section 2.1, Fig. 1a; Section 3",
        rule="at a level of lattice noise where free descent on cosine similarity does not find all, "
        "the 95 % interval with constraints lies above that without",
        result=f"with against without, by level: {'; '.join(here)}",
        cases={f"{level:g}": bool(bound.loc[level, "low"] > free.loc[level, "high"]) for level in levels},
        unit="levels",
        evidence=("fig-1",),
    )


def _methods(rates: pd.DataFrame) -> set[tuple[str, str]]:
    return {(noise, method) for noise, _, method in rates.index}


def _counts_text(row: pd.Series) -> str:
    return rate_text(int(row["matched"]), int(row["trials"]))


def _constraints_help_many(records: pd.DataFrame) -> Finding:
    strong = records[(records["noise"] == "lattice") & (records["level"] >= STRONG_NOISE)]
    strong = strong[strong["method"].isin(("cosine", "cosine_constrained"))]
    found = statistics.rates(strong, ["structure", "method"], match("conventional", "end"))
    both: Any = found.pivot(index="structure", columns="method", values=["rate", "low", "high"]).dropna()
    cases, gains = {}, {}
    for name, row in both.iterrows():
        cases[str(name)] = bool(row["low", "cosine_constrained"] > row["high", "cosine"])
        gains[str(name)] = float(row["rate", "cosine_constrained"] - row["rate", "cosine"])
    least, most = (min(gains, key=lambda k: gains[k]), max(gains, key=lambda k: gains[k])) if gains else ("", "")
    return Finding(
        key="constraints-help-many",
        claim="The constraints help for many of the structures.",
        place="Section 2.1, Fig. 1a",
        rule=f"over lattice noise from {STRONG_NOISE:g} on, the 95 % interval of the structure's match rate "
        "with constraints lies above that without (cosine similarity)",
        result=f"gain from {100 * gains[least]:.0f} ({least}) to {100 * gains[most]:.0f} percentage points ({most})"
        if gains
        else "",
        cases=cases,
        unit="structures",
        evidence=("fig-1",),
    )


def _last_mile(records: pd.DataFrame) -> Finding:
    roughly, tightly = (records[match(kind, "start")].astype(bool) for kind in ("conventional", "tight"))
    near = records[roughly & ~tightly & records["method"].isin(FREE)]
    solved = match("tight", "end")
    cases = {
        f"{setting_text(row['noise'], row['level'])}, {LABELS[row['method']]}": bool(row["low"] <= 0.5)
        for row in statistics.rates(near, SETTING, solved).to_dict("records")
    }
    total: Any = statistics.rates(near, ["method"], solved).set_index("method")
    here = ", ".join(f"{LABELS[m]} {_counts_text(total.loc[m])}" for m in FREE if m in total.index)
    return Finding(
        key="last-mile",
        claim="Optimisation on the pattern alone is often insufficient for the last mile of refinement.",
        place="Section 3",
        rule="of a free method's descents from starts that match but not tightly, at one setting, "
        "not more than half end in a tight match (the 95 % interval does not lie above one half)",
        result=f"share of tight matches from such starts at all levels: {here}",
        cases=cases,
        unit="pairs of setting and method",
        evidence=("table-criteria-lattice", "table-criteria-coordinates"),
    )
