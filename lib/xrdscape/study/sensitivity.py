"""Changes by choices that the paper leaves open: some starting models of the study again, one choice made otherwise; or
the study's own results, evaluated otherwise."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xrdscape.crystal.structures import load_structure
from xrdscape.evaluation.estimates import paired_difference
from xrdscape.evaluation.information import BATCHED, ESTIMATORS, LEAST_CASES, shift
from xrdscape.evaluation.matching import Criterion, emd
from xrdscape.study import columns
from xrdscape.study.columns import SETTING, START, Which, match, similarity
from xrdscape.study.plan import descent_jobs, load_plan
from xrdscape.study.records import PUBLISHED_METHODS, crystal
from xrdscape.study.store import store_of

DESCENT = [*START, "method"]
"""Columns that name a descent of one seed."""
OTHER_CRITERIA: tuple[Criterion, ...] = ("pymatgen", "tight")

Pair = tuple[pd.DataFrame, pd.DataFrame]
"""Records of the same cases, row by row: with the study's choices, and with another."""


def recorded(names: Iterable[str]) -> dict[str, pd.DataFrame]:
    """Return the records by plan, of those of some plans of `data/plans.yaml` that have any."""
    found = {name: store_of(name).load(descent_jobs(load_plan(name))) for name in names}
    return {name: rows for name, rows in found.items() if len(rows)}


def in_common(study: pd.DataFrame, variant: pd.DataFrame) -> Pair:
    """Return the rows of both that have a starting model and a method in common, in one order."""
    # Of several learning rates, say, a starting model has one row here.
    ours = study.drop_duplicates(DESCENT).set_index(DESCENT)
    theirs = variant.drop_duplicates(DESCENT).set_index(DESCENT)
    shared = theirs.index.intersection(ours.index)
    return ours.loc[shared].reset_index(), theirs.loc[shared].reset_index()


def sensitivity_table(study: pd.DataFrame, variant: pd.DataFrame) -> pd.DataFrame:
    """Return the results from the same starting models with the study's choices and with another.

    Args:
        study: records, those of the variant's starting models and methods among them.
        variant: records of the same starting models under another choice.

    Returns:
        DataFrame, a row for each noise and method: noise, method, n (pairs), matched and matched_otherwise (shares
        under the conventional criterion), difference with low and high (95 %), similarity (by the method's objective,
        mean difference), error (its standard error), steps and steps_otherwise (means).
    """
    ours, theirs = in_common(study, variant)
    rows = []
    for (noise, method), part in theirs.groupby(["noise", "method"], sort=False):
        with_ours, flag = ours.loc[part.index], match("conventional", "end")
        before, after = with_ours[flag], part[flag]
        change = paired_difference(before.to_numpy(bool), after.to_numpy(bool))
        name = similarity(PUBLISHED_METHODS[str(method)].objective, "end")
        moved = part[name] - with_ours[name]
        row = {
            "noise": noise, "method": method, "n": len(part), "matched": before.mean(),
            "matched_otherwise": after.mean(), "difference": change.value, "low": change.low, "high": change.high,
            "similarity": moved.mean(), "error": moved.sem(), "steps": with_ours["steps"].mean(),
            "steps_otherwise": part["steps"].mean(),
        }  # fmt: skip
        rows.append(row)
    return pd.DataFrame(rows)


