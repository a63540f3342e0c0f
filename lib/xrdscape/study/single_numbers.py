"""The single numbers in the paper's text beside ours."""

from collections.abc import Mapping

import pandas as pd

from xrdscape.study.columns import Which, match, similarity
from xrdscape.study.comparison import Cells, Key, reason
from xrdscape.study.outcomes import at_setting
from xrdscape.study.published import published_table

SINGLE_LEVEL = 0.1
"""Lattice noise of the paper's single cases (its Figures 5 and S4)."""

CASES: Mapping[tuple[str, str], tuple[Which, str, bool]] = {
    ("Na3MnCoNiO6", "distorted, lattice 0.1"): ("start", "cosine", False),
    ("Na3MnCoNiO6", "unconstrained"): ("end", "cosine", False),
    ("Na3MnCoNiO6", "constrained"): ("end", "cosine_constrained", True),
    ("BPO4", "unconstrained"): ("end", "cosine", False),
    ("BPO4", "constrained"): ("end", "cosine_constrained", True),
}
"""Model, method and match of each case of the paper, by structure and case: which model it is in our records, by which
method, and whether the paper says that it matches."""

NAMED = {
    "entropy, lattice 0.1": "entropy",
    "cosine, lattice 0.1": "cosine",
    "cosine constrained, lattice 0.1": "cosine_constrained",
}
"""Method of each mutual information that the text names, all at this level of lattice noise."""

RARE = 0.025
"""Share of our draws: a case is called unusual if no more of them go as far, to either side."""


def single_values(records: pd.DataFrame, ours: Cells, estimator: str) -> pd.DataFrame:
    """Return the single numbers in the paper's text beside ours.

    A cosine similarity is compared with those of our draws of the same crystal and noise that match, or do not, as the
    paper's case does; a match with the share of our draws that have the same outcome; a mutual information by the rules
    of `comparison.reason`.

    Args:
        records: of descents.
        ours, estimator: as for `comparison.reason`.

    Returns:
        DataFrame: structure ("all" for a mutual information), case, quantity, published, value with low and high (of a
        mutual information its 95 % interval, of a similarity the middle 95 % of the draws), alike (draws with the same
        outcome), n (results behind it), outcome (a reason, or "" without results).
    """
    rows = []
    for entry in published_table("values").to_dict("records"):
        if entry["case"] in NAMED:
            place: Key = ("mutual_information", "lattice", SINGLE_LEVEL, NAMED[entry["case"]])
            if place in ours:
                cell = ours[place]
                outcome = reason(place, cell, entry["value"], estimator)[0]
                named = "all", entry["case"], "mutual information", entry["value"]
                rows.append((*named, cell.value, cell.low, cell.high, 0, cell.n, outcome))
        else:
            rows.append(_single_case(records, entry["structure"], entry["case"], entry["quantity"], entry["value"]))
    names = ["structure", "case", "quantity", "published", "value", "low", "high", "alike", "n", "outcome"]
    return pd.DataFrame(rows, columns=names)


def _single_case(records: pd.DataFrame, structure: str, case: str, quantity: str, published: float) -> tuple:
    which, method, matched = CASES[structure, case]
    draws = at_setting(records[records["structure"] == structure], "lattice", SINGLE_LEVEL)
    draws = draws[draws["method"] == method]
    same = draws[match("conventional", which)].astype(bool) == matched
    named = structure, case, quantity.replace("_", " "), published
    if quantity == "match":
        outcome = "" if draws.empty else "agrees" if same.mean() > RARE else "real disagreement"
        return (*named, float("nan"), float("nan"), float("nan"), int(same.sum()), len(same), outcome)
    drawn = draws.loc[same, similarity("cosine", which)]
    low, middle, high = (float(end) for end in drawn.quantile([RARE, 0.5, 1 - RARE]))
    outcome = "" if drawn.empty else "agrees" if low <= published <= high else "real disagreement"
    return (*named, middle, low, high, len(drawn), len(drawn), outcome)
