"""Rates, costs and correlations read off records."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from xrdscape.crystal.structures import load_structure
from xrdscape.errors import RecordError
from xrdscape.evaluation.estimates import (
    Estimate,
    Statistic,
    jeffreys_interval,
    mutual_information,
    pearson,
    spearman,
)
from xrdscape.evaluation.matching import CRITERIA, Criterion
from xrdscape.study.columns import SETTING, START, emd, lattice, match, similarity
from xrdscape.study.records import NOISED, PUBLISHED_METHODS


def rates(rows: pd.DataFrame, by: Sequence[str], flag: str) -> pd.DataFrame:
    """Return the share of rows with a flag set, group by group.

    Returns:
        DataFrame: the columns `by`, matched (rows with the flag), trials, rate, low, high (Jeffreys' 95 % interval).
    """
    groups = rows.assign(matched=rows[flag].astype(bool)).groupby(list(by), as_index=False)
    counts = groups.agg(matched=("matched", "sum"), trials=("matched", "size"))
    intervals = [jeffreys_interval(m, n) for m, n in zip(counts["matched"], counts["trials"], strict=True)]
    return counts.assign(
        rate=counts["matched"] / counts["trials"],
        low=[low for low, _ in intervals],
        high=[high for _, high in intervals],
    )


def starting_models(records: pd.DataFrame) -> pd.DataFrame:
    """Return the records of each starting model once, which several methods may have descended."""
    return records.drop_duplicates(START)


def match_rates(records: pd.DataFrame, criterion: Criterion = "conventional") -> pd.DataFrame:
    """Return the share of refined models that match, by noise, level and method, and of starting models (method
    `NOISED`).

    Args:
        records: rows of descents, relaxations and searches.
        criterion: when a model matches.

    Returns:
        DataFrame noise, level, method, matched, trials, rate, low, high; the interval is Jeffreys', 95 %.

    Raises:
        RecordError: for an unknown criterion.
    """
    if criterion not in CRITERIA:
        raise RecordError(f"Unknown criterion {criterion!r}. Use one of: {', '.join(CRITERIA)}.")
    starts = starting_models(records)
    begun = starts.assign(method=NOISED, matched=starts[match(criterion, "start")])
    refined = records.assign(matched=records[match(criterion, "end")])
    return rates(pd.concat([begun, refined]), SETTING, "matched")


def joined_rates(descents: pd.DataFrame, relaxations: pd.DataFrame) -> pd.DataFrame:
    """Return `match_rates` of descents and relaxations together."""
    return match_rates(pd.concat([descents, relaxations], ignore_index=True))


def rates_by_criterion(records: pd.DataFrame) -> pd.DataFrame:
    """Return `match_rates` under every criterion, with its name in the column criterion."""
    return pd.concat([match_rates(records, name).assign(criterion=name) for name in CRITERIA], ignore_index=True)


def costs(records: pd.DataFrame) -> pd.DataFrame:
    """Return the tight matches of each method and its time, setting by setting.

    Args:
        records: rows of descents, relaxations and searches.

    Returns:
        DataFrame noise, level, method, matched, trials; rate, low, high (tight matches, Jeffreys' 95 % interval);
        seconds (median of a start).
    """
    found = match_rates(records, "tight")
    seconds = records.groupby(SETTING, as_index=False)["seconds"].median()
    return found[found["method"] != NOISED].merge(seconds, on=SETTING).sort_values(SETTING, ignore_index=True)


def pooled_matches(records: pd.DataFrame) -> pd.DataFrame:
    """Return the matches over all levels, of free and constrained descents of cells and of descents of coordinates.

    Returns:
        DataFrame: noise, constrained, trials, conventional, tight (numbers of matches).
    """
    constrained = records["method"].map({name: method.constrained for name, method in PUBLISHED_METHODS.items()})
    moves_cell = records["noise"] == "lattice"
    groups = (
        ("lattice", False, records[moves_cell & ~constrained]),
        ("lattice", True, records[moves_cell & constrained]),
        ("coordinates", False, records[~moves_cell]),
    )
    return pd.DataFrame(
        [
            (noise, bound, len(rows), *(int(rows[match(kind, "end")].sum()) for kind in ("conventional", "tight")))
            for noise, bound, rows in groups
        ],
        columns=["noise", "constrained", "trials", "conventional", "tight"],
    )


@dataclass(frozen=True)
class ReductionEffect:
    """Counts of starting models that pymatgen's default options evaluate otherwise: they reduce cells first.

    Attributes:
        displaced: starting models with displaced atoms that match as they are.
        lost: of these, those that the default options no longer match.
        strained: starting models with a strained cell that do not match as they are.
        accepted: of these, those that the default options match.
    """

    displaced: int
    lost: int
    strained: int
    accepted: int


def reduction_effect(records: pd.DataFrame) -> ReductionEffect:
    """Count what pymatgen's default options do to the evaluation of the starting models."""
    starts = starting_models(records)
    as_is, reduced = (starts[match(name, "start")].astype(bool) for name in ("conventional", "pymatgen"))
    displaced = starts["noise"] == "coordinates"
    return ReductionEffect(
        int((as_is & displaced).sum()),
        int((as_is & ~reduced & displaced).sum()),
        int((~as_is & ~displaced).sum()),
        int((~as_is & reduced & ~displaced).sum()),
    )


def tight_among_matches(records: pd.DataFrame) -> pd.DataFrame:
    """Return the tight matches among those that the conventional criterion accepts, setting by setting, and over the
    levels.

    Returns:
        DataFrame noise, level, method (`NOISED` for starting models), trials, matched (conventional), tight (of the
        matched).
    """
    starts = starting_models(records).assign(method=NOISED)
    for criterion in CRITERIA:
        starts[match(criterion, "end")] = starts[match(criterion, "start")]
    every = pd.concat([starts, records], ignore_index=True)
    accepted = every[match("conventional", "end")].astype(bool)
    flags = every[SETTING].assign(matched=accepted, tight=accepted & every[match("tight", "end")].astype(bool))
    groups = flags.groupby(SETTING, as_index=False)
    return groups.agg(trials=("matched", "size"), matched=("matched", "sum"), tight=("tight", "sum"))


def off_reference(records: pd.DataFrame, level: float) -> np.ndarray:
    """Return the departures of the starting cells under lattice noise of a level from the reference's.

    Returns:
        Departures [n, 6]: relative ones of the lengths, degrees of the angles.
    """
    starts = starting_models(records[records["noise"] == "lattice"])
    starts = starts[np.isclose(starts["level"], level)]
    found = [np.empty((0, 6))]
    for name, group in starts.groupby("structure"):
        reference = np.array(load_structure(str(name)).lattice.parameters)
        off = np.abs(np.stack(list(group[lattice("start")])) - reference)
        off[:, :3] /= reference[:3]
        found.append(off)
    return np.concatenate(found)


def correlations(records: pd.DataFrame, seed: int = 0, halves: int = 200, resamples: int = 2000) -> pd.DataFrame:
    """Return the statistics of dissimilarity, by the objective descended, and geometric distance over the results of
    each setting.

    Args:
        records: rows of descents.
        seed: of the resampling.
        halves, resamples: drawn for the intervals of the mutual information and of the correlations.

    Returns:
        DataFrame noise, level, method, statistic, value, low, high, n. Both quantities grow as results get
        worse, so a positive correlation is the right way round.
    """
    rows = []
    for (noise, level, method), group in records.groupby(SETTING):
        dissimilarity = -group[similarity(PUBLISHED_METHODS[str(method)].objective, "end")].to_numpy()
        distance = group[emd("end")].to_numpy()
        estimates: dict[Statistic, Estimate] = {
            "mutual_information": mutual_information(dissimilarity, distance, seed=seed, n_resamples=halves),
            "pearson": pearson(dissimilarity, distance, n_resamples=resamples),
            "spearman": spearman(dissimilarity, distance, n_resamples=resamples),
        }
        for statistic, e in estimates.items():
            rows.append((noise, level, method, statistic, e.value, e.low, e.high, e.n))
    return pd.DataFrame(rows, columns=[*SETTING, "statistic", "value", "low", "high", "n"])
