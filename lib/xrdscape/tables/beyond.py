"""Tables of the methods beyond the paper: what each finds, what it costs, and whether the pattern can judge."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from xrdscape.analysis.estimates import jeffreys_interval
from xrdscape.recovery.recipes import ALL_RECIPES, Recipe
from xrdscape.study.records import match_rates
from xrdscape.tables.results import LABELS, percent_text


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


def costs_table(found: pd.DataFrame, noise: str) -> pd.DataFrame:
    """`costs` for reading, one kind of noise: a row a method, a column a level, and the median time over all levels."""
    part = found[found["noise"] == noise]
    methods = [m for m in LABELS if m in set(part["method"])]
    table = pd.DataFrame({"Method": [LABELS[m] for m in methods]})
    for level in sorted(part["level"].unique()):
        at = part[np.isclose(part["level"], level)].set_index("method")
        table[f"{level:g}"] = [percent_text(*at.loc[m, ["rate", "low", "high"]]) for m in methods]
    table["Seconds"] = [f"{part[part['method'] == m]['seconds'].median():.2g}" for m in methods]
    return table


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
    shares = part.groupby(["structure", "method"], sort=False)["match_tight_end"].mean().unstack()[shown]
    table = (100 * shares).round(0).astype(int).reset_index()
    return table.rename(columns={"structure": "Crystal", **{m: LABELS[m] for m in shown}})


def bars_table(found: pd.DataFrame, bars: Sequence[tuple[str, str, float, float]]) -> pd.DataFrame:
    """Aims and what was reached.

    Args:
        found: as `costs` gives it.
        bars: method, noise, level and the least share of tight matches.
    """
    rows = []
    for method, noise, level, least in bars:
        row = found[(found["method"] == method) & (found["noise"] == noise) & np.isclose(found["level"], level)].iloc[0]
        rate = percent_text(*row[["rate", "low", "high"]])
        rows.append(
            (LABELS[method], f"{noise} {level:g}", f"{100 * least:.0f}", rate, "yes" if row["rate"] >= least else "no")
        )
    return pd.DataFrame(rows, columns=["Method", "Noise", "Aim (%)", "Tight (%)", "Reached"])


def difference_text(records: pd.DataFrame, noise: str, level: float, method: str, others: Sequence[str]) -> str:
    """A method against others over the same starts, in words: how many more starts it solves, and how sure that is.

    Pairs of the same start are compared (McNemar's exact test, two-sided).
    """
    part = records[(records["noise"] == noise) & np.isclose(records["level"], level)]
    wide = part.pivot_table(index=["structure", "copy"], columns="method", values="match_tight_end", aggfunc="first")
    told = []
    for other in others:
        mine, theirs = wide[method].astype(bool), wide[other].astype(bool)
        won, lost = int((mine & ~theirs).sum()), int((theirs & ~mine).sum())
        p = binomtest(won, won + lost).pvalue if won + lost else 1.0
        sure = "p < 0.001" if p < 0.001 else f"p = {p:.2g}"
        told.append(f"against {LABELS[other]} it solves {won} starts more and {lost} fewer ({sure})")
    return f"{ALL_RECIPES[method].label if method in ALL_RECIPES else LABELS[method]}: " + "; ".join(told)


def recipes_table(names: Sequence[str]) -> pd.DataFrame:
    """What each recipe does: a row each."""
    rows = []
    for name in names:
        recipe = ALL_RECIPES[name]
        stages = recipe.narrowing.stages
        rows.append(
            (
                recipe.label,
                {"lattice": "cell", "coordinates": "atoms"}[recipe.noise],
                _begins_at(recipe),
                f"{recipe.narrowing.widest_deg:g}° to {recipe.narrowing.narrowest_deg:g}°" if stages else "none",
                recipe.cell,
                recipe.narrowing.all_steps,
                recipe.tries,
            )
        )
    return pd.DataFrame(rows, columns=["Method", "Moves", "Begins at", "Blur", "Cell", "Steps a try", "Tries"])


def _begins_at(recipe: Recipe) -> str:
    if not recipe.relaxed:
        return "the start"
    return "CHGNet's relaxation" if recipe.relaxes_alone else f"relaxation by both, {recipe.pattern_ev:g} eV/atom"


def ablation_table(records: pd.DataFrame) -> pd.DataFrame:
    """`costs_table` of variants of one recipe under lattice noise."""
    return costs_table(costs(records), "lattice").rename(columns={"Method": "Graduated descent"})
