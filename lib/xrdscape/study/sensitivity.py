"""What do choices change that the paper leaves open? Some starts of the study again, one choice made otherwise; or the
study's own results, judged otherwise."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xrdscape.crystal.structures import load_structure
from xrdscape.evaluation.estimates import paired_difference
from xrdscape.evaluation.information import BATCHED, ESTIMATORS, LEAST_CASES, shift
from xrdscape.evaluation.matching import emd
from xrdscape.study.plan import descent_jobs, load_plan
from xrdscape.study.records import PUBLISHED_METHODS, crystal
from xrdscape.study.store import store_of

START = ["structure", "noise", "level", "copy", "method"]
SETTING = ["noise", "level", "method"]

Pair = tuple[pd.DataFrame, pd.DataFrame]
"""Records of the same cases, row by row: with the study's choices, and with another."""


def recorded(names: Iterable[str]) -> dict[str, pd.DataFrame]:
    """Records of some plans of `data/plans.yaml`, of those that have any."""
    found = {name: store_of(name).load(descent_jobs(load_plan(name))) for name in names}
    return {name: rows for name, rows in found.items() if len(rows)}


def same_starts(study: pd.DataFrame, variant: pd.DataFrame) -> Pair:
    """The rows of both that have a start and a method in common, in one order."""
    # Of several learning rates, say, a start has one row here.
    ours = study.drop_duplicates(START).set_index(START)
    theirs = variant.drop_duplicates(START).set_index(START)
    shared = theirs.index.intersection(ours.index)
    return ours.loc[shared].reset_index(), theirs.loc[shared].reset_index()


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
    ours, theirs = same_starts(study, variant)
    rows = []
    for (noise, method), part in theirs.groupby(["noise", "method"], sort=False):
        own = ours.loc[part.index]
        before, after = own["match_conventional_end"], part["match_conventional_end"]
        change = paired_difference(before.to_numpy(bool), after.to_numpy(bool))
        name = f"{PUBLISHED_METHODS[str(method)].objective}_end"
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


def choice_table(study: pd.DataFrame, variants: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """`sensitivity_table` of several plans, one below the other, with the plan's name in the column choice."""
    tables = [sensitivity_table(study, rows).assign(choice=name) for name, rows in variants.items()]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def criteria_differences(records: pd.DataFrame) -> pd.DataFrame:
    """Match rates under the other criteria less that under the conventional one, over the same results.

    Returns:
        DataFrame, a row for each setting and criterion: noise, level, method, criterion ("pymatgen", "tight"),
        difference with low and high (95 %), n.
    """
    rows = []
    for key, part in records.groupby(SETTING, sort=False):
        before = part["match_conventional_end"].to_numpy(bool)
        for criterion in ("pymatgen", "tight"):
            change = paired_difference(before, part[f"match_{criterion}_end"].to_numpy(bool))
            rows.append((*key, criterion, change.value, change.low, change.high, change.n))
    return pd.DataFrame(rows, columns=[*SETTING, "criterion", "difference", "low", "high", "n"])


def measured(rows: pd.DataFrame, which: str = "end") -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Dissimilarity, by the method's own objective, and geometric distance of results of one method.

    Args:
        rows: records of one method.
        which: "end" or "start".
    """
    objective = PUBLISHED_METHODS[rows["method"].iloc[0]].objective
    return -rows[f"{objective}_{which}"].to_numpy(np.float64), rows[f"emd_{which}"].to_numpy(np.float64)


def start_statistics(records: pd.DataFrame) -> pd.DataFrame:
    """The statistics of `records.correlations` before any descent: noise, level, method, statistic, value.

    They are the limit of a descent that hardly moves, as with a small learning rate or an early stop.
    """
    rows = []
    for key, part in records.groupby(SETTING):
        pair = measured(part, "start")
        rows += [(*key, name, float(of(*pair))) for name, of in BATCHED.items()]
    return pd.DataFrame(rows, columns=[*SETTING, "statistic", "value"])


def estimator_values(records: pd.DataFrame) -> pd.DataFrame:
    """The mutual information of each setting by each of `ESTIMATORS`: noise, level, method, estimator, value (nats)."""
    rows = []
    for key, part in records.groupby(SETTING):
        pair = measured(part)
        rows += [(*key, name, of(*pair)) for name, of in ESTIMATORS.items()]
    return pd.DataFrame(rows, columns=[*SETTING, "estimator", "value"])


def with_neighbours(records: pd.DataFrame, neighbours: int) -> pd.DataFrame:
    """The same results with another number of neighbours counted in their geometric distance (see `emd`)."""
    references = {name: load_structure(name) for name in records["structure"].unique()}
    distances = [emd(references[row["structure"]], crystal(row), neighbours) for _, row in records.iterrows()]
    return records.assign(emd_end=distances)


def choice_shifts(pairs: Mapping[str, Pair]) -> pd.DataFrame:
    """How far each choice moves each statistic of each setting that it was tried at.

    Returns:
        DataFrame: choice, noise, level, method, statistic, value (otherwise less study) with low and high (95 %, by
        halves), n.
    """
    rows = []
    for choice, (ours, theirs) in pairs.items():
        for key, part in theirs.groupby(SETTING):
            own = ours.loc[part.index]
            if len(part) < LEAST_CASES:
                continue
            for statistic in BATCHED:
                change = shift(measured(own), measured(part), statistic)
                rows.append((choice, *key, statistic, change.value, change.low, change.high, change.n))
    return pd.DataFrame(rows, columns=["choice", *SETTING, "statistic", "value", "low", "high", "n"])


def batch_stopping(records: pd.DataFrame, tolerance: float, check_every: int, batch: int = 16) -> pd.DataFrame:
    """What a test for convergence on the summed loss of a batch would have changed at least and, roughly, at most.

    The sum of the improvements of a batch is below the tolerance only when each of them is. So a batch goes on at least
    until the last of its samples would have stopped alone. A sample that has stopped alone was improving by less than
    the tolerance in as many steps as lie between two tests; if it did not quicken, it would gain less than that for
    each such stretch until the batch stops.

    Args:
        records: rows of descents that were each tested alone.
        tolerance, check_every: of that test.
        batch: samples of a batch, taken copy by copy from one crystal, level and method.

    Returns:
        DataFrame, a row for each noise and method: noise, method, n, steps (mean), batch_steps (mean, at least),
        gain and most_gain (of the loss, mean and largest).
    """
    ordered = records.sort_values([*START[:3], "method", "copy"], kind="stable")
    groups = ordered.groupby([*START[:3], "method"], sort=False)
    place = groups.cumcount() // batch
    last = ordered.groupby([ordered[name] for name in (*START[:3], "method")] + [place], sort=False)["steps"]
    until = last.transform("max")
    gain = tolerance * (until - ordered["steps"]) / check_every
    table = ordered.assign(until=until, gain=gain).groupby(["noise", "method"], sort=False)
    return table.agg(
        n=("steps", "size"), steps=("steps", "mean"), batch_steps=("until", "mean"), gain=("gain", "mean"),
        most_gain=("gain", "max"),
    ).reset_index()  # fmt: skip
