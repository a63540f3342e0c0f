"""Is a record what the code gives? Some are picked at random, made again from their seed alone, and compared.

What is guaranteed. Anywhere: the start follows from the seed, and what the record says of its end (similarities,
distance, matches) is what that end gives. On the processor model and with the package versions that made it, the
descent or relaxation comes to the same end. On others it may go elsewhere: sums are rounded otherwise there, and on a
rough landscape a difference in the last bit can decide for another valley. How many may do so is bounded.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binom

from xrdscape.crystal.structures import load_structure
from xrdscape.errors import RecordError
from xrdscape.optimisation.objectives import OBJECTIVES
from xrdscape.runtime.provenance import provenance
from xrdscape.study.jobs import job_of
from xrdscape.study.records import crystal, evaluated, made_of
from xrdscape.study.store import Store

SIMILARITY_BOUND = 1e-3
"""A record made again is the same result if its four similarities are this near, its matches are the same, and its
geometric distance is within `DISTANCE_BOUND_ANGSTROM`."""
DISTANCE_BOUND_ANGSTROM = 1e-3
START_BOUND = 1e-9
"""Angstrom, degree or fraction: starts are drawn in float64 and must be the same everywhere."""
JUDGEMENT_BOUND = 1e-6
"""Of similarities and of the distance in angstrom: judging is in float64 and must be the same everywhere."""
ELSEWHERE_SHARE = 0.1
"""How many of the records may end elsewhere where another processor or other packages made them; of a sample, as many
as this share comes to with a chance of 99 % (`elsewhere_allowed`)."""

IDENTICAL, EQUAL, ELSEWHERE, DIFFERENT = "identical", "equal", "elsewhere", "different"
"""To the last bit; within the bounds above; another end after another rounding; a record that does not hold."""


def audit(store: Store, sample: int, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Make some records again, one by one.

    Args:
        store: the records.
        sample: how many to pick; all if there are fewer.
        seed: of the choice.

    Yields:
        For each: structure, noise, level, copy, method, verdict (`IDENTICAL`, `EQUAL`, `ELSEWHERE` or `DIFFERENT`),
        what differs in words, steps then and now, seconds.

    Raises:
        RecordError: there are no records.
    """
    made = store.provenance()
    settings = {key: job_of(entry["settings"]) for key, entry in made.items()}
    rows = store.load(settings.values())
    if rows.empty:
        raise RecordError("There are no records to audit. `xrdscape campaign` makes them.")
    for _, row in rows.sample(min(sample, len(rows)), random_state=seed).iterrows():
        again = settings[row["shard"]].compute(((row["level"], row["copy"]),)).iloc[0]
        verdict, told = compared(row, again, same_arithmetic(made_of(made[row["shard"]], row["copy"])))
        named = {name: row[name] for name in ("structure", "noise", "level", "copy", "method")}
        yield {**named, "verdict": verdict, "difference": told, "steps": row["steps"], "steps_again": again["steps"],
               "seconds": again["seconds"]}  # fmt: skip


def passes(verdicts: Sequence[str]) -> bool:
    """Whether an audit with these verdicts bears the records out."""
    return DIFFERENT not in verdicts and verdicts.count(ELSEWHERE) <= elsewhere_allowed(len(verdicts))


def elsewhere_allowed(sample: int) -> int:
    """How many of a sample may end elsewhere (see `ELSEWHERE_SHARE`)."""
    return int(binom.ppf(0.99, sample, ELSEWHERE_SHARE))


def same_arithmetic(made: dict[str, Any]) -> bool:
    """Whether records were made by the same model of processor and the same packages as are here now."""
    here = provenance()
    return all(
        made.get(name, {}).get(part) == here[name][part]
        for name, part in (("machine", "processor"), *(("packages", p) for p in ("torch", "numpy", "numba", "chgnet")))
    )


def compared(row: pd.Series, again: pd.Series, same: bool = True) -> tuple[str, str]:
    """The verdict on a record made again, and in words what differs beyond the bounds.

    Args:
        row, again: the record, and what was made now.
        same: whether it was made by the same arithmetic, so that its end must be the same.
    """
    told = _start_differs(row, again) + _judgement_differs(row)
    if told:
        return DIFFERENT, ", ".join(told)
    told = _end_differs(row, again)
    if told:
        return (DIFFERENT if same else ELSEWHERE), ", ".join(told)
    exact = all(
        np.array_equal(row[name], again[name]) for name in ("end_lattice", "end_coords", "steps", "stop_reason")
    )
    return (IDENTICAL if exact else EQUAL), ""


def _start_differs(row: pd.Series, again: pd.Series) -> list[str]:
    off = max(float(np.abs(np.subtract(row[name], again[name])).max()) for name in ("start_lattice", "start_coords"))
    return [f"start by {off:.1e}"] if off > START_BOUND else []


def _judgement_differs(row: pd.Series) -> list[str]:
    """What the record says of its own end against what that end gives now."""
    now = evaluated(load_structure(row["structure"]), [crystal(row, "end")], "end").iloc[0]
    numbers = [f"{name}_end" for name in (*OBJECTIVES, "emd")]
    told = [f"{name} is {now[name]:.4f} at that end, not {row[name]:.4f}" for name in numbers
            if abs(row[name] - now[name]) > JUDGEMENT_BOUND]  # fmt: skip
    return told + [f"{name} is not {row[name]} at that end" for name in _matches(now) if row[name] != now[name]]


def _end_differs(row: pd.Series, again: pd.Series) -> list[str]:
    told = []
    for name in OBJECTIVES:
        off = abs(row[f"{name}_end"] - again[f"{name}_end"])
        if off > SIMILARITY_BOUND:
            told.append(f"{name} {row[f'{name}_end']:.4f}, now {again[f'{name}_end']:.4f}")
    if abs(row["emd_end"] - again["emd_end"]) > DISTANCE_BOUND_ANGSTROM:
        told.append(f"distance {row['emd_end']:.4f} angstrom, now {again['emd_end']:.4f}")
    return told + [f"{name} was {row[name]}" for name in _matches(row) if row[name] != again[name]]


def _matches(row: pd.Series) -> list[str]:
    return [name for name in row.index if name.startswith("match_") and name.endswith("_end")]