def choice_table(study: pd.DataFrame, variants: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return `sensitivity_table` of several plans, one below the other, with the plan's name in the column choice."""
    tables = [sensitivity_table(study, rows).assign(choice=name) for name, rows in variants.items()]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def criteria_differences(records: pd.DataFrame) -> pd.DataFrame:
    """Return the match rates under the other criteria less that under the conventional one, over the same results.

    Returns:
        DataFrame, a row for each setting and criterion: noise, level, method, criterion (of `OTHER_CRITERIA`),
        difference with low and high (95 %), n.
    """
    rows = []
    for key, part in records.groupby(SETTING, sort=False):
        before = part[match("conventional", "end")].to_numpy(bool)
        for criterion in OTHER_CRITERIA:
            change = paired_difference(before, part[match(criterion, "end")].to_numpy(bool))
            rows.append((*key, criterion, change.value, change.low, change.high, change.n))
    return pd.DataFrame(rows, columns=[*SETTING, "criterion", "difference", "low", "high", "n"])


def measured(rows: pd.DataFrame, which: Which = "end") -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the dissimilarity, by the method's own objective, and geometric distance of the models of one method.

    Args:
        rows: records of one method.
        which: starting or refined models.
    """
    name = similarity(PUBLISHED_METHODS[rows["method"].iloc[0]].objective, which)
    return -rows[name].to_numpy(np.float64), rows[columns.emd(which)].to_numpy(np.float64)


def start_statistics(records: pd.DataFrame) -> pd.DataFrame:
    """Return the statistics of `statistics.correlations` before any descent: noise, level, method, statistic, value.

    They are the limit of a descent that hardly moves, as with a small learning rate or an early stop.
    """
    rows = []
    for key, part in records.groupby(SETTING):
        pair = measured(part, "start")
        rows += [(*key, name, float(of(*pair))) for name, of in BATCHED.items()]
    return pd.DataFrame(rows, columns=[*SETTING, "statistic", "value"])


def estimator_values(records: pd.DataFrame) -> pd.DataFrame:
    """Return the mutual information of each setting by each of `ESTIMATORS`: noise, level, method, estimator, value
    (nats).
    """
    rows = []
    for key, part in records.groupby(SETTING):
        pair = measured(part)
        rows += [(*key, name, of(*pair)) for name, of in ESTIMATORS.items()]
    return pd.DataFrame(rows, columns=[*SETTING, "estimator", "value"])


def with_neighbours(records: pd.DataFrame, neighbours: int) -> pd.DataFrame:
    """Return the same results with another number of neighbours counted in their geometric distance (see `emd`)."""
    references = {name: load_structure(name) for name in records["structure"].unique()}
    distances = [emd(references[row["structure"]], crystal(row), neighbours) for _, row in records.iterrows()]
    return records.assign(**{columns.emd("end"): distances})


def neighbours_choice(count: int) -> str:
    """Return the choice of another number of neighbours, as `paired_choices` names it."""
    return f"{count} neighbours"


def paired_choices(
    study: pd.DataFrame, variants: Mapping[str, pd.DataFrame], neighbours: Sequence[int], copies: int
) -> dict[str, Pair]:
    """Return all choices that can move a statistic: by the name of the plan, and by `neighbours_choice`.

    Args:
        study: the study's records.
        variants: records by plan, of plans that vary one choice.
        neighbours: other numbers to count in the geometric distance.
        copies: for these, number of realisations of each setting that are evaluated again.
    """
    part = study[study["copy"] < copies].reset_index(drop=True)
    return {
        **{name: in_common(study, records) for name, records in variants.items()},
        **{neighbours_choice(count): (part, with_neighbours(part, count)) for count in neighbours},
    }


def choice_shifts(pairs: Mapping[str, Pair]) -> pd.DataFrame:
    """Return the shift of each statistic by each choice, at each setting that it was tried at.

    Returns:
        DataFrame: choice, noise, level, method, statistic, value (otherwise less study) with low and high (95 %, by
        halves), n.
    """
    rows = []
    for choice, (ours, theirs) in pairs.items():
        for key, part in theirs.groupby(SETTING):
            if len(part) < LEAST_CASES:
                continue
            for statistic in BATCHED:
                change = shift(measured(ours.loc[part.index]), measured(part), statistic)
                rows.append((choice, *key, statistic, change.value, change.low, change.high, change.n))
    return pd.DataFrame(rows, columns=["choice", *SETTING, "statistic", "value", "low", "high", "n"])


def shift_sizes(shifts: pd.DataFrame, choices: Sequence[str]) -> pd.DataFrame:
    """Return the shifts of each statistic by some choices, over all settings.

    Args:
        shifts: as `choice_shifts` gives them.
        choices: those to pool, each on its own.

    Returns:
        DataFrame: choice, statistic, mean, size (mean size), largest (size), beyond (settings whose shift is beyond
        chance), settings.
    """
    rows = []
    for (choice, statistic), part in shifts[shifts["choice"].isin(choices)].groupby(
        ["choice", "statistic"], sort=False
    ):
        sizes, beyond = part["value"].abs(), (part["low"] > 0) | (part["high"] < 0)
        rows.append((choice, statistic, part["value"].mean(), sizes.mean(), sizes.max(), int(beyond.sum()), len(part)))
    return pd.DataFrame(rows, columns=["choice", "statistic", "mean", "size", "largest", "beyond", "settings"])


def batch_stopping(records: pd.DataFrame, tolerance: float, check_every: int, batch: int = 16) -> pd.DataFrame:
    """Return the change of the steps by a test for convergence on the summed loss of a batch, at least and, roughly, at
    most.

    The sum of the improvements of a batch is below the tolerance only when each of them is. So a batch goes on at least
    until the last of its samples would have stopped alone. A sample that has stopped alone was improving by less than
    the tolerance in as many steps as lie between two tests; if it did not quicken, it would gain less than that for
    each such stretch until the batch stops.

    Args:
        records: rows of descents that were each tested alone.
        tolerance, check_every: of that test.
        batch: samples of a batch, taken one realisation after the other from one crystal, level and method.

    Returns:
        DataFrame, a row for each noise and method: noise, method, n, steps (mean), batch_steps (mean, at least),
        gain and most_gain (of the loss, mean and largest).
    """
    shared = ["structure", *SETTING]
    ordered = records.sort_values([*shared, "copy"], kind="stable")
    place = ordered.groupby(shared, sort=False).cumcount() // batch
    until = ordered.assign(place=place).groupby([*shared, "place"], sort=False)["steps"].transform("max")
    gain = tolerance * (until - ordered["steps"]) / check_every
    table = ordered.assign(until=until, gain=gain).groupby(["noise", "method"], sort=False)
    return table.agg(
        n=("steps", "size"), steps=("steps", "mean"), batch_steps=("until", "mean"), gain=("gain", "mean"),
        most_gain=("gain", "max"),
    ).reset_index()  # fmt: skip
