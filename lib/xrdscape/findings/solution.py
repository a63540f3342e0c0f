"""Claims of PXRDnet's paper on what a nanocrystal's pattern and a formula tell, tested on our searches.

Its network is not run here: a claim on the task is tested with another solver, on other crystals of the same split.
"""

from typing import Any

import numpy as np
import pandas as pd

from xrdscape.findings.finding import Finding
from xrdscape.findings.terms import NEARLY_ALL, percent, rate_text
from xrdscape.study.solution_outcomes import (
    FULL,
    SUCCESS,
    SYSTEMS,
    compared_ways,
    headline,
    size_effect,
    summary,
)
from xrdscape.tables.solution import CONVENTIONS, WAYS, setting_name

FOUR_OF_FIVE, SEVEN_PER_CENT = 0.8, 0.07
"""Numbers of the abstract: share of crystals with candidates, and mean residual among these."""
MANY_ATOMS = 10
"""Atoms in the primitive cell above which a crystal counts as complex: half of MP-20's limit."""
SMALL = 10.0


def solution_findings(found: pd.DataFrame) -> list[Finding]:
    """Return the claims of PXRDnet's paper that searches can test.

    Args:
        found: as `solution_outcomes.searched` gives them, of all protocols and ways that there are.
    """
    head = headline(found)
    by_system = summary(head, ["convention", "size", "system"])
    return [
        _all_systems(by_system),
        _four_of_five(head),
        _seven_per_cent(head),
        _sizes_alike(head),
        _cubic_easiest(by_system),
        _falls_with_symmetry(by_system),
        _complex_harder(head),
        _pattern_guides(found),
        _residual_means_success(head),
    ]


