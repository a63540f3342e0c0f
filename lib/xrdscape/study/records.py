"""What a descent or relaxation leaves behind, one row each, and the rates and correlations read off the rows."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
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
from xrdscape.evaluation.estimates import Estimate, jeffreys_interval, mutual_information, pearson, spearman
from xrdscape.evaluation.matching import MATCH_CRITERIA, emd, matches, tight_match
from xrdscape.optimisation.objectives import OBJECTIVES
from xrdscape.runtime.checkpoint import replace_file

# Raised whenever a column changes its meaning; readers refuse what they do not know.
SCHEMA_VERSION = 2


@dataclass(frozen=True)
class PublishedMethod:
    """One way back to the truth: an objective, and whether the cell is projected onto the true crystal family."""

    label: str
    objective: str
    constrained: bool = False


PUBLISHED_METHODS = {
    "cosine": PublishedMethod("Cosine", "cosine"),
    "mse": PublishedMethod("MSE", "mse"),
    "entropy": PublishedMethod("Entropy", "entropy"),
    "cross_correlation": PublishedMethod("Cross-correlation", "cross_correlation"),
    "cosine_constrained": PublishedMethod("Cosine + constraints", "cosine", constrained=True),
}
CHGNET = "chgnet"

Precision = Literal["float32", "float64"]
"""Of descents; results are evaluated in float64."""


def label(structure: str) -> str:
    """A structure's name as part of a file's."""
    return Path(structure).stem.replace("(", "_").replace(")", "_")


def geometry(structure: Structure, which: str) -> dict[str, list[float]]:
    """The columns that hold a crystal: lattice parameters and fractional coordinates, flat."""
    return {
        f"{which}_lattice": [float(v) for v in structure.lattice.parameters],
        f"{which}_coords": structure.frac_coords.ravel().tolist(),
    }


def crystal(row: pd.Series, which: str = "end", reference: Structure | None = None) -> Structure:
    """The crystal of a record, at its "start" or "end".

    Args:
        row: the record.
        which: "start" or "end".
        truth: the crystal whose record it is; loaded by its name if left out.

    Raises:
        RecordError: for any other `which`.
    """
    if which not in ("start", "end"):
        raise RecordError(f"A record holds a crystal at its 'start' and its 'end'. Received {which!r}.")
    lattice = torch.tensor(np.array(row[f"{which}_lattice"]), dtype=torch.float64)
    coords = torch.tensor(np.array(row[f"{which}_coords"]).reshape(-1, 3), dtype=torch.float64)
    return from_tensors(reference or load_structure(row["structure"]), lattice, coords)


def evaluated(reference: Structure, results: list[Structure], which: str) -> pd.DataFrame:
    """How close each result is to the truth, by pattern (float64, all reflections) and by geometry.

    Args:
        truth: the true crystal.
        results: crystals of the same sites.
        which: suffix of the columns, "start" or "end".

    Returns:
        One row a result: the four similarities, the EMD in angstrom, and a match under each named criterion.
    """
    simulator = Simulator(reference)
    target = simulator(*to_tensors([reference]))[0]
    lattice, frac_coords = to_tensors(results)
    # A descent may end in a cell too small to reflect at all: its pattern is zero, which resembles nothing.
    patterns = simulator(lattice, frac_coords, simulator.reflections(lattice, allow_empty=True))
    columns: dict[str, Any] = {
        f"{name}_{which}": objective.similarity(patterns, target).numpy() for name, objective in OBJECTIVES.items()
    }
    columns[f"emd_{which}"] = [emd(reference, result) for result in results]
    for name, options in MATCH_CRITERIA.items():
        columns[f"match_{name}_{which}"] = [matches(reference, result, options) for result in results]
    columns[f"match_tight_{which}"] = [tight_match(reference, result) for result in results]
    return pd.DataFrame(columns)


def write(path: Path, rows: pd.DataFrame, made: dict[str, Any]) -> None:
    """Store rows with what made each shard of them, by its key; the file appears whole or not at all.

    Raises:
        RecordError: when the file cannot be written.
    """
    table = pa.Table.from_pandas(rows, preserve_index=False)
    metadata = {"schema_version": str(SCHEMA_VERSION), "made": json.dumps(made)}
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), **metadata})
    replace_file(path, lambda temporary: pq.write_table(table, temporary, compression="zstd"))


def read(path: Path) -> pd.DataFrame:
    """Rows stored by `write`.

    Raises:
        RecordError: for a damaged file, or one of an unknown schema.
    """
    return _known(path, pq.read_table).to_pandas()


def made(path: Path) -> dict[str, Any]:
    """By shard: its settings, and what made its rows (see `provenance`); without reading the rows.

    Raises:
        RecordError: as `read`.
    """
    found: dict[str, Any] = json.loads(_known(path, pq.read_schema).metadata[b"made"])
    return found


def made_of(entry: dict[str, Any], copy: int) -> dict[str, Any]:
    """What made one copy of a shard: a shard begun on one machine may be completed on another, which its entry then
    names, with the copies made there, under "otherwise".

    Args:
        entry: of the shard, as `made` gives it.
        copy: its number.
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
    return content


