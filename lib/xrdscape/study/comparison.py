"""Every published number beside ours, and a reason for each difference that a stated rule gives.

The rules are tried in the order of `REASONS`, and each allows for the scatter of two samples, ours and the paper's of
`PUBLISHED_RESULTS`. So that they cannot excuse everything, none is fitted to a single number but for the last two, and
`shuffled_counts` says how many they would excuse if the published numbers had nothing to do with ours.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args

import numpy as np
import pandas as pd

from xrdscape.crystal.distortion import Noise
from xrdscape.evaluation.estimates import STATISTICS, Statistic
from xrdscape.evaluation.information import ESTIMATORS
from xrdscape.study.columns import WHICH, lattice
from xrdscape.study.published import published_values
from xrdscape.study.records import PUBLISHED_METHODS

Reason = Literal["agrees", "sign convention", "estimator", "open choice", "shorter descent", "real disagreement"]
"""Reason for which a published value differs from ours, in the order in which the rules are tried."""
REASONS: tuple[Reason, ...] = get_args(Reason)

PUBLISHED_RESULTS = 500
"""Results behind each published statistic."""

ROUNDING = 0.005
"""Half a unit of the last printed digit."""

OWN_ESTIMATOR, *OTHER_ESTIMATORS = ESTIMATORS

Key = tuple[Statistic, Noise, float, str]
"""Statistic, noise, level, method: a place in the published tables."""


class Cell(NamedTuple):
    """Our value at one place of a table, and what else may explain a difference there.

    Attributes:
        value, low, high, n: our value with its interval and the size of its sample.
        start: the value at the starting models.
        otherwise: values of the other estimators, by name.
        shifts: by open choices whose shift is beyond chance, that shift.
    """

    value: float
    low: float
    high: float
    n: int
    start: float
    otherwise: Mapping[str, float]
    shifts: Mapping[str, float]


Cells = Mapping[Key, Cell]
Published = Mapping[Key, float]


def all_published() -> dict[Key, float]:
    """Return every value of Tables 1, S1 and S2 that is not blank."""
    return {(name, *key): value for name in STATISTICS for key, value in published_values(name).items()}


def cells(
    estimates: pd.DataFrame, starts: pd.DataFrame, estimators: pd.DataFrame, shifts: pd.DataFrame
) -> dict[Key, Cell]:
    """Return our values and what the rules need beside them, place by place.

    Args:
        estimates: as `statistics.correlations` gives them.
        starts, estimators, shifts: as `sensitivity.start_statistics`, `estimator_values` and `choice_shifts` do.
    """
    beyond_chance = shifts[(shifts["low"] > 0) | (shifts["high"] < 0)]
    key = ["statistic", "noise", "level", "method"]
    at_start = dict(zip(starts[key].itertuples(index=False, name=None), starts["value"], strict=True))
    other = {
        group: dict(zip(part["estimator"], part["value"], strict=True))
        for group, part in estimators.groupby(key[1:], sort=False)
    }
    moved = {
        group: dict(zip(part["choice"], part["value"], strict=True))
        for group, part in beyond_chance.groupby(key, sort=False)
    }
    found = {}
    for row in estimates.to_dict("records"):
        place: Key = (row["statistic"], row["noise"], row["level"], row["method"])
        others = other.get(place[1:], {}) if place[0] == "mutual_information" else {}
        shift = moved.get(place, {})
        found[place] = Cell(row["value"], row["low"], row["high"], row["n"], at_start[place], others, shift)
    return {place: cell for place, cell in found.items() if np.isfinite(cell.value)}


def allowance(cell: Cell, statistic: Statistic, published: float) -> float:
    """Return the largest difference of a published value from ours that the scatter of both samples and rounding
    explain.

    Half the width of our 95 % interval, on the side of the published value, is 1.96 standard errors of ours. The
    paper's sample has a scatter of its own, smaller by the root of the ratio of the sizes; the difference scatters
    as both together.
    """
    # The interval of a mutual information is symmetrical but for the cut at 0.
    above = published >= cell.value or statistic == "mutual_information"
    half = cell.high - cell.value if above else cell.value - cell.low
    return half * float(np.sqrt(1 + cell.n / PUBLISHED_RESULTS)) + ROUNDING


def turned(place: Key, published: float) -> float:
    """Return the published value with the sign that it has in our convention.

    For coordinate noise the text of the paper says that the similarities, not the losses, were correlated: there, and
    for the similarities alone, a negative value is the right way round.
    """
    statistic, noise, _, method = place
    similarity = (
        noise == "coordinates" and PUBLISHED_METHODS[method].objective != "mse" and statistic != "mutual_information"
    )
    return -published if similarity and published < 0 else published


def best_estimator(ours: Cells, published: Published) -> str:
    """Return the other estimator that agrees with the most values of Table 1."""
    counts = {name: agreeing(ours, published, name) for name in OTHER_ESTIMATORS}
    return max(counts, key=lambda name: counts[name])


def agreeing(ours: Cells, published: Published, estimator: str) -> int:
    """Return the number of values of Table 1 that an estimator agrees with."""
    shared = [place for place in published if place in ours and place[0] == "mutual_information"]
    return sum(
        abs(published[place] - ours[place].otherwise[estimator]) <= allowance(ours[place], place[0], published[place])
        for place in shared
    )


def reason(place: Key, cell: Cell, published: float, estimator: str) -> tuple[Reason, str]:
    """Return the first of `REASONS` whose rule holds, and the estimator or choice that it names, if it names one.

    Args:
        place, cell: what we have.
        published: what the paper printed there.
        estimator: the one other estimator that may be the reason.
    """
    sought = turned(place, published)
    room = allowance(cell, place[0], sought)
    if abs(published - cell.value) <= allowance(cell, place[0], published):
        return "agrees", ""
    if abs(sought - cell.value) <= room:
        return "sign convention", ""
    if cell.otherwise and abs(sought - cell.otherwise[estimator]) <= room:
        return "estimator", estimator
    for choice, shift in cell.shifts.items():
        if _between(cell.value, cell.value + shift, sought, room):
            return "open choice", choice
    if _between(cell.value, cell.start, sought, room):
        return "shorter descent", ""
    return "real disagreement", ""


def _between(one: float, other: float, sought: float, room: float) -> bool:
    return min(one, other) - room <= sought <= max(one, other) + room


def differences(ours: Cells, published: Published) -> pd.DataFrame:
    """Return every published value that has a value of ours, and the reason for their difference.

    Returns:
        DataFrame: statistic, noise, level, method, published, turned (see `turned`), value, low, high, start, reason,
        choice, excess (the difference from `turned` in units of what scatter allows).
    """
    estimator = best_estimator(ours, published)
    rows = []
    for place, value in published.items():
        if place in ours:
            cell, sought = ours[place], turned(place, value)
            why = reason(place, cell, value, estimator)
            excess = abs(sought - cell.value) / allowance(cell, place[0], sought)
            rows.append((*place, value, sought, cell.value, cell.low, cell.high, cell.start, *why, excess))
    names = ["statistic", "noise", "level", "method", "published", "turned", "value", "low", "high", "start"]
    return pd.DataFrame(rows, columns=[*names, "reason", "choice", "excess"])


def shuffled_counts(ours: Cells, published: Published, seed: int = 0, times: int = 500) -> pd.Series:
    """Return the number of times that each reason would be given to published values that have changed places, a mean
    of shuffles.

    Values change places within a table and a kind of noise, so that their sizes and signs stay plausible.
    """
    rng = np.random.default_rng(seed)
    shared = {place: value for place, value in published.items() if place in ours}
    groups: dict[tuple[Statistic, Noise], list[Key]] = {}
    for place in shared:
        groups.setdefault(place[:2], []).append(place)
    given: list[Reason] = []
    for _ in range(times):
        mixed = {
            place: shared[other]
            for places in groups.values()
            for place, other in zip(places, [places[i] for i in rng.permutation(len(places))], strict=True)
        }
        estimator = best_estimator(ours, mixed)
        given += [reason(place, ours[place], value, estimator)[0] for place, value in mixed.items()]
    return pd.Series(given).value_counts().reindex(REASONS, fill_value=0) / times


def estimator_means(ours: Cells, published: Published) -> pd.DataFrame:
    """Return the mutual information by each estimator and as published, over the settings of each kind.

    Returns:
        DataFrame indexed by "published" and the names of `ESTIMATORS`: the mean over settings with "Lattice, free",
        "Lattice, constrained" and "Coordinates" (those there are), difference (mean size of that from the published
        values), agrees (number of values that the estimator agrees with), shared (number of values compared).
    """
    shared = [place for place in published if place in ours and place[0] == "mutual_information"]
    frame = pd.DataFrame(
        [{"kind": _kind(place), "published": published[place], **ours[place].otherwise} for place in shared]
    )
    means = frame.groupby("kind", sort=False).mean().T
    differences = {name: float((frame[name] - frame["published"]).abs().mean()) for name in ESTIMATORS}
    agrees = {name: agreeing(ours, published, name) for name in ESTIMATORS}
    return means.assign(difference=pd.Series(differences), agrees=pd.Series(agrees), shared=len(shared))


def _kind(place: Key) -> str:
    _, noise, _, method = place
    if noise == "coordinates":
        return "Coordinates"
    return "Lattice, constrained" if PUBLISHED_METHODS[method].constrained else "Lattice, free"


def lengths_moved(records: pd.DataFrame) -> pd.Series:
    """Return the median over the descents of cells of the mean relative change of the lengths, by method."""
    rows = records[records["noise"] == "lattice"]
    start, end = (np.stack(list(rows[lattice(which)]))[:, :3] for which in WHICH)
    return pd.Series(np.abs(end / start - 1).mean(axis=1)).groupby(rows["method"].to_numpy()).median()
