"""Every published statistic beside ours, and a reason for each difference that a stated rule gives.

The rules are tried in the order of `REASONS`, and each allows for the scatter of two samples, ours and the paper's of
`PUBLISHED_RESULTS`. So that they cannot excuse everything, none is fitted to a single number but for the last two, and
`shuffled_counts` says how many they would excuse if the published numbers had nothing to do with ours.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from xrdscape.evaluation.information import ESTIMATORS
from xrdscape.study.records import PUBLISHED_METHODS
from xrdscape.tables.results import LABELS, STATISTICS, estimate_text, number_text, published_values

AGREES, SIGN, ESTIMATOR = "agrees", "sign convention", "estimator"
CHOICE, SHORTER, REAL = "open choice", "shorter descent", "real disagreement"
REASONS = (AGREES, SIGN, ESTIMATOR, CHOICE, SHORTER, REAL)
"""In the order in which they are tried."""

PUBLISHED_RESULTS = 500
"""Results behind each published statistic."""

ROUNDING = 0.005
"""Half a unit of the last printed digit."""

OWN_ESTIMATOR, *OTHER_ESTIMATORS = ESTIMATORS

Key = tuple[str, str, float, str]
"""Statistic, noise, level, method."""


class Cell(NamedTuple):
    """What we have at one place of a table: our value with its interval and the size of its sample, the value at the
    starts, those of the other estimators, and the shifts by open choices that are beyond chance."""

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
    """Every value of Tables 1, S1 and S2 that is not blank."""
    return {(name, *key): value for name in STATISTICS for key, value in published_values(name).items()}


def cells(
    estimates: pd.DataFrame, starts: pd.DataFrame, estimators: pd.DataFrame, shifts: pd.DataFrame
) -> dict[Key, Cell]:
    """What the rules need, place by place.

    Args:
        estimates: as `records.correlations` gives them.
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
        found[place] = Cell(
            *(row["value"], row["low"], row["high"], row["n"], at_start[place], others, moved.get(place, {}))
        )
    return {place: cell for place, cell in found.items() if np.isfinite(cell.value)}


def allowance(cell: Cell, statistic: str, published: float) -> float:
    """How far a published value may be from ours by the scatter of both samples and by rounding.

    Half the width of our 95 % interval, on the side of the published value, is 1.96 standard errors of ours. The
    paper's sample has a scatter of its own, smaller by the root of the ratio of the sizes; the difference scatters
    as both together.
    """
    # The interval of a mutual information is symmetrical but for the cut at 0.
    above = published >= cell.value or statistic == "mutual_information"
    half = cell.high - cell.value if above else cell.value - cell.low
    return half * float(np.sqrt(1 + cell.n / PUBLISHED_RESULTS)) + ROUNDING


def turned(place: Key, published: float) -> float:
    """A published value with the sign that it has in our convention.

    For coordinate noise the text of the paper says that the similarities, not the losses, were correlated: there, and
    for the similarities alone, a negative value is the right way round.
    """
    statistic, noise, _, method = place
    similarity = (
        noise == "coordinates" and PUBLISHED_METHODS[method].objective != "mse" and statistic != "mutual_information"
    )
    return -published if similarity and published < 0 else published


def best_estimator(ours: Cells, published: Published) -> str:
    """The other estimator that agrees with the most values of Table 1."""
    counts = {name: agreeing(ours, published, name) for name in OTHER_ESTIMATORS}
    return max(counts, key=lambda name: counts[name])


def agreeing(ours: Cells, published: Published, estimator: str) -> int:
    """With how many values of Table 1 an estimator agrees."""
    shared = [place for place in published if place in ours and place[0] == "mutual_information"]
    return sum(
        abs(published[place] - ours[place].otherwise[estimator]) <= allowance(ours[place], place[0], published[place])
        for place in shared
    )


def reason(place: Key, cell: Cell, published: float, estimator: str) -> tuple[str, str]:
    """The first of `REASONS` whose rule holds, and the choice that it names, if it names one.

    Args:
        place, cell: what we have.
        published: what the paper printed there.
        estimator: the one other estimator that may be the reason.
    """
    sought = turned(place, published)
    room = allowance(cell, place[0], sought)
    if abs(published - cell.value) <= allowance(cell, place[0], published):
        return AGREES, ""
    if abs(sought - cell.value) <= room:
        return SIGN, ""
    if cell.otherwise and abs(sought - cell.otherwise[estimator]) <= room:
        return ESTIMATOR, estimator
    for choice, shift in cell.shifts.items():
        if _between(cell.value, cell.value + shift, sought, room):
            return CHOICE, choice
    if _between(cell.value, cell.start, sought, room):
        return SHORTER, ""
    return REAL, ""


def _between(one: float, other: float, sought: float, room: float) -> bool:
    return min(one, other) - room <= sought <= max(one, other) + room


