"""Records: one row for each descent, search or relaxation, with its starting and its refined model, and their files."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from pymatgen.core import Structure

from xrdscape.crystal.structures import from_tensors, load_structure, to_tensors
from xrdscape.diffraction.pattern import Simulator
from xrdscape.errors import RecordError
from xrdscape.evaluation.matching import CRITERIA, emd, meets
from xrdscape.optimisation.objectives import OBJECTIVES
from xrdscape.runtime.checkpoint import replace_file
from xrdscape.study import columns
from xrdscape.study.columns import WHICH, Kind, Similarity, Which

# Raised whenever a column changes its meaning; readers refuse what they do not know.
SCHEMA_VERSION = 2


@dataclass(frozen=True)
class PublishedMethod:
    """A method of the paper: an objective, and whether the cell is projected onto the reference's family."""

    label: str
    objective: Similarity
    constrained: bool = False


PUBLISHED_METHODS: Mapping[str, PublishedMethod] = MappingProxyType(
    {
        "cosine": PublishedMethod("Cosine", "cosine"),
        "mse": PublishedMethod("MSE", "mse"),
        "entropy": PublishedMethod("Entropy", "entropy"),
        "cross_correlation": PublishedMethod("Cross-correlation", "cross_correlation"),
        "cosine_constrained": PublishedMethod("Cosine + constraints", "cosine", constrained=True),
    }
)
"""The paper's descents, by the name that records give them."""
CHGNET = "chgnet"
"""The paper's relaxations."""
NOISED = "noised"
"""Name in place of a method where the starting models themselves are counted."""

Precision = Literal["float32", "float64"]
"""Precision of descents; results are evaluated in float64."""

ARROW_TYPES: Mapping[Kind, tuple[str, ...]] = MappingProxyType(
    {
        "text": ("string", "large_string"),
        "number": ("double", "int64"),
        "whole number": ("int64",),
        "flag": ("bool",),
        "numbers": ("list<element: double>", "list<item: double>"),
    }
)
"""Types by which files store each kind of column."""


def label(structure: str) -> str:
    """Return the name of a structure as part of a file's."""
    return Path(structure).stem.replace("(", "_").replace(")", "_")


def geometry(structure: Structure, which: Which) -> dict[str, list[float]]:
    """Return the columns that hold a model: lattice parameters and fractional coordinates, flat."""
    return {
        columns.lattice(which): [float(v) for v in structure.lattice.parameters],
        columns.coords(which): structure.frac_coords.ravel().tolist(),
    }


def crystal(row: pd.Series, which: Which = "end", reference: Structure | None = None) -> Structure:
    """Return the starting or refined model of a record.

    Args:
        row: the record.
        which: "start" or "end".
        reference: the reference structure of the record; loaded by its name if left out.

    Raises:
        RecordError: for any other `which`.
    """
    if which not in WHICH:
        raise RecordError(f"A record holds a crystal at its 'start' and its 'end'. Received {which!r}.")
    lattice = torch.tensor(np.array(row[columns.lattice(which)]), dtype=torch.float64)
    coords = torch.tensor(np.array(row[columns.coords(which)]).reshape(-1, 3), dtype=torch.float64)
    return from_tensors(reference or load_structure(row["structure"]), lattice, coords)


def evaluated(reference: Structure, results: list[Structure], which: Which) -> pd.DataFrame:
    """Return the closeness of each result to the reference structure, by pattern (float64, all reflections) and by
    geometry.

    Args:
        reference: the reference structure.
        results: models of the same sites.
        which: whether they are starting or refined models.

    Returns:
        One row a result: the four similarities, the EMD in angstrom, and whether each criterion is met.
    """
    simulator = Simulator(reference)
    target = simulator(*to_tensors([reference]))[0]
    lattice, frac_coords = to_tensors(results)
    # A descent may end in a cell too small to reflect at all: its pattern is zero, which resembles nothing.
    patterns = simulator(lattice, frac_coords, simulator.reflections(lattice, allow_empty=True))
    found: dict[str, Any] = {
        columns.similarity(name, which): OBJECTIVES[name].similarity(patterns, target).numpy()
        for name in columns.SIMILARITIES
    }
    found[columns.emd(which)] = [emd(reference, result) for result in results]
    for criterion in CRITERIA:
        found[columns.match(criterion, which)] = [meets(criterion, reference, result) for result in results]
    return pd.DataFrame(found)


