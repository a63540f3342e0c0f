"""Which learning rate? A pilot on other starts decides, by a rule."""

import pandas as pd

from xrdscape.study.records import PUBLISHED_METHODS


def pilot_table(records: pd.DataFrame) -> pd.DataFrame:
    """What each learning rate came to.

    Args:
        records: descents of a plan with several learning rates.

    Returns:
        DataFrame: noise, method, learning_rate, descents, similarity (of the method's own objective at the end, mean;
        minus the error for the mean squared error), conventional and tight (share of matches), steps (mean), seconds
        (mean), chosen (by `chosen_rates`).
    """
    rows = []
    for (noise, method, rate), part in records.groupby(["noise", "method", "learning_rate"]):
        similarity = part[f"{PUBLISHED_METHODS[str(method)].objective}_end"].mean()
        matched = part["match_conventional_end"].mean(), part["match_tight_end"].mean()
        rows.append(
            (noise, method, rate, len(part), similarity, *matched, part["steps"].mean(), part["seconds"].mean())
        )
    columns = [
        "noise",
        "method",
        "learning_rate",
        "descents",
        "similarity",
        "conventional",
        "tight",
        "steps",
        "seconds",
    ]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(chosen=_chosen(records, table))


def _chosen(records: pd.DataFrame, table: pd.DataFrame) -> pd.Series:
    """Whether each row of a table has the rate that `chosen_rates` chooses."""
    chosen = pd.Series(False, index=table.index)
    for (noise, method), part in table.groupby(["noise", "method"]):
        own = records[(records["noise"] == noise) & (records["method"] == method)]
        # One column a rate, one row a start.
        ends = own.pivot(index=["structure", "level", "copy"], columns="learning_rate", values="match_conventional_end")
        behind = ends.astype(float).sub(ends[ends.mean().idxmax()].astype(float), axis=0)
        # One start of n decided otherwise is behind by exactly the standard error, 1/n: rounding must not decide that.
        near = behind.mean() >= -behind.sem().fillna(0.0) - 1e-9
        chosen |= table.index.isin(part.index) & (table["learning_rate"] == max(ends.columns[near]))
    return chosen


def chosen_rates(records: pd.DataFrame) -> dict[str, dict[str, float]]:
    """By noise and method: the largest learning rate that is as good as the best.

    Best is the rate with the largest share of matches (conventional criterion), which is what the study measures; as
    good is one whose share is behind by no more than the standard error of that difference, over the same starts.
    Larger rates take fewer steps.
    """
    table = pilot_table(records)
    chosen = table[table["chosen"]]
    return {
        str(noise): dict(zip(part["method"], part["learning_rate"], strict=True))
        for noise, part in chosen.groupby("noise")
    }
