"""The learning rates of the study: a pilot on other starting models decides them, by a rule."""

import pandas as pd

from xrdscape.study.columns import START, match, similarity
from xrdscape.study.records import PUBLISHED_METHODS


def pilot_table(records: pd.DataFrame) -> pd.DataFrame:
    """Return the results of each learning rate.

    Args:
        records: descents of a plan with several learning rates.

    Returns:
        DataFrame: noise, method, learning_rate, descents, similarity (by the method's objective at the end, mean;
        minus the error for the mean squared error), conventional and tight (share of matches), steps (mean), seconds
        (mean), chosen (by `chosen_rates`).
    """
    rows = []
    for (noise, method, rate), part in records.groupby(["noise", "method", "learning_rate"]):
        row = {
            "noise": noise,
            "method": method,
            "learning_rate": rate,
            "descents": len(part),
            "similarity": part[similarity(PUBLISHED_METHODS[str(method)].objective, "end")].mean(),
            "conventional": part[match("conventional", "end")].mean(),
            "tight": part[match("tight", "end")].mean(),
            "steps": part["steps"].mean(),
            "seconds": part["seconds"].mean(),
        }
        rows.append(row)
    table = pd.DataFrame(rows)
    return table.assign(chosen=_chosen(records, table))


def _chosen(records: pd.DataFrame, table: pd.DataFrame) -> pd.Series:
    """Return whether each row of a table has the rate that `chosen_rates` chooses."""
    chosen = pd.Series(False, index=table.index)
    for (noise, method), part in table.groupby(["noise", "method"]):
        rows = records[(records["noise"] == noise) & (records["method"] == method)]
        # One column a rate, one row a starting model.
        ends = rows.pivot(index=START, columns="learning_rate", values=match("conventional", "end"))
        behind = ends.astype(float).sub(ends[ends.mean().idxmax()].astype(float), axis=0)
        # One starting model of n decided otherwise is behind by exactly the standard error, 1/n, and rounding must not
        # decide that.
        near = behind.mean() >= -behind.sem().fillna(0.0) - 1e-9
        chosen |= table.index.isin(part.index) & (table["learning_rate"] == max(ends.columns[near]))
    return chosen


def chosen_rates(records: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return the largest learning rate that is as good as the best, by noise and method.

    Best is the rate with the largest share of matches (conventional criterion), which is what the study measures; as
    good is one whose share is behind by no more than the standard error of that difference, over the same starting
    models.
    Larger rates take fewer steps.
    """
    table = pilot_table(records)
    chosen = table[table["chosen"]]
    return {
        str(noise): dict(zip(part["method"], part["learning_rate"], strict=True))
        for noise, part in chosen.groupby("noise")
    }
