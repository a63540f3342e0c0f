"""Tables of the methods beyond the paper: what each finds, what it costs, and whether the pattern can judge."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pymatgen.core import Structure
from scipy.stats import binomtest

from xrdscape.crystal.structures import load_structure
from xrdscape.evaluation.estimates import jeffreys_interval
from xrdscape.optimisation.graduated import Narrowing
from xrdscape.optimisation.methods import Method
from xrdscape.optimisation.variants import ALL_METHODS
from xrdscape.study.records import crystal, match_rates
from xrdscape.tables.results import LABELS, percent_text

MOVES = {"lattice": "cell", "coordinates": "atoms"}


def costs(records: pd.DataFrame) -> pd.DataFrame:
    """What each method finds and how long it takes, setting by setting.

    Args:
        records: rows of descents, relaxations and searches.

    Returns:
        DataFrame noise, level, method, trials; rate, low, high (tight matches, Jeffreys' 95 % interval); seconds
        (median of a start).
    """
    rates = match_rates(records, "tight")
    keys = ["noise", "level", "method"]
    seconds = records.groupby(keys, as_index=False)["seconds"].median()
    return rates[rates["method"] != "noised"].merge(seconds, on=keys).sort_values(keys, ignore_index=True)


def same_starts(records: pd.DataFrame, others: pd.DataFrame) -> pd.DataFrame:
    """Those of the records that began where some of the others did, and the others, all together."""
    start = ["structure", "noise", "level", "copy", "seed"]
    return pd.concat([records.merge(others[start].drop_duplicates(), on=start), others], ignore_index=True)


def costs_table(found: pd.DataFrame, noise: str) -> pd.DataFrame:
    """`costs` for reading, one kind of noise: a row a method, a column a level, and the time of a start, of whose
    medians level by level the middle one is given."""
    part = found[found["noise"] == noise]
    methods = [m for m in LABELS if m in set(part["method"])]
    table = pd.DataFrame({"Method": [LABELS[m] for m in methods]})
    for level in sorted(part["level"].unique()):
        at = part[np.isclose(part["level"], level)].set_index("method")
        table[f"{level:g}"] = [
            percent_text(*at.loc[m, ["rate", "low", "high"]]) if m in at.index else "–" for m in methods
        ]
    table["Seconds"] = [seconds_text(part[part["method"] == m]["seconds"].median()) for m in methods]
    return table


def seconds_text(seconds: float) -> str:
    """Two digits, and whole seconds above ten.

    >>> seconds_text(0.0623), seconds_text(1.98), seconds_text(134.4)
    ('0.062', '2', '134')
    """
    return f"{seconds:.0f}" if seconds >= 10 else f"{seconds:.2g}"


def judge_table(records: pd.DataFrame) -> pd.DataFrame:
    """Does the pattern know? Ends that it calls good against those that are, for each kind of noise.

    Args:
        records: rows of searches by recipes.
    """
    rows = []
    for noise, part in records.groupby("noise", sort=False):
        enough = part["stop_reason"] == "enough"
        tight = part["match_tight_end"].astype(bool)
        for said, mark in (("explains the pattern", enough), ("does not", ~enough)):
            count, right = int(mark.sum()), int((mark & tight).sum())
            share = percent_text(right / count, *jeffreys_interval(right, count)) if count else "–"
            rows.append((noise, said, count, right, share))
    head = ["Noise", "The end", "Ends", "of them tight", "Tight (%)"]
    return pd.DataFrame(rows, columns=head)


def crystals_table(records: pd.DataFrame, noise: str, level: float, methods: Sequence[str]) -> pd.DataFrame:
    """Tight matches crystal by crystal, in per cent, at one setting: a row a crystal, a column a method."""
    part = records[(records["noise"] == noise) & np.isclose(records["level"], level)]
    shown = [m for m in methods if m in set(part["method"])]
    shares = part.groupby(["structure", "method"])["match_tight_end"].mean().unstack()
    table = (100 * shares.loc[part["structure"].unique(), shown]).round().astype(int).reset_index()
    return table.rename_axis(columns=None).rename(columns={"structure": "Crystal", **{m: LABELS[m] for m in shown}})


def bars_table(found: pd.DataFrame, bars: Sequence[tuple[str, str, float, float]]) -> pd.DataFrame:
    """Aims and what was reached.

    Args:
        found: as `costs` gives it.
        bars: method, noise, level and the least share of tight matches.
    """
    rows = []
    for method, noise, level, least in bars:
        at = (found["method"] == method) & (found["noise"] == noise) & np.isclose(found["level"], level)
        rate, low, high = found.loc[at, ["rate", "low", "high"]].iloc[0]
        reached = percent_text(rate, low, high), "yes" if rate >= least else "no"
        rows.append((LABELS[method], f"{noise} {level:g}", f"{100 * least:.0f}", *reached))
    return pd.DataFrame(rows, columns=["Method", "Noise", "Aim (%)", "Tight (%)", "Reached"])


def difference_text(records: pd.DataFrame, noise: str, level: float, method: str, others: Sequence[str]) -> str:
    """A method against others over the same starts, in words: how many more starts it solves, and how sure that is.

    Pairs of the same start are compared (McNemar's exact test, two-sided).
    """
    part = records[(records["noise"] == noise) & np.isclose(records["level"], level)]
    wide = part.pivot(index=["structure", "copy"], columns="method", values="match_tight_end")
    told = []
    for other in others:
        # Starts that one of the two was not given say nothing.
        pairs = wide[[method, other]].dropna().astype(bool)
        mine, theirs = pairs[method], pairs[other]
        won, lost = int((mine & ~theirs).sum()), int((theirs & ~mine).sum())
        p = binomtest(won, won + lost).pvalue if won + lost else 1.0
        sure = "p < 0.001" if p < 0.001 else f"p = {p:.2g}"
        told.append(f"against {LABELS[other]} it solves {won} starts more and {lost} fewer ({sure})")
    return f"{LABELS[method]}: " + "; ".join(told)


def methods_table(names: Sequence[str]) -> pd.DataFrame:
    """Return what each method does, a row each."""
    rows = []
    for name in names:
        method = ALL_METHODS[name]
        narrowing, begin = method.narrowing, _begins_at(method)
        blur = f"{narrowing.widest_deg:g}° to {narrowing.narrowest_deg:g}°" if narrowing.stages else "none"
        cell = method.cell if method.moves == "lattice" else "known"
        rows.append((method.label, MOVES[method.moves], begin, blur, cell, method.steps_a_descent, method.restarts))
    return pd.DataFrame(rows, columns=["Method", "Moves", "Begins at", "Blur", "Cell", "Steps a descent", "Restarts"])


def narrowing_text(narrowing: Narrowing) -> str:
    """How a blur narrows, in words.

    >>> narrowing_text(Narrowing(widest_deg=5.0, stages=3, steps=20, last_steps=50))
    'from 5° to 0.2° in 3 stages of 20 steps, and then 50 steps without'
    """
    return (
        f"from {narrowing.widest_deg:g}° to {narrowing.narrowest_deg:g}° in {narrowing.stages} stages of "
        f"{narrowing.steps} steps, and then {narrowing.last_steps} steps without"
    )


def _begins_at(recipe: Method) -> str:
    if not recipe.relaxed:
        return "the start"
    return "CHGNet's relaxation" if recipe.relaxes_alone else f"relaxation by both, {recipe.pattern_ev:g} eV/atom"


@dataclass(frozen=True)
class Failure:
    """An end that is not the crystal: `told` says what it is, `truth` and `end` are crystals."""

    told: str
    reference: Structure
    end: Structure


def failures(records: pd.DataFrame, settings: Sequence[tuple[str, str, float]]) -> list[Failure]:
    """Of each setting the ends without a tight match that explain the pattern least and best.

    Args:
        records: rows of searches.
        settings: method, noise and level of each.
    """
    found = []
    for method, noise, level in settings:
        part = records[
            (records["method"] == method) & (records["noise"] == noise) & np.isclose(records["level"], level)
        ]
        missed = part[~part["match_tight_end"].astype(bool)].sort_values("cosine_end", kind="stable")
        for _, row in missed.iloc[[0, -1]].iterrows() if len(missed) else ():
            reference = load_structure(row["structure"])
            told = f"{LABELS[method]}, {noise} {level:g}: {row['structure']}, copy {row['copy']}"
            told += f", cosine {row['cosine_end']:.4f}, {row['emd_end']:.2f} Å off"
            found.append(Failure(told, reference, crystal(row, "end", reference)))
    return found
