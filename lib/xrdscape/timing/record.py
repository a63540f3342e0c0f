"""The record that the benchmark leaves, and what the appendix reads off it."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from xrdscape.errors import RecordError
from xrdscape.paths import ROOT
from xrdscape.runtime.provenance import machine
from xrdscape.timing.measure import (
    CONTENDERS,
    CRYSTALS,
    coordinate_contenders,
    interleaved,
    lattice_contenders,
    tasks_of,
)

RECORD = ROOT / "benchmarks" / "record.json"
SCHEMA_VERSION = 2
"""Raised whenever a field changes its meaning; readers refuse what they do not know."""
FIELDS = ("schema", "date", "revision", "machine", "versions", "settings", "correctness", "peers", "rates", "work",
          "series", "threads", "memory", "descent")  # fmt: skip
SERIES_FIELDS = {"contender", "crystal", "batch", "threads", "seconds"}
LOW, HIGH = 0.1, 0.9
"""Quantiles between which the interval given with a median lies."""
SERIES_KEY = ["contender", "crystal", "batch", "threads"]
MAIN_CONTENDERS = (
    "reference", "compiled", "engine", "engine_float64", "step", "coordinates_cosine", "coordinates_entropy",
)  # fmt: skip

Record = dict[str, Any]


def load_record(path: Path | None = None) -> Record:
    """Read a record of the benchmark.

    Args:
        path: the file; the one that comes with the project if left out.

    Raises:
        RecordError: no such file, no JSON, another schema, or a field that is missing; it says what to do.
    """
    path = path or RECORD
    again = "Run `make benchmark`, which writes it anew."
    if not path.exists():
        raise RecordError(f"There is no benchmark record at {path}. {again}")
    try:
        record = json.loads(path.read_text(encoding="utf8"))
    except json.JSONDecodeError as error:
        raise RecordError(f"{path} is not a benchmark record: {error}. {again}") from None
    schema = record.get("schema") if isinstance(record, dict) else None
    if schema != SCHEMA_VERSION:
        raise RecordError(f"{path} has schema {schema!r}, this version reads {SCHEMA_VERSION}. {again}")
    missing = [name for name in FIELDS if name not in record]
    broken = [row for row in record.get("series", []) if not row.keys() >= SERIES_FIELDS or not row["seconds"]]
    if missing or broken:
        fault = f"no {', '.join(missing)}" if missing else f"{len(broken)} series without samples or settings"
        raise RecordError(f"{path} is not a whole benchmark record: {fault}. {again}")
    return record


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record in one step, a series or row a line."""
    text = json.dumps(record, indent=1)
    # Lists of numbers and flat objects on one line each: small, and a change shows as a changed line.
    for inner in (r"\[[^\[\]{}]*\]", r"\{[^{}]*\}"):
        text = re.sub(inner, lambda found: re.sub(r"\s*\n\s*", " ", found.group()), text)
    partial = path.with_suffix(".partial")
    partial.write_text(text + "\n", encoding="utf8")
    partial.replace(path)


def labels(record: Record) -> dict[str, str]:
    """Return the names of the contenders of a record: ours, and the peers that took part."""
    ours = {name: contender.label for name, contender in CONTENDERS.items()}
    return ours | {peer["contender"]: peer["label"] for peer in record["peers"]}


def summary(record: Record) -> pd.DataFrame:
    """Return the quantiles of every series, one row each.

    Returns:
        DataFrame: contender, crystal, batch, threads, samples, and milliseconds a sample of the batch: median_ms, with
        low_ms and high_ms, between which eight of ten samples lie.
    """
    return pd.DataFrame([_row(series) for series in record["series"]])


def _row(series: Mapping[str, Any]) -> dict[str, Any]:
    each = 1e3 * np.array(series["seconds"]) / series["batch"]
    low, median, high = np.quantile(each, [LOW, 0.5, HIGH])
    key = {name: series[name] for name in SERIES_KEY}
    return {**key, "samples": len(each), "median_ms": median, "low_ms": low, "high_ms": high}


def seconds_of(record: Record, contender: str, crystal: str, batch: int, threads: int = 1) -> np.ndarray:
    """Return the samples of one series, seconds a call in the order of the rounds; empty if it was not timed."""
    wanted = {"contender": contender, "crystal": crystal, "batch": batch, "threads": threads}
    found = [row["seconds"] for row in record["series"] if all(row[key] == value for key, value in wanted.items())]
    return np.array(found[0] if found else [])


def ratio(record: Record, slow: tuple[str, str, int, int], fast: tuple[str, str, int, int]) -> np.ndarray:
    """Return the ratio of the times of two series for a sample of the batch: low, median and high.

    Samples of one round are divided by each other, so that a slow phase of the machine, which hits both, drops out.

    Args:
        record: the record.
        slow, fast: contender, crystal, batch, threads.

    Returns:
        The 10 %, 50 % and 90 % quantiles over the rounds; NaN where either was not timed.
    """
    above, below = seconds_of(record, *slow) / slow[2], seconds_of(record, *fast) / fast[2]
    rounds = min(len(above), len(below))
    if rounds == 0:
        return np.full(3, np.nan)
    return np.quantile(above[:rounds] / below[:rounds], [LOW, 0.5, HIGH])


