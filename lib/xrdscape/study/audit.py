"""Is a record what the code gives? Some are picked at random, made again from their seed alone, and compared."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from xrdscape.engine.similarity import OBJECTIVES
from xrdscape.errors import RecordError
from xrdscape.study.plan import Shard
from xrdscape.study.shards import compute
from xrdscape.study.store import Store

SIMILARITY_BOUND = 1e-3
"""A record made again is the same result if its four similarities are this near, its matches are the same, and its
geometric distance is within `DISTANCE_BOUND_ANGSTROM`."""
DISTANCE_BOUND_ANGSTROM = 1e-3
START_BOUND = 1e-9
"""Angstrom, degree or fraction: starts are drawn in float64 and must be the same everywhere."""

IDENTICAL, EQUAL, DIFFERENT = "identical", "equal", "different"
"""To the last bit; within the bounds above; neither."""


def audit(store: Store, sample: int, seed: int = 0) -> Iterator[dict[str, object]]:
    """Make some records again, one by one.

    Args:
        store: the records.
        sample: how many to pick; all if there are fewer.
        seed: of the choice.

    Yields:
        For each: structure, noise, level, copy, method, verdict (`IDENTICAL`, `EQUAL` or `DIFFERENT`), what differs in
        words, steps then and now, seconds.

    Raises:
        RecordError: there are no records.
    """
    settings = {key: Shard(**_restored(entry["settings"])) for key, entry in store.provenance().items()}
    rows = store.load(settings.values())
    if rows.empty:
        raise RecordError("There are no records to audit. `xrdscape campaign` makes them.")
    for _, row in rows.sample(min(sample, len(rows)), random_state=seed).iterrows():
        again = compute(settings[row["shard"]], ((row["level"], row["copy"]),)).iloc[0]
        verdict, told = compared(row, again)
        named = {name: row[name] for name in ("structure", "noise", "level", "copy", "method")}
        yield {**named, "verdict": verdict, "difference": told, "steps": row["steps"], "steps_again": again["steps"],
               "seconds": again["seconds"]}  # fmt: skip


def _restored(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}


def compared(row: pd.Series, again: pd.Series) -> tuple[str, str]:
    """The verdict on a record made again, and in words what differs beyond the bounds."""
    told = []
    start = max(float(np.abs(np.subtract(row[name], again[name])).max()) for name in ("start_lattice", "start_coords"))
    if start > START_BOUND:
        told.append(f"start by {start:.1e}")
    for name in OBJECTIVES:
        off = abs(row[f"{name}_end"] - again[f"{name}_end"])
        if off > SIMILARITY_BOUND:
            told.append(f"{name} {row[f'{name}_end']:.4f}, now {again[f'{name}_end']:.4f}")
    if abs(row["emd_end"] - again["emd_end"]) > DISTANCE_BOUND_ANGSTROM:
        told.append(f"distance {row['emd_end']:.4f} angstrom, now {again['emd_end']:.4f}")
    told += [f"{name} was {row[name]}" for name in row.index if name.startswith("match_") and row[name] != again[name]]
    if told:
        return DIFFERENT, ", ".join(told)
    same = all(np.array_equal(row[name], again[name]) for name in ("end_lattice", "end_coords", "steps", "stop_reason"))
    return (IDENTICAL if same else EQUAL), ""