def write(path: Path, rows: pd.DataFrame, made: dict[str, Any]) -> None:
    """Store rows with what made each job of them, by its key; the file appears whole or not at all.

    Raises:
        RecordError: for columns that are missing, foreign or of another type, or when the file cannot be written.
    """
    table = _with_numbers(pa.Table.from_pandas(rows, preserve_index=False))
    _check(table.schema, f"The records for {path} are not whole")
    metadata = {"schema_version": str(SCHEMA_VERSION), "made": json.dumps(made)}
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), **metadata})
    replace_file(path, lambda temporary: pq.write_table(table, temporary, compression="zstd"))


def _with_numbers(table: pa.Table) -> pa.Table:
    """Return a table whose lists that hold nothing, or no number, are lists of numbers all the same."""
    for place, field in enumerate(table.schema):
        if pa.types.is_list(field.type) and pa.types.is_null(field.type.value_type):
            table = table.set_column(place, field.name, table.column(place).cast(pa.list_(pa.float64())))
    return table


def read(path: Path) -> pd.DataFrame:
    """Return the rows stored by `write`.

    Raises:
        RecordError: for a damaged file, one of an unknown schema, or one with missing or foreign columns.
    """
    return _known(path, pq.read_table).to_pandas()


def made(path: Path) -> dict[str, Any]:
    """Return the settings of each job in a file and what made its rows (see `runtime.provenance`), without reading the
    rows.

    Raises:
        RecordError: as `read`.
    """
    found: dict[str, Any] = json.loads(_known(path, pq.read_schema).metadata[b"made"])
    return found


def made_of(entry: dict[str, Any], copy: int) -> dict[str, Any]:
    """Return the provenance of one realisation of a job.

    A job begun on one machine may be completed on another, which its entry then names under "otherwise", with the
    realisations made there.

    Args:
        entry: of the job, as `made` gives it.
        copy: number of the realisation.
    """
    other = entry.get("otherwise", {})
    return {**entry, **other} if copy in other.get("copies", ()) else entry


def _known(path: Path, reader: Callable[[Path], Any]) -> Any:
    try:
        content = reader(path)
    except (OSError, pa.ArrowException) as problem:
        raise RecordError(
            f"{path} is damaged ({problem}). Delete it, or take it from the repository again with "
            "`git checkout` if it belongs there; the same command makes what is missing."
        ) from problem
    schema = getattr(content, "schema", content)
    stored = (schema.metadata or {}).get(b"schema_version", b"none").decode()
    if stored != str(SCHEMA_VERSION):
        raise RecordError(
            f"{path} has schema {stored}, this version reads schema {SCHEMA_VERSION}. Delete it to make it "
            "again, or use the xrdscape version that wrote it."
        )
    _check(schema, f"{path} does not hold records as this version knows them")
    return content


def _check(schema: pa.Schema, blame: str) -> None:
    """Raise RecordError where columns are missing, foreign or of another type than `columns` says."""
    asked = columns.schema_of(schema.names)
    known = {**asked.required, **asked.optional}
    faults = [f"the column {name} is missing" for name in asked.required if name not in schema.names]
    faults += [f"no record has a column {name}" for name in schema.names if name not in known]
    faults += [
        f"the column {field.name} holds {field.type} where each row has a {known[field.name]}"
        for field in schema
        if field.name in known and str(field.type) not in ARROW_TYPES[known[field.name]]
    ]
    if faults:
        raise RecordError(f"{blame}: {'; '.join(faults)}.")
