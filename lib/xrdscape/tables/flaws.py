"""Recovery from flawed patterns, read off its records: rates by the size of each flaw, and how much of it is borne."""

import math

import pandas as pd

from xrdscape.analysis.estimates import jeffreys_interval
from xrdscape.analysis.flaws import FAMILY, FLAWS, NONE
from xrdscape.errors import RecordError
from xrdscape.study.flaws import COPIES, flaw_shards
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


def flaw_records(copies: int = COPIES, seed: int = 0) -> pd.DataFrame:
    """The recorded descents towards flawed targets.

    Args:
        copies, seed: those of the run that made them.

    Raises:
        RecordError: there are none.
    """
    rows = store_of("flaws").load(flaw_shards(copies=copies, seed=seed))
    if rows.empty:
        raise RecordError(
            f"No recoveries from flawed patterns are recorded for {copies} copies and seed {seed}. "
            "`xrdscape flaws` makes them."
        )
    return rows


def rates_by_size(records: pd.DataFrame) -> pd.DataFrame:
    """How often the crystal is found, by flaw and size.

    Args:
        records: as `flaw_records` gives them.

    Returns:
        DataFrame, each flaw's sizes in ascending order with the flawless one among them: flaw, size, trials, tight
        (matches), rate with low and high (Jeffreys, 95 %), conventional (rate), misled (share whose end is no tight
        match and explains the target as well as the truth, or better), flawless (rate of the same crystals without the
        flaw).
    """
    rows = []
    for name, flaw in FLAWS.items():
        part = records[records["flaw"] == name]
        if name != FAMILY:
            part = pd.concat([part, records[records["flaw"] == NONE].assign(flaw_size=flaw.flawless)])
        sound = part[part["flaw_size"] == flaw.flawless]
        for size, group in part.groupby("flaw_size"):
            tight = group["match_tight_end"].astype(bool)
            low, high = jeffreys_interval(int(tight.sum()), len(group))
            misled = ~tight & (group["end_loss"] <= group["truth_loss"] + SAME_LOSS)
            same = sound[sound["structure"].isin(group["structure"])]
            rates = tight.mean(), low, high, group["match_conventional_end"].mean(), misled.mean()
            rows.append((name, size, len(group), int(tight.sum()), *rates, same["match_tight_end"].mean()))
    columns = ["flaw", "size", "trials", "tight", "rate", "low", "high", "conventional", "misled", "flawless"]
    return pd.DataFrame(rows, columns=columns)


def tolerated(rates: pd.DataFrame) -> pd.DataFrame:
    """How large each flaw may be: going outwards from none, the last size before recovery is below half of what it is
    without the flaw.

    Args:
        rates: as `rates_by_size` gives them.

    Returns:
        DataFrame, one row for each flaw and way to be wrong: flaw, side (-1 or 1), flawless (rate), holds (size; the
        flawless one where none does) and its rate, breaks (size; NaN where none does) and its rate.
    """
    rows = []
    for name, flaw in FLAWS.items():
        own = rates[rates["flaw"] == name].set_index("size")
        for side in (-1, 1):
            sizes = sorted((s for s in own.index if (s - flaw.flawless) * side > 0), reverse=side < 0)
            if not sizes:
                continue
            bad = [size for size in sizes if own.loc[size, "rate"] < own.loc[size, "flawless"] / 2]
            kept = sizes[: sizes.index(bad[0])] if bad else sizes
            holds, breaks = (kept[-1] if kept else flaw.flawless), (bad[0] if bad else math.nan)
            at = [own["rate"].get(size, math.nan) for size in (flaw.flawless, holds, breaks)]
            rows.append((name, side, at[0], holds, at[1], breaks, at[2]))
    columns = ["flaw", "side", "flawless", "holds", "holds_rate", "breaks", "breaks_rate"]
    return pd.DataFrame(rows, columns=columns)


def tolerated_table(rates: pd.DataFrame) -> pd.DataFrame:
    """`tolerated` in words and per cent."""
    found = tolerated(rates)
    names = [
        SIDES.get((name, side), FLAWS[name].label) for name, side in zip(found["flaw"], found["side"], strict=True)
    ]
    return pd.DataFrame(
        {
            "Flaw": names,
            "Size": [FLAWS[name].size_label for name in found["flaw"]],
            "Flawless": found["flawless"].map(_per_cent),
            "Holds up to": [size_text(*pair) for pair in zip(found["flaw"], found["holds"], strict=True)],
            "there": found["holds_rate"].map(_per_cent),
            "Breaks at": [size_text(*pair) for pair in zip(found["flaw"], found["breaks"], strict=True)],
            "there ": found["breaks_rate"].map(_per_cent),
        }
    )


def size_text(flaw: str, size: float) -> str:
    """A size as axes and tables write it."""
    if math.isnan(size):
        return "–"
    if size == FLAWS[flaw].flawless:
        return "none" if flaw != "width" else "1"
    text = f"{size:+g}" if flaw == FAMILY else f"{size:,.0f}" if flaw == "counts" else f"{size:g}"
    return text.replace("-", "−")


def flaws_sample_text(records: pd.DataFrame) -> str:
    """The size of the sample, for captions."""
    copies, structures = records["copy"].nunique(), records["structure"].nunique()
    level, seed = records["level"].iloc[0], records["seed"].iloc[0]
    return (
        f"{copies} distorted copies of each of {structures} structures, lattice noise {level:g}, seed {seed}, "
        f"{len(records):,} descents in all"
    )


def broken_text(rates: pd.DataFrame) -> str:
    """Which flaws, at the largest size tried, leave at least half of the recovery, and which do not."""
    found = tolerated(rates)
    words = [
        SIDES.get((name, side), FLAWS[name].label).lower()
        for name, side in zip(found["flaw"], found["side"], strict=True)
    ]
    borne = [word for word, size in zip(words, found["breaks"], strict=True) if math.isnan(size)]
    broken = [
        f"{word} at {size_text(name, size)}"
        for word, name, size in zip(words, found["flaw"], found["breaks"], strict=True)
        if not math.isnan(size)
    ]
    told = []
    if borne:
        told.append(f"At every size tried, recovery stays at or above half of the flawless with: {'; '.join(borne)}.")
    if broken:
        told.append(f"It falls below half with: {'; '.join(broken)}.")
    return " ".join(told)


def lost_text(rates: pd.DataFrame) -> str:
    """Of the largest size of each flaw of the pattern: what share is lost on the way, and what share is misled."""
    told = []
    for name, flaw in FLAWS.items():
        own = rates[(rates["flaw"] == name) & (rates["size"] == flaw.sizes[-1])]
        if name != FAMILY and len(own):
            row = own.iloc[0]
            lost = 1 - row["rate"] - row["misled"]
            told.append(
                f"{flaw.label.lower()} ({size_text(name, row['size'])}): {_per_cent(row['misled'])} misled, "
                f"{_per_cent(lost)} lost"
            )
    return "; ".join(told)


def _per_cent(share: float) -> str:
    return "–" if math.isnan(share) else f"{100 * share:.0f}\u00a0%"
