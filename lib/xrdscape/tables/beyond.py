"""Tables of the methods beyond the paper: what each finds, what it costs, and whether the pattern can judge."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from xrdscape.crystal.distortion import Noise
from xrdscape.optimisation.graduated import Narrowing
from xrdscape.optimisation.methods import Method
from xrdscape.optimisation.variants import ALL_METHODS
from xrdscape.study.cases import Failure
from xrdscape.study.outcomes import Fooled
from xrdscape.tables.words import LABELS, percent_text, seconds_text, setting_text

MOVES = {"lattice": "cell", "coordinates": "atoms"}


def costs_table(costs: pd.DataFrame, noise: Noise) -> pd.DataFrame:
    """Return the tight matches and times under one kind of noise: a row a method, a column a level, and the time of a
    start.

    Of the medians of the time level by level the middle one is given.

    Args:
        costs: as `statistics.costs` gives them.
        noise: the kind of noise.
    """
    part = costs[costs["noise"] == noise]
    methods = [m for m in LABELS if m in set(part["method"])]
    table = pd.DataFrame({"Method": [LABELS[m] for m in methods]})
    for level in sorted(part["level"].unique()):
        at = part[np.isclose(part["level"], level)].set_index("method")
        table[f"{level:g}"] = [
            percent_text(*at.loc[m, ["rate", "low", "high"]]) if m in at.index else "–" for m in methods
        ]
    table["Seconds"] = [seconds_text(part[part["method"] == m]["seconds"].median()) for m in methods]
    return table


def explained_table(ends: pd.DataFrame) -> pd.DataFrame:
    """Return the ends of searches that explain the pattern, and that do not, and how many of either are the crystal.

    Args:
        ends: as `outcomes.explained_ends` gives them.
    """
    rows = []
    counts = {(row["noise"], row["explained"]): row for row in ends.to_dict("records")}
    for noise in ends["noise"].unique():
        for explained, said in ((True, "explains the pattern"), (False, "does not")):
            row = counts.get((noise, explained))
            share = percent_text(row["rate"], row["low"], row["high"]) if row else "–"
            rows.append((noise, said, row["trials"] if row else 0, row["matched"] if row else 0, share))
    return pd.DataFrame(rows, columns=["Noise", "The end", "Ends", "of them tight", "Tight (%)"])


def crystals_table(shares: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """Return the tight matches crystal by crystal, in per cent, at one setting: a row a crystal, a column a method.

    Args:
        shares: as `outcomes.crystal_shares` gives them.
        methods: those to show, in their order.
    """
    shown = [m for m in methods if m in shares.columns]
    table = (100 * shares[shown]).round().astype(int).reset_index()
    return table.rename_axis(columns=None).rename(columns={"structure": "Crystal", **{m: LABELS[m] for m in shown}})


def bars_table(costs: pd.DataFrame, bars: Sequence[tuple[str, Noise, float, float]]) -> pd.DataFrame:
    """Return the aims and what was reached.

    Args:
        costs: as `statistics.costs` gives them.
        bars: method, noise, level and the least share of tight matches.
    """
    rows = []
    for method, noise, level, least in bars:
        at = (costs["method"] == method) & (costs["noise"] == noise) & np.isclose(costs["level"], level)
        rate, low, high = costs.loc[at, ["rate", "low", "high"]].iloc[0]
        reached = percent_text(rate, low, high), "yes" if rate >= least else "no"
        rows.append((LABELS[method], setting_text(noise, level), f"{100 * least:.0f}", *reached))
    return pd.DataFrame(rows, columns=["Method", "Noise", "Aim (%)", "Tight (%)", "Reached"])


def difference_text(wins: pd.DataFrame) -> str:
    """Return the number of starts that a method solves more than others, and how sure that is, in words.

    Args:
        wins: as `outcomes.paired_wins` gives them.
    """
    texts = []
    for row in wins.to_dict("records"):
        sure = "p < 0.001" if row["p_value"] < 0.001 else f"p = {row['p_value']:.2g}"
        texts.append(
            f"against {LABELS[row['other']]} it solves {row['won']} starts more and {row['lost']} fewer ({sure})"
        )
    return f"{LABELS[wins['method'].iloc[0]]}: " + "; ".join(texts)


def methods_table(names: Sequence[str]) -> pd.DataFrame:
    """Return the settings of the methods, a row each."""
    rows = []
    for name in names:
        method = ALL_METHODS[name]
        narrowing, begin = method.narrowing, _begins_at(method)
        blur = f"{narrowing.widest_deg:g}° to {narrowing.narrowest_deg:g}°" if narrowing.stages else "none"
        cell = method.cell if method.moves == "lattice" else "known"
        rows.append((method.label, MOVES[method.moves], begin, blur, cell, method.steps_a_descent, method.restarts))
    return pd.DataFrame(rows, columns=["Method", "Moves", "Begins at", "Blur", "Cell", "Steps a descent", "Restarts"])


def narrowing_text(narrowing: Narrowing) -> str:
    """Return the narrowing of a blur, in words.

    >>> narrowing_text(Narrowing(widest_deg=5.0, stages=3, steps=20, last_steps=50))
    'from 5° to 0.2° in 3 stages of 20 steps, and then 50 steps without'
    """
    return (
        f"from {narrowing.widest_deg:g}° to {narrowing.narrowest_deg:g}° in {narrowing.stages} stages of "
        f"{narrowing.steps} steps, and then {narrowing.last_steps} steps without"
    )


def _begins_at(method: Method) -> str:
    if not method.relaxed:
        return "the start"
    return "CHGNet's relaxation" if method.relaxes_alone else f"relaxation by both, {method.pattern_ev:g} eV/atom"


def failure_text(failure: Failure) -> str:
    """Return the title of a failure: the refined model, how well it explains the pattern and how far off it is."""
    return (
        f"{LABELS[failure.method]}, {setting_text(failure.noise, failure.level)}: {failure.structure}, copy "
        f"{failure.copy}, cosine {failure.cosine:.4f}, {failure.emd_angstrom:.2f} Å off"
    )


def fooled_text(fooled: Fooled) -> str:
    """Return the ends that explain the pattern and do not match tightly: how many, of which crystal most, and how far
    off.
    """
    if not fooled.wrong:
        return f"none of {fooled.explained:,}"
    return (
        f"{fooled.wrong:,} of {fooled.explained:,}, {fooled.most:,} of them in {fooled.crystal}; "
        f"{fooled.conventional:.0%} of them match by the paper's criterion, and in the median they "
        f"are {fooled.emd_angstrom:.2f} Å off"
    )
