"""The one descent that a figure shows in detail, chosen from the records by a fixed rule."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from pymatgen.core import Structure

from xrdscape.crystal.structures import load_structure, to_tensors
from xrdscape.diffraction.pattern import Simulator
from xrdscape.errors import RecordError
from xrdscape.optimisation.objectives import cosine_similarity
from xrdscape.study.records import crystal


@dataclass(frozen=True)
class Stage:
    """One row of a case: what it is, the crystal, its cosine similarity to the true pattern, whether it matches."""

    label: str
    structure: Structure
    cosine: float
    matched: bool


@dataclass(frozen=True)
class Case:
    """One start and what became of it, free and constrained.

    `is_spurious`: the free descent ended without a match.
    """

    name: str
    level: float
    copy: int
    seed: int
    reference: Structure
    stages: tuple[Stage, ...]
    is_spurious: bool


def choose_case(records: pd.DataFrame, name: str, level: float = 0.1) -> Case:
    """The copy whose unconstrained descent ended with the highest cosine similarity without a match.

    Where every copy matched, the one with the highest cosine similarity at the end.

    Args:
        records: rows of descents.
        name: the structure.
        level: of lattice noise.

    Raises:
        RecordError: for a setting that was not run with both cosine methods.
    """
    rows = records[
        (records["structure"] == name) & (records["noise"] == "lattice") & np.isclose(records["level"], level)
    ]
    free = rows[rows["method"] == "cosine"].sort_values(["cosine_end", "copy"], ascending=[False, True])
    bound = rows[rows["method"] == "cosine_constrained"].set_index("copy")
    if free.empty or not free["copy"].isin(bound.index).all():
        raise RecordError(
            f"There are no records of {name} at lattice noise {level:g} with and without constraints. Put this "
            "structure and level, and the methods cosine and cosine_constrained, into the plan."
        )
    failed = free[~free["match_conventional_end"].astype(bool)]
    row = (free if failed.empty else failed).iloc[0]
    constrained = bound.loc[row["copy"]]
    reference = load_structure(name)
    distorted = crystal(row, "start")
    stages = (
        Stage("Truth", reference, 1.0, True),
        Stage("Distorted", distorted, _cosine(reference, distorted), bool(row["match_conventional_start"])),
        _end("Unconstrained", row),
        _end("Constrained", constrained),
    )
    return Case(name, level, int(row["copy"]), int(row["seed"]), reference, stages, not failed.empty)


def _end(label: str, row: pd.Series) -> Stage:
    return Stage(label, crystal(row, "end"), float(row["cosine_end"]), bool(row["match_conventional_end"]))


def _cosine(reference: Structure, other: Structure) -> float:
    simulator = Simulator(reference)
    return float(cosine_similarity(simulator(*to_tensors([other])), simulator(*to_tensors([reference]))[0]))


def case_sentence(case: Case) -> str:
    """What the case shows, in words and numbers."""
    _, start, free, bound = case.stages
    said = {True: "matches", False: "does not match"}
    found = (
        f"The unconstrained descent takes the cosine similarity from {start.cosine:.2f} to {free.cosine:.2f} and its "
        f"result {said[free.matched]} the truth; the constrained one ends at {bound.cosine:.2f} and its result "
        f"{said[bound.matched]}."
    )
    if case.is_spurious:
        return found
    return "Every unconstrained descent of this structure matched at this sample, so the rule fell back. " + found
