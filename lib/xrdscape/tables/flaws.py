"""Recovery from flawed patterns, read off its records: rates by the size of each flaw, and how much of it is borne."""

import math
from typing import cast

import pandas as pd

from xrdscape.diffraction.artefacts import FAMILY, FLAWS, NONE
from xrdscape.errors import RecordError
from xrdscape.evaluation.estimates import jeffreys_interval
from xrdscape.study.artefacts import PLAN
from xrdscape.study.audit import audit
from xrdscape.study.jobs.artefact import COPIES, artefact_jobs
from xrdscape.study.store import store_of

SAME_LOSS = 1e-5
"""Cosine losses in float32 that are nearer than this are one."""

SIDES = {
    ("width", -1): "Peaks narrower",
    ("width", 1): "Peaks wider",
    (FAMILY, -1): "Family that forbids the cell",
    (FAMILY, 1): "Family that allows too much",
}
"""What the two ways to be wrong are called, where there are two."""

WAYS = {False: "free", True: "family known"}
"""By whether the cell is projected."""

OUTCOMES = {False: "with the cell free", True: "with its family known"}
"""The same within a sentence."""


def flaw_records(copies: int = COPIES, seed: int = 0) -> pd.DataFrame:
    """The recorded descents towards flawed targets.

    Args:
        copies, seed: those of the run that made them.

    Raises:
        RecordError: there are none.
    """
    rows = store_of(PLAN).load(artefact_jobs(copies=copies, seed=seed))
    if rows.empty:
        raise RecordError(
            f"No recoveries from flawed patterns are recorded for {copies} copies and seed {seed}. "
            "`xrdscape flaws` makes them."
        )
    return rows


def rates_by_size(records: pd.DataFrame) -> pd.DataFrame:
    """How often the crystal is found, by flaw, size, and whether the cell is projected.

    Args:
        records: as `flaw_records` gives them.

    Returns:
        DataFrame, each flaw's sizes in ascending order with the flawless one among them: flaw, projected, size,
        trials, tight (matches), rate with low and high (Jeffreys, 95 %), conventional (rate), misled (share whose end
        is no tight match and explains the target as well as the truth, or better), cosine (median similarity to the
        target at the end), flawless (rate of the same crystals without the flaw).
    """
    rows = []
    for name, flaw in FLAWS.items():
        for projected in WAYS:
            ours = records[records["projected"] == projected]
            part = ours[ours["flaw"] == name]
            if part.empty:
                continue
            sound = ours[ours["flaw"] == NONE].assign(flaw_size=flaw.flawless)
            for size, group in pd.concat([part, sound]).groupby("flaw_size"):
                tight = group["match_tight_end"].astype(bool)
                low, high = jeffreys_interval(int(tight.sum()), len(group))
                misled = ~tight & (group["end_loss"] <= group["truth_loss"] + SAME_LOSS)
                same = sound[sound["structure"].isin(group["structure"])]
                rates = tight.mean(), low, high, group["match_conventional_end"].mean(), misled.mean()
                told = -group["end_loss"].median(), same["match_tight_end"].mean()
                rows.append((name, projected, size, len(group), int(tight.sum()), *rates, *told))
    columns = [
        *("flaw", "projected", "size", "trials", "tight", "rate", "low", "high"),
        *("conventional", "misled", "cosine", "flawless"),
    ]
    return pd.DataFrame(rows, columns=columns)


def tolerated(rates: pd.DataFrame) -> pd.DataFrame:
    """How large each flaw may be: going outwards from none, the last size before recovery is below half of what it is
    without the flaw.

    Args:
        rates: as `rates_by_size` gives them.

    Returns:
        DataFrame, one row for each flaw, way to be wrong, and whether the cell is projected: flaw, side (-1 or 1),
        projected, holds (size; the flawless one where none does) and its rate, breaks (size; NaN where none does) and
        its rate.
    """
    rows = []
    for (name, projected), part in rates.groupby(["flaw", "projected"], sort=False):
        own, flawless = part.set_index("size"), FLAWS[str(name)].flawless
        for side in (-1, 1):
            sizes = sorted((s for s in own.index if (s - flawless) * side > 0), reverse=side < 0)
            if not sizes:
                continue
            bad = [size for size in sizes if own.loc[size, "rate"] < own.loc[size, "flawless"] / 2]
            kept = sizes[: sizes.index(bad[0])] if bad else sizes
            holds, breaks = (kept[-1] if kept else flawless), (bad[0] if bad else math.nan)
            at = [own["rate"].get(size, math.nan) for size in (holds, breaks)]
            rows.append((name, side, projected, holds, at[0], breaks, at[1]))
    columns = ["flaw", "side", "projected", "holds", "holds_rate", "breaks", "breaks_rate"]
    return pd.DataFrame(rows, columns=columns)


