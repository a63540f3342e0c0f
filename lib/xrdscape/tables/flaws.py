"""Recovery from flawed patterns, read off its records: rates by the size of each flaw, and how much of it is borne."""

import math
from typing import cast

import numpy as np
import pandas as pd
import torch

from xrdscape.analysis.estimates import jeffreys_interval
from xrdscape.analysis.flaws import FAMILY, FLAWS, NONE, background
from xrdscape.engine.cell import detect_family, project
from xrdscape.engine.pattern import simulate
from xrdscape.engine.structures import load_structure
from xrdscape.errors import RecordError
from xrdscape.paths import REFERENCE_NAMES
from xrdscape.study.audit import audit
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

WAYS = {False: "free", True: "family known"}
"""By whether the cell is projected."""


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
                    f"{size_text(name, size)} ({_per_cent(rate)})" if size == size else "–"
                    for size, rate in zip(own[column], own[f"{column}_rate"], strict=True)
                ]
                row[f"{way.capitalize()}: {words}"] = told[0] if told else ""
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
                f"{_per_cent(rate)} [{100 * low:.0f},\u00a0{100 * high:.0f}]"
                for rate, low, high in zip(rates["rate"], rates["low"], rates["high"], strict=True)
            ],
            "Conventional": rates["conventional"].map(_per_cent).to_numpy(),
            "Misled": rates["misled"].map(_per_cent).to_numpy(),
            "Cosine at the end": rates["cosine"].to_numpy(),
        }
    )


def size_text(flaw: str, size: float) -> str:
    """A size as axes and tables write it."""
    if size == FLAWS[flaw].flawless:
        return "none" if flaw in ("counts", FAMILY) else f"{size:g}"
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


def broken_text(rates: pd.DataFrame, projected: bool) -> str:
    """Which flaws leave at least half of the recovery at every size tried, and which do not, with free or projected
    cells."""
    found = tolerated(rates)
    found = found[(found["projected"] == projected) & (found["flaw"] != FAMILY)]
    borne = [_side_text(r["flaw"], r["side"]).lower() for r in found.to_dict("records") if r["breaks"] != r["breaks"]]
    broken = [
        f"{_side_text(r['flaw'], r['side']).lower()} at {size_text(r['flaw'], r['breaks'])}"
        for r in found.to_dict("records")
        if r["breaks"] == r["breaks"]
    ]
    told = []
    if borne:
        told.append(f"at every size tried, at least half of the flawless recovery is left with {', '.join(borne)}")
    if broken:
        told.append(f"it falls below half with {', '.join(broken)}")
    return "; ".join(told)


def misled_text(rates: pd.DataFrame, projected: bool) -> str:
    """At the largest size of each flaw of the pattern: the share of descents that were misled, and that were lost."""
    told = []
    for name, flaw in FLAWS.items():
        own = rates[(rates["flaw"] == name) & (rates["size"] == flaw.sizes[-1]) & (rates["projected"] == projected)]
        if name != FAMILY and len(own):
            row = own.iloc[0]
            told.append(
                f"{flaw.label.lower()} ({size_text(name, row['size'])}): {_per_cent(row['misled'])} misled, "
                f"{_per_cent(1 - row['rate'] - row['misled'])} lost"
            )
    return "; ".join(told)


def forbidden_text(rates: pd.DataFrame) -> str:
    """What similarity to the target shows that a family forbids the true cell, against that with the true family."""
    own = rates[rates["flaw"] == FAMILY].sort_values("size", ascending=False)
    if own.empty:
        return "nothing recorded"
    right = own[own["size"] == 0]["cosine"].iloc[0]
    wrong = [f"{row['cosine']:.2f} at {size_text(FAMILY, row['size'])}" for _, row in own[own["size"] < 0].iterrows()]
    return f"{right:.4f} with the true family, {', '.join(wrong)}"


def split_text(records: pd.DataFrame, factor: float) -> str:
    """How far the angles of free cells end from what the true family asks, with peaks so many times as wide and with
    right ones: medians of the largest departure."""
    told = []
    for name, size, words in (("width", factor, f"peaks {factor:g} times as wide"), (NONE, 0.0, "right ones")):
        rows = records[(records["flaw"] == name) & (records["flaw_size"] == size) & ~records["projected"].astype(bool)]
        off = [_departure_deg(row) for _, row in rows.iterrows()]
        told.append(f"{np.median(off):.2g}° with {words}" if off else f"not recorded with {words}")
    return ", ".join(told)


def _departure_deg(row: pd.Series) -> float:
    """Of the angles at the end from those of the family's nearest cell, the largest."""
    cell = torch.tensor(np.array(row["end_lattice"]), dtype=torch.float64)
    nearest = project(cell, detect_family(load_structure(row["structure"])))
    return float((cell - nearest)[3:].abs().max())


def background_text(share: float) -> str:
    """How the intensity under a background of some maximum compares with that under the peaks, over the ten crystals.

    Args:
        share: maximum of the background over that of the pattern.
    """
    ratios = []
    for name in REFERENCE_NAMES:
        pattern = simulate(load_structure(name))
        shape = background(torch.from_numpy(pattern.two_theta_deg)).numpy()
        ratios.append(share * pattern.intensity.max() * shape.sum() / pattern.intensity.sum())
    return f"{np.median(ratios):.1f} times ({min(ratios):.1f} to {max(ratios):.1f} by crystal)"


def remade_text(sample: int, seed: int) -> str:
    """How many records are the same when they are made again (see `audit`), in words.

    Args:
        sample: how many, picked at random.
        seed: of the choice.
    """
    verdicts = [row["verdict"] for row in audit(store_of("flaws"), sample, seed)]
    told = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in dict.fromkeys(verdicts))
    return f"of {len(verdicts)}, {told}"


def _side_text(flaw: str, side: int) -> str:
    return SIDES.get((flaw, side), FLAWS[flaw].label)


def _per_cent(share: float) -> str:
    return f"{100 * share:.0f}\u00a0%"