def _settings(head: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return the settings of the headline by name, with their searches."""
    groups = [rows for _, rows in head.groupby(["size", "convention"])]
    return [(setting_name(rows.iloc[0].to_dict()), rows) for rows in groups]


def _all_systems(by_system: pd.DataFrame) -> Finding:
    rows = by_system[by_system["size"] == SMALL].to_dict("records")
    least = min(rows, key=lambda row: row["loose_10"], default=None)
    counts = f"{round(least['loose_10'] * least['crystals'])} of {least['crystals']}" if least else ""
    return Finding(
        key="nano-all-systems",
        claim="Nanocrystals as small as 10 Å can be solved from pattern and formula, in all seven crystal systems.",
        place="Abstract; Results",
        rule="at 10 Å more than half of a system's crystals have a loose match among ten candidates",
        result=f"fewest for {least['system']} crystals, {setting_name(least)}: {counts}" if least else "",
        cases={f"{row['system']}, {setting_name(row)}": bool(row["loose_10"] > 0.5) for row in rows},
        unit="pairs of system and setting",
        evidence=("fig-solution-systems", "table-solution-systems"),
    )


def _four_of_five(head: pd.DataFrame) -> Finding:
    counts = {name: (int(rows["loose_10"].sum()), len(rows)) for name, rows in _settings(head)}
    return Finding(
        key="nano-four-of-five",
        claim="Structural candidates are determined four times out of five.",
        place="Abstract",
        rule=f"at a setting at least {percent(FOUR_OF_FIVE)} of the crystals have a loose match among ten candidates",
        result="; ".join(f"{name}: {rate_text(*pair)}" for name, pair in counts.items()),
        cases={name: matched / trials >= FOUR_OF_FIVE for name, (matched, trials) in counts.items()},
        unit="settings",
        evidence=("table-solution-matches",),
    )


def _seven_per_cent(head: pd.DataFrame) -> Finding:
    means = {name: float(rows.loc[rows["loose_10"].astype(bool), "best"].mean()) for name, rows in _settings(head)}
    return Finding(
        key="nano-seven-per-cent",
        claim="Among the candidates that are found the error is 7 % on average (R_wp² after refinement).",
        place="Abstract",
        rule=f"at a setting the best R_wp² of ten, averaged over crystals with a loose match among these, "
        f"is {SEVEN_PER_CENT:g} at most",
        result="; ".join(f"{name}: {mean:.4f}" for name, mean in means.items()),
        cases={name: mean <= SEVEN_PER_CENT for name, mean in means.items() if np.isfinite(mean)},
        unit="settings",
        evidence=("table-solution-residuals",),
    )


def _sizes_alike(head: pd.DataFrame) -> Finding:
    rows = size_effect(head).to_dict("records")
    texts = [
        f"{CONVENTIONS[row['convention']]} {100 * row['value']:+.1f} [{100 * row['low']:+.1f},\u00a0"
        f"{100 * row['high']:+.1f}]".replace("-", "−")
        for row in rows
    ]
    return Finding(
        key="nano-sizes-alike",
        claim="Crystals of 10 Å are solved about as well as those of 100 Å.",
        place="Qualitative Analysis; Table 1",
        rule="by a convention, the 95 % interval of the difference in loose matches among ten, pair by pair, holds 0",
        result="matches at 100 Å less those at 10 Å, in percentage points: " + "; ".join(texts),
        cases={f"{CONVENTIONS[row['convention']]}": bool(row["low"] <= 0 <= row["high"]) for row in rows},
        unit="conventions",
        evidence=("table-solution-matches",),
    )


def _means(by_system: pd.DataFrame) -> list[tuple[str, "pd.Series[float]"]]:
    """Return the mean R_wp^2 by system of each setting by name, where all seven systems are there."""
    whole = [(name, rows) for name, rows in _settings(by_system) if set(rows["system"]) == set(SYSTEMS)]
    return [(name, rows.set_index("system")["mean"]) for name, rows in whole]


def _cubic_easiest(by_system: pd.DataFrame) -> Finding:
    means = _means(by_system)
    return Finding(
        key="nano-cubic-easiest",
        claim="The cubic system is the easiest to solve.",
        place="Comparison Across Crystal Systems; Table 2",
        rule="at a setting the mean of the best R_wp² of ten is lowest for cubic crystals",
        result="lowest: "
        + "; ".join(f"{name} {m.idxmin()} ({m.min():.4f}), cubic {m['cubic']:.4f}" for name, m in means),
        cases={name: bool(m.idxmin() == "cubic") for name, m in means},
        unit="settings",
        evidence=("table-solution-systems",),
    )


def _falls_with_symmetry(by_system: pd.DataFrame) -> Finding:
    means = _means(by_system)
    poor = ("tetragonal", "triclinic")
    return Finding(
        key="nano-poor-systems",
        claim="Success falls with falling symmetry: triclinic and tetragonal crystals do poorly.",
        place="Comparison Across Crystal Systems; Table 2",
        rule="at a setting the mean of the best R_wp² of ten of the system is above that of most of the seven systems",
        result="; ".join(f"{name}: " + ", ".join(f"{s} {m[s]:.4f}" for s in poor) + f", median of the systems "
                         f"{m.median():.4f}" for name, m in means),
        cases={f"{system}, {name}": bool(m[system] > m.median()) for name, m in means for system in poor},
        unit="pairs of system and setting",
        evidence=("table-solution-systems",),
    )  # fmt: skip


def _complex_harder(head: pd.DataFrame) -> Finding:
    cases, texts = {}, []
    for name, rows in _settings(head):
        many = rows["sites"] > MANY_ATOMS
        if many.any() and (~many).any():
            table: Any = summary(rows.assign(many=many), ["many"]).set_index("many")
            cases[name] = bool(table.loc[True, "loose_10_high"] < table.loc[False, "loose_10_low"])
            large, small = (rows[part]["loose_10"] for part in (many, ~many))
            pairs = ((int(part.sum()), len(part)) for part in (large, small))
            texts.append(f"{name}: {' against '.join(rate_text(*pair) for pair in pairs)}")
    return Finding(
        key="nano-complex-harder",
        claim="More complex structures are harder to solve.",
        place="Comparison Across Crystal Systems",
        rule=f"at a setting the 95 % interval of loose matches among ten of crystals with more than {MANY_ATOMS} atoms "
        "in the primitive cell lies below that of the others",
        result="more atoms against fewer, " + "; ".join(texts),
        cases=cases,
        unit="settings",
        evidence=("fig-solution-classes",),
    )


def _pattern_guides(found: pd.DataFrame) -> Finding:
    blind = ("nearest chemistry", "random entry")
    wanted = found[(found["protocol"] == "strict") & found["way"].isin((FULL, *blind))]
    rows = compared_ways(wanted, FULL, "below").to_dict("records")
    matches = {(row["way"], setting_name(row)): row["value"] for row in compared_ways(wanted, FULL).to_dict("records")}
    texts = [
        f"{WAYS[row['way']]}, {setting_name(row)} {100 * row['value']:+.0f}, in loose matches "
        f"{100 * matches[row['way'], setting_name(row)]:+.0f}".replace("-", "−")
        for row in rows
    ]
    return Finding(
        key="nano-pattern-guides",
        claim="A search that the pattern guides has considerably lower R_wp² than one that it does not guide.",
        place="Quantitative Analysis; Table 1",
        rule="without the pattern, the 95 % interval of the difference in crystals with R_wp² below "
        f"{SUCCESS:g}, pair by pair, lies below 0",
        result="difference to the whole method in percentage points: " + "; ".join(texts),
        cases={f"{WAYS[row['way']]}, {setting_name(row)}": bool(row["high"] < 0) for row in rows},
        unit="pairs of baseline and setting",
        evidence=("table-solution-ways",),
    )


def _residual_means_success(head: pd.DataFrame) -> Finding:
    counts = {}
    for name, rows in _settings(head):
        low = rows[rows["first"] < SUCCESS]
        if len(low):
            counts[name] = (int(low["loose_1"].sum()), len(low))
    return Finding(
        key="nano-residual-means-success",
        claim="R_wp² below 10 % is a success: the structure is solved.",
        place="Quantitative Analysis; Methods, Metric",
        rule=f"at a setting, of the first candidates with R_wp² below {SUCCESS:g}, the share that match loosely is "
        f"{percent(NEARLY_ALL)} at least",
        result="; ".join(f"{name}: {rate_text(*pair)} of {pair[1]}" for name, pair in counts.items()),
        cases={name: matched / trials >= NEARLY_ALL for name, (matched, trials) in counts.items()},
        unit="settings",
        evidence=("table-solution-mistakes", "fig-solution-fooled"),
    )