def match_rates(records: pd.DataFrame, criterion: str = "conventional") -> pd.DataFrame:
    """Share of results that match the truth, for each noise, level and method, and for the starts ("noised").

    Args:
        records: rows of descents, relaxations or both.
        criterion: "tight" or one of `MATCH_CRITERIA`.

    Returns:
        DataFrame noise, level, method, matched, trials, rate, low, high; the interval is Jeffreys', 95 %.

    Raises:
        RecordError: for an unknown criterion.
    """
    if criterion not in (*MATCH_CRITERIA, "tight"):
        raise RecordError(f"Unknown criterion {criterion!r}. Use one of: {', '.join((*MATCH_CRITERIA, 'tight'))}.")
    ends = records.assign(matched=records[f"match_{criterion}_end"])
    # Each start is descended by several methods but is one start.
    starts = records.drop_duplicates(["structure", "noise", "level", "copy"])
    starts = starts.assign(method="noised", matched=starts[f"match_{criterion}_start"])
    counts = (
        pd.concat([starts, ends])
        .groupby(["noise", "level", "method"], as_index=False)
        .agg(matched=("matched", "sum"), trials=("matched", "size"))
    )
    intervals = [jeffreys_interval(m, n) for m, n in zip(counts["matched"], counts["trials"], strict=True)]
    counts["rate"] = counts["matched"] / counts["trials"]
    counts["low"], counts["high"] = zip(*intervals, strict=True)
    return counts


def correlations(records: pd.DataFrame, seed: int = 0, halves: int = 200, resamples: int = 2000) -> pd.DataFrame:
    """How the dissimilarity that a method descended goes with geometric distance over the results of each setting.

    Args:
        records: rows of descents.
        seed: of the resampling.
        halves, resamples: drawn for the intervals of the mutual information and of the correlations.

    Returns:
        DataFrame noise, level, method, statistic, value, low, high, n. Both quantities grow as results get
        worse, so a positive correlation is the right way round.
    """
    rows = []
    for (noise, level, method), group in records.groupby(["noise", "level", "method"]):
        dissimilarity = -group[f"{PUBLISHED_METHODS[str(method)].objective}_end"].to_numpy()
        distance = group["emd_end"].to_numpy()
        estimates: dict[str, Estimate] = {
            "mutual_information": mutual_information(dissimilarity, distance, seed=seed, n_resamples=halves),
            "pearson": pearson(dissimilarity, distance, n_resamples=resamples),
            "spearman": spearman(dissimilarity, distance, n_resamples=resamples),
        }
        for statistic, e in estimates.items():
            rows.append((noise, level, method, statistic, e.value, e.low, e.high, e.n))
    return pd.DataFrame(rows, columns=["noise", "level", "method", "statistic", "value", "low", "high", "n"])
