"""Matches by the published criterion: how many are solved crystals, and how many the projection makes alone."""

import pandas as pd

from xrdscape.findings.finding import Finding
from xrdscape.findings.terms import FREE, STRONG_NOISE, rate_text
from xrdscape.study.records import PUBLISHED_METHODS
from xrdscape.tables.words import LABELS, minus


def projection_guides(gains: pd.DataFrame) -> Finding:
    """Return the claim that constrained descent finds more than the projection of its starting model does.

    Args:
        gains: as `projection.projection_gains` gives them.
    """
    cases, here = {}, []
    for row in gains.to_dict("records"):
        cases[f"{row['level']:g}"] = row["low"] > 0
        interval = minus(f"{100 * row['gain']:+.0f} [{100 * row['low']:+.0f},\u00a0{100 * row['high']:+.0f}]")
        here.append(f"{row['level']:g}: {rate_text(row['projected'], row['trials'])}, {interval}")
    return Finding(
        key="projection-guides",
        claim="The projection guides the descent past local minima that have nothing to do with the symmetry.",
        place="Section 2.1, Fig. 1a",
        rule=f"at a level of lattice noise from {STRONG_NOISE:g} on, constrained descents match more often "
        "than their starts do when these are projected and not descended "
        "(95 % interval of the paired difference above 0)",
        result="match rate of the projected starts, and what descent adds in percentage points, by level: "
        + "; ".join(here),
        cases=cases,
        unit="levels",
        evidence=("table-projection",),
    )


def projection_table(gains: pd.DataFrame) -> pd.DataFrame:
    """Return the match rates of starting models, of projected ones, and of constrained descents, by level of lattice
    noise.

    Args:
        gains: as `projection.projection_gains` gives them.
    """
    heads = {
        "started": "Start, match",
        "projected": "Projected, match",
        "descended": "Descended, match",
        "projected_tight": "Projected, tight",
        "descended_tight": "Descended, tight",
    }
    return pd.DataFrame(
        [
            {
                "Level": f"{row['level']:g}",
                "Starts": row["trials"],
                **{head: rate_text(row[name], row["trials"]) for name, head in heads.items()},
            }
            for row in gains.to_dict("records")
        ]
    )


def projection_text(gains: pd.DataFrame) -> str:
    """Return the matches of starting models, of projected ones and of descents, over all levels of strong lattice
    noise, in words.

    Args:
        gains: as `projection.projection_gains` gives them.
    """
    n = int(gains["trials"].sum())
    if not n:
        return "This sample has no such starts."

    def text(name: str) -> str:
        return rate_text(int(gains[name].sum()), n)

    return (
        f"Of {n:,} starts at lattice noise {STRONG_NOISE:g} or more, "
        f"{text('started')} match as they are, {text('projected')} once projected, "
        f"and {text('descended')} after constrained descent. "
        f"Tight matches are {text('projected_tight')} of the projected starts, "
        f"and {text('descended_tight')} of the results of descent."
    )


def tight_share_table(counts: pd.DataFrame) -> pd.DataFrame:
    """Return the tight matches among the conventional ones: rows levels of lattice noise, columns methods.

    Args:
        counts: as `statistics.tight_among_matches` gives them.
    """
    rows = counts[counts["noise"] == "lattice"]
    methods = [m for m in PUBLISHED_METHODS if m in set(rows["method"])]
    return pd.DataFrame(
        [
            {"Level": f"{level:g}", **{LABELS[m]: _tight_of(part[part["method"] == m]) for m in methods}}
            for level, part in rows.groupby("level")
        ]
    )


def _tight_of(rows: pd.DataFrame) -> str:
    trials, matched, tight = (int(rows[name].sum()) for name in ("trials", "matched", "tight"))
    return f"{tight} of {matched}: {rate_text(tight, matched)}" if matched else f"of {trials} none"


def tight_share_text(counts: pd.DataFrame) -> str:
    """Return the share of matches that are tight over all levels of strong lattice noise, constrained and free, in
    words.

    Args:
        counts: as `statistics.tight_among_matches` gives them.
    """
    strong = counts[(counts["noise"] == "lattice") & (counts["level"] >= STRONG_NOISE)]
    sums = strong.groupby("method")[["matched", "tight"]].sum()
    texts = []
    for method in ("cosine_constrained", *FREE):
        matched, tight = (int(sums[name].get(method, 0)) for name in ("matched", "tight"))
        if matched:
            texts.append(f"{LABELS[method]} {rate_text(tight, matched)} of {matched}")
    return f"Share of tight ones among the matches from lattice noise {STRONG_NOISE:g} on: {'; '.join(texts)}."
