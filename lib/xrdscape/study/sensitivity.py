"""What do choices change that the paper leaves open? Some starts of the study again, one choice made otherwise."""

import pandas as pd

from xrdscape.analysis.estimates import paired_difference
from xrdscape.study.records import METHODS

START = ["structure", "noise", "level", "copy", "method"]


def sensitivity_table(study: pd.DataFrame, variant: pd.DataFrame) -> pd.DataFrame:
    """The same starts with the study's choices and with another.

    Args:
        study: records, those of the variant's starts and methods among them.
        variant: records of the same starts under another choice.

    Returns:
        DataFrame, a row for each noise and method: noise, method, n (pairs), matched and matched_otherwise (shares
        under the conventional criterion), difference with low and high (95 %), similarity (by the method's objective,
        mean difference), error (its standard error), steps and steps_otherwise (means).
    """
    # Of several learning rates, say, a start has one row here.
    ours = study.drop_duplicates(START).set_index(START)
    theirs = variant.drop_duplicates(START).set_index(START)
    shared = theirs.index.intersection(ours.index)
    ours, theirs = ours.loc[shared].reset_index(), theirs.loc[shared].reset_index()
    rows = []
    for (noise, method), part in theirs.groupby(["noise", "method"], sort=False):
        own = ours.loc[part.index]
        before, after = own["match_conventional_end"], part["match_conventional_end"]
        change = paired_difference(before.to_numpy(bool), after.to_numpy(bool))
        name = f"{METHODS[str(method)].objective}_end"
        similarity = part[name] - own[name]
        rows.append(
            (noise, method, len(part), before.mean(), after.mean(), change.value, change.low, change.high,
             similarity.mean(), similarity.sem(), own["steps"].mean(), part["steps"].mean())
        )  # fmt: skip
    columns = (
        *("noise", "method", "n", "matched", "matched_otherwise", "difference", "low", "high"),
        *("similarity", "error", "steps", "steps_otherwise"),
    )
    return pd.DataFrame(rows, columns=list(columns))