def differences(ours: Cells, published: Published) -> pd.DataFrame:
    """Every published value that has a value of ours, and why they differ.

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
    """How often each reason would be given to published values that have changed places, a mean of many shuffles.

    Values change places within a table and a kind of noise, so that their sizes and signs stay plausible.
    """
    rng = np.random.default_rng(seed)
    shared = {place: value for place, value in published.items() if place in ours}
    groups: dict[tuple[str, str], list[Key]] = {}
    for place in shared:
        groups.setdefault(place[:2], []).append(place)
    given: list[str] = []
    for _ in range(times):
        mixed = {
            place: shared[other]
            for places in groups.values()
            for place, other in zip(places, [places[i] for i in rng.permutation(len(places))], strict=True)
        }
        estimator = best_estimator(ours, mixed)
        given += [reason(place, ours[place], value, estimator)[0] for place, value in mixed.items()]
    return pd.Series(given).value_counts().reindex(REASONS, fill_value=0) / times


def reason_table(found: pd.DataFrame, shuffled: pd.Series) -> pd.DataFrame:
    """How many published values have each reason, and how many would if they had changed places.

    Args:
        found: as `differences` gives it.
        shuffled: as `shuffled_counts` gives it.
    """
    counts = found.groupby(["reason", "statistic"]).size().unstack(fill_value=0)
    counts = counts.reindex(index=REASONS, columns=list(STATISTICS), fill_value=0)
    table = counts.rename(columns=dict(STATISTICS))
    table.insert(0, "Reason", [name.capitalize() for name in REASONS])
    table["All"] = counts.sum(axis=1)
    table["All, shuffled"] = [f"{value:.0f}" for value in shuffled]
    return table.reset_index(drop=True)


def largest_table(found: pd.DataFrame, most: int) -> pd.DataFrame:
    """The real disagreements, the largest (in units of scatter) first, `most` of them at most."""
    chosen = found[found["reason"] == REAL].sort_values("excess", ascending=False, kind="stable").head(most)
    return pd.DataFrame(
        {
            "Statistic": chosen["statistic"].map(STATISTICS),
            "Setting": [f"{noise} {level:g}" for noise, level in zip(chosen["noise"], chosen["level"], strict=True)],
            "Method": chosen["method"].map(LABELS),
            "Published": [number_text(value) for value in chosen["published"]],
            "Here": [estimate_text(*row) for row in chosen[["value", "low", "high"]].itertuples(index=False)],
            "At the starts": [number_text(value) for value in chosen["start"]],
            "Difference over allowance": [f"{value:.1f}" for value in chosen["excess"]],
        }
    ).reset_index(drop=True)


def methods_table(found: pd.DataFrame, records: pd.DataFrame) -> pd.DataFrame:
    """By method, how many published values agree, with the sign turned where that is due, and how far descents moved.

    Args:
        found: as `differences` gives it.
        records: of descents; the move is the median over those of cells of the mean relative change of the lengths.
    """
    fits = found.assign(fits=found["reason"].isin((AGREES, SIGN)))
    table = pd.DataFrame({"Method": [LABELS[method] for method in PUBLISHED_METHODS]})
    for noise, head in (("lattice", "Agree, lattice"), ("coordinates", "Agree, coordinates")):
        counts = fits[fits["noise"] == noise].groupby("method")["fits"].agg(["sum", "size"])
        told = {str(method): f"{row['sum']} of {row['size']}" for method, row in counts.iterrows()}
        table[head] = [told.get(method, "–") for method in PUBLISHED_METHODS]
    cells_moved = records[records["noise"] == "lattice"]
    start, end = (np.stack(list(cells_moved[f"{which}_lattice"]))[:, :3] for which in ("start", "end"))
    moved = pd.Series(np.abs(end / start - 1).mean(axis=1)).groupby(cells_moved["method"].to_numpy()).median()
    table["Lengths moved by (%)"] = [
        f"{100 * moved[method]:.2f}" if method in moved else "–" for method in PUBLISHED_METHODS
    ]
    return table


def reasons_text(found: pd.DataFrame, shuffled: pd.Series, estimator: str) -> str:
    """The counts in words, with what chance alone would leave.

    Args:
        found: as `differences` gives it.
        shuffled: as `shuffled_counts` gives it.
        estimator: the other one that may be a reason.
    """
    total, counts = len(found), found["reason"].value_counts()
    agree = int(counts.get(AGREES, 0))
    chosen = found.loc[found["reason"] == CHOICE, "choice"].value_counts()
    named = ", ".join(f"{choice} ({count})" for choice, count in chosen.items())
    far = found[found["reason"].isin((CHOICE, SHORTER, REAL))]
    lattice = far[far["noise"] == "lattice"]
    left = found[found["reason"] == REAL]
    elsewhere = int((left["noise"] == "coordinates").sum())
    stronger = int((lattice["value"] > lattice["published"]).sum())
    return (
        f"Of {total} published values, {agree} agree with ours as they stand and {counts.get(SIGN, 0)} once the sign "
        f"is turned; two samples of one truth would differ beyond the allowance in about {0.05 * total:.0f}. Another "
        f"estimator ({estimator}) accounts for {counts.get(ESTIMATOR, 0)} more, an open choice for "
        f"{counts.get(CHOICE, 0)}{f': {named}' if named else ''}. {counts.get(SHORTER, 0)} lie where a shorter descent "
        f"could bring them, and {len(left)} are left, {elsewhere} of them under coordinate noise; "
        f"{shuffled[REAL]:.0f} would be left, had the published values changed places. Of the {len(lattice)} under "
        f"lattice noise that neither scatter nor estimator explains, ours is the larger in {stronger}."
    )
