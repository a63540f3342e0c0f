"""Recovery from patterns with artefacts, read off its records: rates by size, how much is borne, where models end."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from xrdscape.crystal.families import detect_family, project
from xrdscape.crystal.structures import load_structure
from xrdscape.diffraction.artefacts import ARTEFACTS, NONE, ArtefactName
from xrdscape.errors import RecordError
from xrdscape.study.columns import lattice, loss, match
from xrdscape.study.jobs.artefact import COPIES, STORE, artefact_jobs
from xrdscape.study.statistics import rates
from xrdscape.study.store import store_of

SAME_LOSS = 1e-5
"""Cosine losses in float32 that are nearer than this are one."""


def artefact_records(copies: int = COPIES, seed: int = 0) -> pd.DataFrame:
    """Return the recorded descents towards targets with artefacts.

    Args:
        copies, seed: those of the run that made them.

    Raises:
        RecordError: there are none.
    """
    rows = store_of(STORE).load(artefact_jobs(copies=copies, seed=seed))
    if rows.empty:
        raise RecordError(
            f"No recoveries from patterns with artefacts are recorded for {copies} copies and seed {seed}. "
            "`xrdscape artefacts` makes them."
        )
    return rows


def rates_by_size(records: pd.DataFrame) -> pd.DataFrame:
    """Return the rate of recovery by artefact, size, and whether the cell is projected.

    Args:
        records: as `artefact_records` gives them.

    Returns:
        DataFrame, each artefact's sizes in ascending order with none among them: artefact, projected, size, trials,
        matched (tightly), rate with low and high (Jeffreys, 95 %), conventional (rate), misled (share whose refined
        model is no tight match and explains the target as well as the reference structure, or better), lost (share
        whose refined model explains it worse), cosine (median similarity to the target at the end), without (rate of
        the same crystals without the artefact).
    """
    found = []
    for name, artefact in ARTEFACTS.items():
        for projected in (False, True):
            ours = records[records["projected"] == projected]
            part = ours[ours["flaw"] == name]
            if part.empty:
                continue
            sound = ours[ours["flaw"] == NONE].assign(flaw_size=artefact.absent)
            every = pd.concat([part, sound])
            table = rates(every, ["flaw_size"], match("tight", "end")).rename(columns={"flaw_size": "size"})
            table.insert(0, "artefact", name)
            table.insert(1, "projected", projected)
            found.append(table.merge(_outcomes(every, sound), on="size"))
    return pd.concat(found, ignore_index=True)


def _outcomes(rows: pd.DataFrame, sound: pd.DataFrame) -> pd.DataFrame:
    """Return the outcomes of descents at each size, beside tight matches; `sound` are those without the artefact."""
    found = []
    for size, group in rows.groupby("flaw_size"):
        tight = group[match("tight", "end")].astype(bool)
        misled = (~tight & (group[loss("end")] <= group["truth_loss"] + SAME_LOSS)).mean()
        same = sound[sound["structure"].isin(group["structure"])]
        row = {
            "size": size,
            "conventional": group[match("conventional", "end")].mean(),
            "misled": misled,
            # Never negative by rounding.
            "lost": abs(round(1 - tight.mean() - misled, 9)),
            "cosine": -group[loss("end")].median(),
            "without": same[match("tight", "end")].mean(),
        }
        found.append(row)
    return pd.DataFrame(found)


def tolerated(rates: pd.DataFrame) -> pd.DataFrame:
    """Return the largest size of each artefact that is borne.

    Going outwards from none, it is the last size before recovery is below half of what it is without the artefact.

    Args:
        rates: as `rates_by_size` gives them.

    Returns:
        DataFrame, one row for each artefact, way to be wrong, and whether the cell is projected: artefact, side (-1 or
        1), projected, holds (size; that of none where no size holds) and its rate, breaks (size; NaN where none does)
        and its rate.
    """
    rows = []
    for name, projected in dict.fromkeys(zip(rates["artefact"], rates["projected"], strict=True)):
        part = rates[(rates["artefact"] == name) & (rates["projected"] == projected)]
        by_size, absent = part.set_index("size"), ARTEFACTS[name].absent
        for side in (-1, 1):
            sizes = sorted((s for s in by_size.index if (s - absent) * side > 0), reverse=side < 0)
            if not sizes:
                continue
            bad = [size for size in sizes if by_size.loc[size, "rate"] < by_size.loc[size, "without"] / 2]
            kept = sizes[: sizes.index(bad[0])] if bad else sizes
            holds, breaks = (kept[-1] if kept else absent), (bad[0] if bad else math.nan)
            at = [by_size["rate"].get(size, math.nan) for size in (holds, breaks)]
            rows.append((name, side, projected, holds, at[0], breaks, at[1]))
    columns = ["artefact", "side", "projected", "holds", "holds_rate", "breaks", "breaks_rate"]
    return pd.DataFrame(rows, columns=columns)


def free_cells(records: pd.DataFrame, artefact: ArtefactName, size: float) -> pd.DataFrame:
    """Return the records of free cells at one size of an artefact."""
    chosen = (records["flaw"] == artefact) & (records["flaw_size"] == size)
    return records[chosen & ~records["projected"].astype(bool)]


def angle_departures(rows: pd.DataFrame) -> np.ndarray:
    """Return the largest departure of each refined cell's angles from those of its family's nearest cell, deg [n]."""
    found = []
    for _, row in rows.iterrows():
        cell = torch.tensor(np.array(row[lattice("end")]), dtype=torch.float64)
        nearest = project(cell, detect_family(load_structure(row["structure"])))
        found.append(float((cell - nearest)[3:].abs().max()))
    return np.array(found)


@dataclass(frozen=True)
class LengthChange:
    """Relative change of the lengths of refined cells from the reference's.

    Attributes:
        size: of the artefact.
        middle: median over the cells of their mean change.
        largest: largest change of one length.
    """

    size: float
    middle: float
    largest: float


def length_changes(records: pd.DataFrame, artefact: ArtefactName, sizes: Sequence[float]) -> list[LengthChange]:
    """Return the changes of the lengths of free cells at some sizes of an artefact."""
    found = []
    for size in sizes:
        change = np.array(
            [
                np.divide(row[lattice("end")][:3], load_structure(row["structure"]).lattice.abc) - 1
                for _, row in free_cells(records, artefact, size).iterrows()
            ]
        )
        found.append(LengthChange(size, float(np.median(change.mean(1))), float(np.abs(change).max())))
    return found


def explained(records: pd.DataFrame, artefact: ArtefactName, size: float) -> tuple[float, float]:
    """Return the median cosine similarities to a target with an artefact: the reference structure's, and those of free
    cells.
    """
    rows = free_cells(records, artefact, size)
    return -rows["truth_loss"].median(), -rows[loss("end")].median()
