"""Single cases that figures show in detail, chosen from records by fixed rules, with their patterns."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from pymatgen.core import Structure

from xrdscape.crystal.distortion import Noise
from xrdscape.crystal.structures import load_structure
from xrdscape.diffraction.instrument import PAPER_INSTRUMENT
from xrdscape.diffraction.pattern import reflection_table
from xrdscape.errors import RecordError
from xrdscape.patterns.pattern import Pattern
from xrdscape.patterns.simulated import simulate
from xrdscape.study.columns import Which, emd, match, similarity
from xrdscape.study.outcomes import at_setting
from xrdscape.study.records import crystal


@dataclass(frozen=True)
class Model:
    """A model of a case.

    Args:
        label: what it is.
        structure: the model.
        pattern, reflections: its pattern and reflection table.
        cosine: similarity of its pattern to that of the reference structure.
        matched: whether it matches by the conventional criterion.
    """

    label: str
    structure: Structure
    pattern: Pattern
    reflections: pd.DataFrame
    cosine: float
    matched: bool


@dataclass(frozen=True)
class Case:
    """A starting model and what became of it.

    Args:
        name: of the crystal.
        level, copy, seed: of the starting model.
        models: reference structure, starting model and refined ones, in the order to show.
        is_spurious: whether the free descent ended without a match.
    """

    name: str
    level: float
    copy: int
    seed: int
    models: tuple[Model, ...]
    is_spurious: bool

    @property
    def reference(self) -> Structure:
        """The reference structure."""
        return self.models[0].structure


def reference_model(label: str, reference: Structure) -> Model:
    """Return the reference structure as a model of a case."""
    return _model(label, reference, 1.0, True)


def recorded_model(label: str, row: pd.Series, which: Which, reference: Structure) -> Model:
    """Return the starting or refined model of a record as a model of a case."""
    structure = crystal(row, which, reference)
    cosine, matched = float(row[similarity("cosine", which)]), bool(row[match("conventional", which)])
    return _model(label, structure, cosine, matched)


def _model(label: str, structure: Structure, cosine: float, matched: bool) -> Model:
    pattern, table = simulate(structure, PAPER_INSTRUMENT), reflection_table(structure, PAPER_INSTRUMENT)
    return Model(label, structure, pattern, table, cosine, matched)


def choose_case(records: pd.DataFrame, name: str, level: float = 0.1) -> Case:
    """Return the realisation whose unconstrained descent ended with the highest cosine similarity without a match.

    Where every realisation matched, it is the one with the highest cosine similarity at the end.

    Args:
        records: rows of descents.
        name: of the structure.
        level: of lattice noise.

    Raises:
        RecordError: for a setting that was not run with both cosine methods.
    """
    rows = at_setting(records[records["structure"] == name], "lattice", level)
    cosine = similarity("cosine", "end")
    free = rows[rows["method"] == "cosine"].sort_values([cosine, "copy"], ascending=[False, True])
    bound = rows[rows["method"] == "cosine_constrained"].set_index("copy")
    if free.empty or not free["copy"].isin(bound.index).all():
        raise RecordError(
            f"There are no records of {name} at lattice noise {level:g} with and without constraints. Put this "
            "structure and level, and the methods cosine and cosine_constrained, into the plan."
        )
    failed = free[~free[match("conventional", "end")].astype(bool)]
    row = (free if failed.empty else failed).iloc[0]
    reference = load_structure(name)
    models = (
        reference_model("Truth", reference),
        recorded_model("Distorted", row, "start", reference),
        recorded_model("Unconstrained", row, "end", reference),
        recorded_model("Constrained", bound.loc[row["copy"]], "end", reference),
    )
    return Case(name, level, int(row["copy"]), int(row["seed"]), models, not failed.empty)


@dataclass(frozen=True)
class Failure:
    """A refined model that is not the reference structure.

    Args:
        method, noise, level, structure, copy: of its record.
        cosine, emd_angstrom: similarity and geometric distance to the reference structure.
        reference, refined: patterns of the reference structure and of the refined model.
    """

    method: str
    noise: Noise
    level: float
    structure: str
    copy: int
    cosine: float
    emd_angstrom: float
    reference: Pattern
    refined: Pattern


def failures(records: pd.DataFrame, settings: Sequence[tuple[str, Noise, float]]) -> list[Failure]:
    """Return the refined models without a tight match that explain the pattern least and best, for each setting.

    Args:
        records: rows of searches.
        settings: method, noise and level of each.
    """
    found = []
    for method, noise, level in settings:
        part = at_setting(records[records["method"] == method], noise, level)
        missed = part[~part[match("tight", "end")].astype(bool)].sort_values(similarity("cosine", "end"), kind="stable")
        for _, row in missed.iloc[[0, -1]].iterrows() if len(missed) else ():
            reference = load_structure(row["structure"])
            patterns = simulate(reference, PAPER_INSTRUMENT), simulate(crystal(row, "end", reference), PAPER_INSTRUMENT)
            named = row["structure"], row["copy"], row[similarity("cosine", "end")], row[emd("end")]
            found.append(Failure(method, noise, level, *named, *patterns))
    return found
