"""Outcomes of descents, relaxations and searches: how they ended, which explain the pattern, which win."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from xrdscape.crystal.distortion import Noise
from xrdscape.crystal.families import detect_family
from xrdscape.crystal.structures import load_structure
from xrdscape.study.columns import NOISES, START, emd, energy, match
from xrdscape.study.records import PUBLISHED_METHODS, made_of
from xrdscape.study.statistics import rates
from xrdscape.study.store import Store


def at_setting(records: pd.DataFrame, noise: Noise, level: float) -> pd.DataFrame:
    """Return the records of one noise and level."""
    return records[(records["noise"] == noise) & np.isclose(records["level"], level)]


def descent_ends(records: pd.DataFrame) -> pd.DataFrame:
    """Return the ends of the paper's descents by kind of noise and method.

    Returns:
        DataFrame: noise, method, converged and failed (shares; the rest ran out of steps), steps and seconds (medians),
        closer (share that ended geometrically closer to the reference structure than it began).
    """
    rows = []
    for noise in NOISES:
        for method in PUBLISHED_METHODS:
            part = records[(records["noise"] == noise) & (records["method"] == method)]
            if part.empty:
                continue
            converged, ran_out = (part["stop_reason"] == end for end in ("converged", "out of steps"))
            failed, closer = ~converged & ~ran_out, part[emd("end")] < part[emd("start")]
            shares = float(converged.mean()), float(failed.mean())
            medians = int(part["steps"].median()), float(part["seconds"].median())
            rows.append((noise, method, *shares, *medians, float(closer.mean())))
    return pd.DataFrame(rows, columns=["noise", "method", "converged", "failed", "steps", "seconds", "closer"])


def relaxation_ends(records: pd.DataFrame) -> pd.DataFrame:
    """Return the ends of CHGNet's relaxations by setting.

    Returns:
        DataFrame: noise, level, converged (share), and medians of steps, gained_ev (energy, eV/atom), emd_start,
        emd_end (angstrom).
    """
    rows = []
    for noise in NOISES:
        for level, part in records[records["noise"] == noise].groupby("level"):
            gained = (part[energy("start")] - part[energy("end")]).median()
            distances = (float(part[emd(which)].median()) for which in ("start", "end"))
            rows.append(
                (noise, level, float(part["converged"].mean()), int(part["steps"].median()), gained, *distances)
            )
    columns = ["noise", "level", "converged", "steps", "gained_ev", emd("start"), emd("end")]
    return pd.DataFrame(rows, columns=columns)


def explained_ends(records: pd.DataFrame) -> pd.DataFrame:
    """Return the tight matches among the ends of searches that explain the pattern and among those that do not.

    Args:
        records: rows of searches.

    Returns:
        DataFrame: noise, explained, matched, trials, rate, low, high; first the explained ends of each noise. A noise
        without such ends has no row of them.
    """
    ends = records.assign(explained=records["stop_reason"] == "enough")
    order = {noise: place for place, noise in enumerate(records["noise"].unique())}
    found = rates(ends, ["noise", "explained"], match("tight", "end")).sort_values("explained", ascending=False)
    return found.sort_values("noise", key=lambda noise: noise.map(order), kind="stable", ignore_index=True)


@dataclass(frozen=True)
class Fooled:
    """Ends of searches that explain the pattern without matching tightly.

    Attributes:
        explained: ends that explain the pattern.
        wrong: those of them that do not match tightly.
        crystal, most: the crystal with the most of the wrong ones, and how many it has.
        conventional: share of the wrong ones that match by the paper's criterion.
        emd_angstrom: median geometric distance of the wrong ones from the reference structure.
    """

    explained: int
    wrong: int
    crystal: str = ""
    most: int = 0
    conventional: float = float("nan")
    emd_angstrom: float = float("nan")


def fooled(records: pd.DataFrame, noise: Noise) -> Fooled:
    """Count the ends under one kind of noise that the pattern takes for solved and that are not."""
    explained = records[(records["noise"] == noise) & (records["stop_reason"] == "enough")]
    wrong = explained[~explained[match("tight", "end")].astype(bool)]
    if wrong.empty:
        return Fooled(len(explained), 0)
    counts = wrong["structure"].value_counts()
    conventional, distance = wrong[match("conventional", "end")].mean(), wrong[emd("end")].median()
    return Fooled(len(explained), len(wrong), str(counts.index[0]), int(counts.iloc[0]), conventional, distance)


def crystal_shares(records: pd.DataFrame, noise: Noise, level: float) -> pd.DataFrame:
    """Return the share of tight matches at one setting: rows crystals in the order of the records, columns methods."""
    part = at_setting(records, noise, level)
    shares = part.groupby(["structure", "method"])[match("tight", "end")].mean().unstack()
    return shares.loc[part["structure"].unique()]


def family_shares(records: pd.DataFrame, noise: Noise, level: float) -> pd.DataFrame:
    """Return the share of tight matches of each method at one setting, by crystal family and for all crystals together.

    Returns:
        DataFrame: method, family ("all" for all), starts, share, seconds (median of a start of the method).
    """
    part = at_setting(records, noise, level)
    families = {name: detect_family(load_structure(name)) for name in part["structure"].unique()}
    part = part.assign(family=part["structure"].map(families))
    seconds = part.groupby("method")["seconds"].median()
    every = pd.concat([part, part.assign(family="all")])
    groups = every.groupby(["method", "family"], as_index=False)[match("tight", "end")]
    found = groups.agg(["size", "mean"]).rename(columns={"size": "starts", "mean": "share"})
    return found.assign(seconds=found["method"].map(seconds))


def begun_alike(records: pd.DataFrame, others: pd.DataFrame) -> pd.DataFrame:
    """Return the records that began where some of the others did, and the others, all together."""
    start = [*START, "seed"]
    return pd.concat([records.merge(others[start].drop_duplicates(), on=start), others], ignore_index=True)


def paired_wins(records: pd.DataFrame, noise: Noise, level: float, method: str, others: Sequence[str]) -> pd.DataFrame:
    """Compare a method with others over the same starting models: McNemar's exact test, two-sided.

    Returns:
        DataFrame: method, other, won (starts that the method alone matches tightly), lost (that the other alone does),
        p_value.
    """
    part = at_setting(records, noise, level)
    wide = part.pivot(index=["structure", "copy"], columns="method", values=match("tight", "end"))
    rows = []
    for other in others:
        # Starts that one of the two was not given say nothing.
        pairs = wide[[method, other]].dropna().astype(bool)
        mine, theirs = pairs[method], pairs[other]
        won, lost = int((mine & ~theirs).sum()), int((theirs & ~mine).sum())
        rows.append((method, other, won, lost, binomtest(won, won + lost).pvalue if won + lost else 1.0))
    return pd.DataFrame(rows, columns=["method", "other", "won", "lost", "p_value"])


def processors(records: pd.DataFrame, store: Store) -> Counter[str]:
    """Return the number of records by the processor that made them; "" stands for this machine, whose store has none of
    them.

    Args:
        records: rows, in or outside the store.
        store: that knows what made those it holds.
    """
    made = store.provenance()
    return Counter(
        made_of(made[key], copy)["machine"]["processor"] if key in made else ""
        for key, copy in zip(records["shard"], records["copy"], strict=True)
    )
