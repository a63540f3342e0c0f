"""Tables and sentences about the paper's descents and relaxations: settings, match rates, ends, single cases."""

import pandas as pd

from xrdscape.study.cases import Case
from xrdscape.study.columns import emd
from xrdscape.study.plan import Plan
from xrdscape.study.statistics import ReductionEffect
from xrdscape.tables.words import CRITERION_NAMES, LABELS, percent_text, rates_text, setting_text

POOLED = {
    ("lattice", False): "of the free descents under lattice noise",
    ("lattice", True): "of the constrained ones",
    ("coordinates", False): "of those under coordinate noise",
}
"""Names of the groups of `statistics.pooled_matches`, by noise and constraint."""


def plan_table(plan: Plan) -> pd.DataFrame:
    """Return the settings of the descents in this book beside those of the paper."""
    shifts = "all" if plan.max_shift is None else f"at most {plan.max_shift} steps of the grid"
    rows = [
        ("Distorted copies of a structure at a level", plan.copies, "50"),
        ("Seed of the noise", plan.seed, "not published"),
        ("Learning rate, lattice", rates_text(plan.lattice_learning_rate), "explored: 0.0005 to 0.01"),
        ("Learning rate, coordinates", rates_text(plan.coordinate_learning_rate), "explored: 0.000001 to 0.0001"),
        ("Large moves limited as in StructSnap", "yes" if plan.clamp else "no", "not stated"),
        ("Steps at most", f"{plan.max_steps:,}", "30,000"),
        ("Test for convergence every ... steps", f"{plan.check_every:,}", "1,000"),
        ("Converged when the loss fell by less than", f"{plan.tolerance:g}", "0.0001"),
        ("Convergence is judged for", "each descent", "not stated"),
        ("Patterns scaled to a maximum of, for MSE", f"{plan.mse_maximum:g}", "not stated"),
        ("Shifts of the cross-correlation", shifts, "not stated"),
        ("Precision of the descents", plan.dtype, "not stated"),
    ]
    return pd.DataFrame([(a, str(b), c) for a, b, c in rows], columns=["Setting", "Here", "Paper"])


def rates_table(rates: pd.DataFrame, noise: str) -> pd.DataFrame:
    """Return the match rates in per cent, with 95 % intervals, at every setting of one kind of noise: a column a
    criterion.

    Args:
        rates: as `statistics.rates_by_criterion` gives them.
        noise: the kind of noise.
    """
    part = rates[rates["noise"] == noise]
    texts = [percent_text(*row) for row in part[["rate", "low", "high"]].itertuples(index=False)]
    wide = part.assign(text=texts).pivot(index=["level", "method"], columns="criterion", values="text")
    order = [(level, m) for level in wide.index.unique("level") for m in LABELS if (level, m) in wide.index]
    table = wide.loc[order][list(CRITERION_NAMES)].rename(columns=dict(CRITERION_NAMES))
    levels = [level for level, _ in order]
    shown = [f"{level:g}" if level != before else "" for level, before in zip(levels, [None, *levels], strict=False)]
    table = table.rename_axis(columns=None).reset_index(drop=True)
    table.insert(0, "Level", shown)
    table.insert(1, "Method", [LABELS[method] for _, method in order])
    return table


def width_text(counts: pd.DataFrame) -> str:
    """Return the number of matches that are tight, over all levels of noise.

    Args:
        counts: as `statistics.pooled_matches` gives them.
    """
    texts = [
        f"{POOLED[row['noise'], row['constrained']]}, {row['conventional']:,} of {row['trials']:,} match and "
        f"{row['tight']:,} match tightly"
        for row in counts.to_dict("records")
    ]
    return "; ".join(texts).capitalize() + "."


def reduction_text(effect: ReductionEffect) -> str:
    """Return the counts of starting models that pymatgen's default options evaluate otherwise, in words."""
    return (
        f"Of the {effect.displaced:,} starts with displaced atoms that match as they are, "
        f"the default options lose {effect.lost:,}; "
        f"of the {effect.strained:,} starts with a strained cell that do not match as they are, "
        f"they accept {effect.accepted:,}."
    )


def stop_table(ends: pd.DataFrame) -> pd.DataFrame:
    """Return the ends of descents, one row a kind of noise and method; steps and seconds are medians.

    Args:
        ends: as `outcomes.descent_ends` gives them.
    """
    return pd.DataFrame(
        {
            "Noise": ends["noise"],
            "Method": ends["method"].map(LABELS),
            "Converged (%)": 100 * ends["converged"],
            "Failed (%)": 100 * ends["failed"],
            "Steps": ends["steps"],
            "Seconds": ends["seconds"],
            "Closer (%)": 100 * ends["closer"],
        }
    )


def relaxation_table(ends: pd.DataFrame) -> pd.DataFrame:
    """Return the ends of CHGNet's relaxations: one row a setting, medians but for the share that converged.

    Args:
        ends: as `outcomes.relaxation_ends` gives them.
    """
    return pd.DataFrame(
        {
            "Noise": [setting_text(*pair) for pair in zip(ends["noise"], ends["level"], strict=True)],
            "Converged (%)": 100 * ends["converged"],
            "Steps": ends["steps"],
            "Energy gained (meV/atom)": 1000 * ends["gained_ev"],
            "EMD at start (Å)": ends[emd("start")],
            "EMD at end (Å)": ends[emd("end")],
        }
    )


def case_sentence(case: Case) -> str:
    """Return the outcome of a case, in words and numbers."""
    _, start, free, bound = case.models
    said = {True: "matches", False: "does not match"}
    found = (
        f"The unconstrained descent takes the cosine similarity from {start.cosine:.2f} to {free.cosine:.2f} and its "
        f"result {said[free.matched]} the truth; the constrained one ends at {bound.cosine:.2f} and its result "
        f"{said[bound.matched]}."
    )
    if case.is_spurious:
        return found
    return "Every unconstrained descent of this structure matched at this sample, so the rule fell back. " + found
