"""Claims on relaxation and on the landscape of the energy (the paper's Figures 6 and S5)."""

from typing import Any

import pandas as pd

from xrdscape.crystal.distortion import Noise
from xrdscape.findings.finding import Finding
from xrdscape.findings.terms import FREE, NEARLY_ALL, percent, rate_text
from xrdscape.study.columns import SETTING, match
from xrdscape.study.outcomes import at_setting
from xrdscape.study.records import CHGNET
from xrdscape.tables.words import setting_text

HARDEST: tuple[Noise, float] = ("coordinates", 0.1)
"""The one setting at which the paper's relaxations fail."""


def energy_findings(rates: pd.DataFrame, relaxations: pd.DataFrame, minima: pd.DataFrame) -> list[Finding]:
    """Return the paper's claims on relaxation and energy (its Figures 6 and S5).

    Args:
        rates: of descents and relaxations, as `statistics.joined_rates` gives them.
        relaxations: records.
        minima: of pattern loss and energy, as `minima.paired_minima` gives them.
    """
    rates = rates.set_index(SETTING).sort_index()
    counts = {
        f"{row['structure']} ({row['slice']})": (row["pattern"], row["energy"]) for row in minima.to_dict("records")
    }
    return [
        _recovers(rates),
        _above_descents(rates),
        _other_minimum(relaxations),
        _one_basin(counts),
        _more_rugged(counts),
    ]


def _recovers(rates: pd.DataFrame) -> Finding:
    relaxed: Any = rates.xs(CHGNET, level="method")
    texts = [
        f"{setting_text(*key)}: {rate_text(int(row['matched']), int(row['trials']))}"
        for key, row in relaxed.iterrows()
        if row["rate"] < 1
    ]
    cases = {
        setting_text(*key): bool(row["high"] < NEARLY_ALL if key == HARDEST else row["high"] >= NEARLY_ALL)
        for key, row in relaxed.iterrows()
    }
    return Finding(
        key="relaxation-recovers",
        claim="Relaxation by CHGNet recovers the structures from the distorted state alone, "
        "but for coordinate noise 0.1.",
        place="Section 2.3, Fig. 6",
        rule=f"the 95 % interval of its match rate reaches {percent(NEARLY_ALL)}, "
        "and at coordinate noise 0.1 lies below",
        result=f"{'; '.join(texts)}; all matched at the other settings" if texts else "all matched at all settings",
        cases=cases,
        unit="settings",
        evidence=("fig-6",),
    )


def _above_descents(rates: pd.DataFrame) -> Finding:
    low, high, rate = (rates[column].unstack("method") for column in ("low", "high", "rate"))
    hard = rate[(rate[list(FREE)].max(axis=1) < NEARLY_ALL) & rate[CHGNET].notna()].index
    cases = {setting_text(*key): bool(low.loc[key, CHGNET] > high.loc[key, list(FREE)].max()) for key in hard}
    texts = [
        f"{setting_text(*key)}: {percent(rate.loc[key, CHGNET])} against {percent(rate.loc[key, list(FREE)].max())}"
        for key in hard
    ]
    return Finding(
        key="relaxation-above-descents",
        claim="Where descent on patterns struggles, relaxation recovers more.",
        place="Section 2.3, Fig. 6",
        rule=f"at a setting where no free method reaches {percent(NEARLY_ALL)}, "
        "the 95 % interval of relaxation lies above that of every free method",
        result=f"against the best free method, by setting: {'; '.join(texts)}",
        cases=cases,
        unit="settings",
        evidence=("fig-6",),
    )


def _other_minimum(relaxations: pd.DataFrame) -> Finding:
    noise, level = HARDEST
    rows = at_setting(relaxations, noise, level)
    lost = rows[~rows[match("conventional", "end")].astype(bool)]
    counts = lost.groupby("structure")["converged"].agg(["sum", "size"])
    n, settled = len(lost), int(lost["converged"].sum())
    return Finding(
        key="other-minimum",
        claim="At coordinate noise 0.1 the failed relaxations plausibly lie in the basin "
        "of another minimum of the energy.",
        place="Section 2.3",
        rule="of the structure's relaxations without a match, more than half converged, that is, rest in a minimum",
        result=f"{rate_text(settled, n)} of {n} converged" if n else "",
        cases={str(name): bool(converged > size / 2) for name, converged, size in counts.itertuples()},
        unit="structures",
        evidence=("table-relaxations",),
    )


def _one_basin(minima: dict[str, tuple[int, int]]) -> Finding:
    return Finding(
        key="energy-smooth",
        claim="Around the truth the energy is smooth and largely convex in the lattice parameters.",
        place="Abstract; Section 2.3, Figs. 6 and S5",
        rule="the energy has one minimum on the slice (barriers of 1 % of the range or more count)",
        result="minima: " + "; ".join(f"{name}: {energy}" for name, (_, energy) in minima.items()),
        cases={name: energy == 1 for name, (_, energy) in minima.items()},
        unit="slices",
        evidence=("fig-6-map", "fig-s5", "table-roughness"),
    )


def _more_rugged(minima: dict[str, tuple[int, int]]) -> Finding:
    return Finding(
        key="pattern-more-rugged",
        claim="The landscape of the pattern loss is more rugged than that of the energy.",
        place="Abstract; Sections 2.3 and 3",
        rule="on the slice the pattern loss has more minima than the energy "
        "(barriers of 1 % of the range or more count)",
        result="minima of pattern loss and energy: "
        + "; ".join(f"{name}: {pattern} and {energy}" for name, (pattern, energy) in minima.items()),
        cases={name: pattern > energy for name, (pattern, energy) in minima.items()},
        unit="slices",
        evidence=("fig-6-map", "table-roughness"),
    )