def median_ms(record: Record, contender: str, crystal: str, batch: int, threads: int = 1) -> float:
    """Return the median milliseconds a sample of the batch; NaN if it was not timed."""
    seconds = seconds_of(record, contender, crystal, batch, threads)
    return float(1e3 * np.median(seconds) / batch) if len(seconds) else float("nan")


def peak_rate(record: Record) -> float:
    """Return the operations a second that one core reaches: the median with the widest vectors that were tried."""
    return float(max(np.median(samples) for samples in record["rates"].values()))


def limit_table(record: Record) -> pd.DataFrame:
    """Return the work of the operator from peaks to pattern against the core's rate, one row a crystal timed in parts.

    Returns:
        DataFrame: crystal, peaks, operations (millions a sample), limit_ms (these at the core's rate), operator_ms,
        fraction (of the rate that the operator reaches).
    """
    rows = []
    for work in record["work"]:
        limit = 1e3 * work["operations"] / peak_rate(record)
        spent = median_ms(record, "part_operator", work["crystal"], record["settings"]["batch"])
        if np.isnan(spent):
            continue
        rows.append((work["crystal"], work["peaks"], work["operations"] / 1e6, limit, spent, limit / spent))
    return pd.DataFrame(rows, columns=["crystal", "peaks", "operations", "limit_ms", "operator_ms", "fraction"])


def headline(record: Record, crystals: Sequence[str] = CRYSTALS) -> pd.DataFrame:
    """Return the milliseconds a sample of the main contenders, their ratio to eager torch and the limit, one row a
    crystal.

    Returns:
        DataFrame: crystal, reflections, limit, reference, compiled, engine, engine_float64, step, coordinates_cosine,
        coordinates_entropy, ratio, ratio_low, ratio_high.
    """
    batch = record["settings"]["batch"]
    limits = limit_table(record).set_index("crystal")
    rows = []
    for crystal in crystals:
        low, middle, high = ratio(record, ("reference", crystal, batch, 1), ("engine", crystal, batch, 1))
        times = {name: median_ms(record, name, crystal, batch) for name in MAIN_CONTENDERS}
        bounds = {"ratio": middle, "ratio_low": low, "ratio_high": high}
        known = limits.loc[crystal] if crystal in limits.index else {"peaks": np.nan, "limit_ms": np.nan}
        key = {"crystal": crystal, "reflections": known["peaks"], "limit": known["limit_ms"]}
        rows.append({**key, **times, **bounds})
    return pd.DataFrame(rows)


def split_table(record: Record) -> pd.DataFrame:
    """Return the parts of the time of a step of a descent, one row a crystal, milliseconds a sample.

    Returns:
        DataFrame: crystal, part_operator, part_peaks, loss (loss and gradient less these two), rest (the step less
        loss and gradient), step; medians over the rounds of differences within a round, 0 where noise makes a
        difference negative.
    """
    batch, rows = record["settings"]["batch"], []
    for crystal in [c for c in CRYSTALS if len(seconds_of(record, "part_operator", c, batch))]:
        names = ("part_operator", "part_peaks", "part_evaluation", "step")
        samples = [seconds_of(record, name, crystal, batch) for name in names]
        rounds = min(len(each) for each in samples)
        operator, peaks, evaluation, whole = (1e3 * each[:rounds] / batch for each in samples)
        spent = (operator, peaks, evaluation - operator - peaks, whole - evaluation, whole)
        rows.append((crystal, *(max(0.0, float(np.median(each))) for each in spent)))
    return pd.DataFrame(rows, columns=["crystal", "part_operator", "part_peaks", "loss", "rest", "step"])


def paired_speed_up(record: Record, contender: str) -> dict[str, float]:
    """Return the time of a contender on one thread over that on all cores, by crystal: the median over pairs timed
    together.
    """
    taken = {
        (row["crystal"], row["threads"]): np.array(row["seconds"])
        for row in record["threads"]["series"]
        if row["contender"] == contender
    }
    most = max((threads for _, threads in taken), default=1)
    return {
        crystal: float(np.median(seconds / taken[crystal, most]))
        for (crystal, threads), seconds in taken.items()
        if threads == 1
    }


def live_record(crystal: str, batch: int, rounds: int, seed: int = 0) -> Record:
    """Measure the main contenders on this machine now.

    The record holds as much as the tables of one crystal need.

    Args:
        crystal: name of a reference structure, or a path.
        batch: realisations of the noise.
        rounds: samples of each.
        seed: of the order.
    """
    calls = {**lattice_contenders(crystal, batch), **coordinate_contenders(crystal, batch)}
    keys = {name: {"contender": name, "crystal": crystal, "batch": batch, "threads": 1} for name in calls}
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for name, taken in interleaved(tasks_of(calls), rounds, seed):
        seconds[name].append(taken)
    series = [{**keys[name], "seconds": taken} for name, taken in seconds.items()]
    return {"machine": machine(), "settings": {"batch": batch, "rounds": rounds}, "series": series}