def tolerated_table(rates: pd.DataFrame) -> pd.DataFrame:
    """`tolerated` in words and per cent, free cells beside projected ones."""
    rows = []
    for key, part in tolerated(rates).groupby(["flaw", "side"], sort=False):
        name, side = cast(tuple[str, int], key)
        row = {"Flaw": _side_text(name, side), "Size": FLAWS[name].size_label}
        for projected, way in WAYS.items():
            own = part[part["projected"] == projected]
            for column, words in (("holds", "holds up to"), ("breaks", "breaks at")):
                told = [
                    f"{size_text(name, size)} ({per_cent(rate)})" if size == size else "not reached"
                    for size, rate in zip(own[column], own[f"{column}_rate"], strict=True)
                ]
                row[f"{way.capitalize()}: {words}"] = told[0] if told else "–"
        rows.append(row)
    return pd.DataFrame(rows)


def rates_table(rates: pd.DataFrame) -> pd.DataFrame:
    """Every rate: tight matches with intervals, conventional matches, descents that were misled."""
    return pd.DataFrame(
        {
            "Flaw": [FLAWS[name].label for name in rates["flaw"]],
            "Size": [size_text(*pair) for pair in zip(rates["flaw"], rates["size"], strict=True)],
            "Cell": rates["projected"].map(WAYS).where(rates["flaw"] != FAMILY, "wrong family").to_numpy(),
            "Descents": rates["trials"].to_numpy(),
            "Tight": [
                f"{per_cent(rate)} [{100 * low:.0f},\u00a0{100 * high:.0f}]"
                for rate, low, high in zip(rates["rate"], rates["low"], rates["high"], strict=True)
            ],
            "Conventional": rates["conventional"].map(per_cent).to_numpy(),
            "Misled": rates["misled"].map(per_cent).to_numpy(),
            "Cosine at the end": rates["cosine"].to_numpy(),
        }
    )


def size_text(flaw: str, size: float) -> str:
    """A size as axes and tables write it."""
    if size == FLAWS[flaw].flawless:
        return "none" if flaw in ("counts", FAMILY) else f"{size:g}"
    text = f"{size:+g}" if flaw == FAMILY else f"{size:,.0f}" if flaw == "counts" else f"{size:g}"
    return text.replace("-", "−")


def told_size(flaw: str, size: float) -> str:
    """A size as a sentence says it."""
    return FLAWS[flaw].told.format(size_text(flaw, size))


def flaws_sample_text(records: pd.DataFrame) -> str:
    """The size of the sample, for captions."""
    copies, structures = records["copy"].nunique(), records["structure"].nunique()
    level, seed = records["level"].iloc[0], records["seed"].iloc[0]
    return (
        f"{copies} distorted copies of each of {structures} structures, lattice noise {level:g}, seed {seed}, "
        f"{len(records):,} descents in all"
    )


def broken_text(rates: pd.DataFrame, projected: bool) -> str:
    """Which flaws leave at least half of the recovery at every size tried, and which do not, with free or projected
    cells."""
    found = tolerated(rates)
    found = found[(found["projected"] == projected) & (found["flaw"] != FAMILY)]
    borne = [_side_text(r["flaw"], r["side"]).lower() for r in found.to_dict("records") if r["breaks"] != r["breaks"]]
    broken = [
        f"{_side_text(r['flaw'], r['side']).lower()} at {told_size(r['flaw'], r['breaks'])}"
        for r in found.to_dict("records")
        if r["breaks"] == r["breaks"]
    ]
    told = []
    if borne:
        told.append(f"at every size tried, at least half of the flawless recovery is left with {', '.join(borne)}")
    if broken:
        told.append(f"it falls below half with {', '.join(broken)}")
    return "; ".join(told)


