"""Outcomes of the descents of an experiment: matches, distances, and the best and the worst of them."""

from collections.abc import Mapping

import pandas as pd

from xrdscape.evaluation.estimates import jeffreys_interval
from xrdscape.evaluation.matching import Criterion
from xrdscape.study.cases import Case, recorded_model, reference_model
from xrdscape.study.columns import WHICH, Similarity, Which, emd, match, similarity
from xrdscape.user_crystal.experiment import Approach, UserCrystal

TOLD_CRITERIA: tuple[Criterion, ...] = ("conventional", "tight")
"""Criteria that the chapter counts matches by."""

Records = Mapping[Approach, pd.DataFrame]
"""Records of the same starting models, by the way to descend (`experiment.records_by_method`)."""


def match_counts(records: Records) -> pd.DataFrame:
    """Return the number of starting and of refined models that match, by criterion and way to descend.

    Returns:
        DataFrame: criterion, method ("" for the starting models), matched, trials, rate, low, high (Jeffreys, 95 %).
    """
    rows = []
    for criterion in TOLD_CRITERIA:
        for method, frame, flag in _models(records, *(match(criterion, which) for which in WHICH)):
            matched, trials = int(frame[flag].sum()), len(frame)
            low, high = jeffreys_interval(matched, trials)
            rows.append((criterion, method, matched, trials, matched / trials, low, high))
    return pd.DataFrame(rows, columns=["criterion", "method", "matched", "trials", "rate", "low", "high"])


def changes(records: Records, objective: Similarity) -> pd.DataFrame:
    """Return the similarity and distance to the reference structure before the descents and after those of each method.

    Args:
        records: of the descents.
        objective: the similarity beside the cosine.

    Returns:
        DataFrame: measure (an objective or "emd"), method ("" for the starting models), median, least, greatest.
    """
    shown: dict[Similarity, None] = {objective: None, "cosine": None}
    columns: dict[str, list[str]] = {name: [similarity(name, which) for which in WHICH] for name in shown}
    rows = []
    for measure, names in {**columns, "emd": [emd(which) for which in WHICH]}.items():
        for method, frame, name in _models(records, *names):
            rows.append((measure, method, frame[name].median(), frame[name].min(), frame[name].max()))
    return pd.DataFrame(rows, columns=["measure", "method", "median", "least", "greatest"])


def _models(records: Records, start: str, end: str) -> list[tuple[str, pd.DataFrame, str]]:
    """Return the method, records and column to read: of the starting models (method ""), and of each method's refined
    models.
    """
    starts = next(iter(records.values()))
    return [("", starts, start), *((method, frame, end) for method, frame in records.items())]


def best_and_worst(records: pd.DataFrame) -> pd.DataFrame:
    """Return the records that ended nearest to the reference structure and farthest from it, by EMD, with "case" saying
    which.
    """
    ordered = records.sort_values([emd("end"), "copy"])
    return ordered.iloc[[0, -1]].assign(case=["best", "worst"])


def best_and_worst_case(crystal: UserCrystal, records: pd.DataFrame) -> Case:
    """Return the best and the worst realisation as a case to draw (`figures.case_figure`)."""
    rows = best_and_worst(records)
    labels: tuple[tuple[Which, str], ...] = (("start", "before"), ("end", "after"))
    models = [
        recorded_model(f"{row['case'].capitalize()}, {label}", row, which, crystal.reference)
        for _, row in rows.iterrows()
        for which, label in labels
    ]
    first = rows.iloc[0]
    named = crystal.name, float(first["level"]), int(first["copy"]), int(first["seed"])
    return Case(*named, (reference_model("Truth", crystal.reference), *models), False)
