"""The single numbers in the paper's text beside ours."""

from collections.abc import Mapping

import pandas as pd

from xrdscape.study.published import published_table
from xrdscape.tables.differences import AGREES, REAL, Cells, reason
from xrdscape.tables.results import estimate_text, number_text

SINGLE_LEVEL = 0.1
"""Lattice noise of the paper's single cases (its Figures 5 and S4)."""

# What a case of the paper is in our records: column suffix, method, and whether the paper says that it matched.
CASES: Mapping[tuple[str, str], tuple[str, str, bool]] = {
    ("Na3MnCoNiO6", "distorted, lattice 0.1"): ("start", "cosine", False),
    ("Na3MnCoNiO6", "unconstrained"): ("end", "cosine", False),
    ("Na3MnCoNiO6", "constrained"): ("end", "cosine_constrained", True),
    ("BPO4", "unconstrained"): ("end", "cosine", False),
    ("BPO4", "constrained"): ("end", "cosine_constrained", True),
}
# The same for the statistics that the text names, all at this level of lattice noise.
NAMED = {
    "entropy, lattice 0.1": "entropy",
    "cosine, lattice 0.1": "cosine",
    "cosine constrained, lattice 0.1": "cosine_constrained",
}
RARE = 0.025
"""A case is called unusual here if no more than this part of our draws goes as far, to either side."""


def single_values(records: pd.DataFrame, ours: Cells, estimator: str) -> pd.DataFrame:
    """The single numbers in the paper's text beside ours.

    A cosine similarity is compared with those of our draws of the same crystal and noise that match, or do not, as the
    paper's case does; a match with the share of our draws that have the same outcome; a mutual information by the rules
    of `differences.reason`.

    Args:
        records: of descents.
        ours, estimator: as for `differences.reason`.

    Returns:
        DataFrame: Structure, Case, Quantity, Published, Here, Results, Outcome (a reason, or a dash without results).
    """
    rows = []
    for entry in published_table("values").to_dict("records"):
        if entry["case"] in NAMED:
            place = "mutual_information", "lattice", SINGLE_LEVEL, NAMED[entry["case"]]
            if place in ours:
                cell = ours[place]
                told = number_text(entry["value"]), estimate_text(cell.value, cell.low, cell.high), cell.n
                outcome = reason(place, cell, entry["value"], estimator)[0]
                rows.append(("all", entry["case"], "mutual information", *told, outcome))
            continue
        which, method, matched = CASES[entry["structure"], entry["case"]]
        draws = records[
            (records["structure"] == entry["structure"])
            & (records["noise"] == "lattice")
            & (records["level"] == SINGLE_LEVEL)
            & (records["method"] == method)
        ]
        same = draws[f"match_conventional_{which}"].astype(bool) == matched
        judge = _as_match if entry["quantity"] == "match" else _as_similarity
        published, here, n, usual = judge(entry["value"], draws[f"cosine_{which}"], same)
        outcome = "–" if not n else AGREES if usual else REAL
        rows.append(
            (entry["structure"], entry["case"], entry["quantity"].replace("_", " "), published, here, n, outcome)
        )
    names = ["Structure", "Case", "Quantity", "Published", "Here", "Results", "Outcome"]
    return pd.DataFrame(rows, columns=names)


def _as_match(value: float, similarity: pd.Series, same: pd.Series) -> tuple[str, str, int, bool]:
    here = f"so in {same.sum()} of {len(same)}" if len(same) else "–"
    return "match" if value else "no match", here, len(same), bool(same.mean() > RARE)


def _as_similarity(value: float, similarity: pd.Series, same: pd.Series) -> tuple[str, str, int, bool]:
    drawn = similarity[same]
    if drawn.empty:
        return number_text(value), "–", 0, False
    low, middle, high = (float(end) for end in drawn.quantile([RARE, 0.5, 1 - RARE]))
    here = f"{number_text(middle)} ({number_text(low)} to {number_text(high)})"
    return number_text(value), here, len(drawn), low <= value <= high