def borne_text(rates: pd.DataFrame, projected: bool) -> str:
    """Of each flaw of the pattern the last size before recovery falls below half, with free or projected cells."""
    found = tolerated(rates)
    found = found[(found["projected"] == projected) & (found["flaw"] != FAMILY)]
    told = [(_side_text(r["flaw"], r["side"]).lower(), r["flaw"], r["holds"]) for r in found.to_dict("records")]
    return "; ".join(
        f"{words}: {'at no size tried' if size == FLAWS[flaw].flawless else told_size(flaw, size)}"
        for words, flaw, size in told
    )


def outcome_text(rates: pd.DataFrame, flaw: str, size: float) -> str:
    """What becomes of descents at one size of a flaw, with free cells and with projected ones."""
    own = rates[(rates["flaw"] == flaw) & (rates["size"] == size)]
    if own.empty:
        sizes = ", ".join(f"{tried:g}" for tried in FLAWS[flaw].sizes)
        raise RecordError(f"{FLAWS[flaw].label} of size {size:g} is not recorded. Use one of: {sizes}.")
    return "; ".join(
        f"{OUTCOMES[row['projected']]}, {per_cent(row['rate'])} are found, {per_cent(row['misled'])} misled "
        f"and {per_cent(_lost(row))} lost"
        for _, row in own.iterrows()
    )


def misled_text(rates: pd.DataFrame, projected: bool) -> str:
    """At the largest size of each flaw of the pattern: the share of descents that were misled, and that were lost."""
    told = []
    for name, flaw in FLAWS.items():
        own = rates[(rates["flaw"] == name) & (rates["size"] == flaw.sizes[-1]) & (rates["projected"] == projected)]
        if name != FAMILY and len(own):
            row = own.iloc[0]
            told.append(
                f"{flaw.label.lower()} ({told_size(name, row['size'])}): {per_cent(row['misled'])} misled, "
                f"{per_cent(_lost(row))} lost"
            )
    return "; ".join(told)


def family_text(rates: pd.DataFrame) -> str:
    """How often the crystal is found, by how many parameters the family leaves free that the truth fixes."""
    own = rates[(rates["flaw"] == FAMILY) & (rates["size"] > 0)]
    found, trials = own["tight"].sum(), own["trials"].sum()
    few, many = own["size"].min(), own["size"].max()
    return f"{found:,} of {trials:,} descents are found, with {few:g} to {many:g} parameters too many"


def forbidden_text(rates: pd.DataFrame) -> str:
    """What similarity to the target shows that a family forbids the true cell, against that with the true family."""
    own = rates[rates["flaw"] == FAMILY].sort_values("size", ascending=False)
    if own.empty:
        return "nothing recorded"
    right = own[own["size"] == 0]["cosine"].iloc[0]
    wrong = [f"{row['cosine']:.2f} at {size_text(FAMILY, row['size'])}" for _, row in own[own["size"] < 0].iterrows()]
    return f"{right:.4f} with the true family, {', '.join(wrong)}"


def remade_text(sample: int, seed: int) -> str:
    """How many records are the same when they are made again (see `audit`), in words.

    Args:
        sample: how many, picked at random.
        seed: of the choice.
    """
    verdicts = [row["verdict"] for row in audit(store_of(PLAN), sample, seed)]
    told = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in dict.fromkeys(verdicts))
    return f"of {len(verdicts)}, {told}"


def _lost(row: pd.Series) -> float:
    """Share of descents that end where the target is explained worse than by the truth; never negative by rounding."""
    return abs(round(1 - row["rate"] - row["misled"], 9))


def _side_text(flaw: str, side: int) -> str:
    return SIDES.get((flaw, side), FLAWS[flaw].label)


def per_cent(share: float) -> str:
    """A share as texts and tables write it."""
    return f"{100 * share:.0f}\u00a0%"
