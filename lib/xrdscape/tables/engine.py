"""Tables and sentences on how exact and how fast the engine is, from the benchmark's record."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from xrdscape.optimisation.objectives import OBJECTIVES
from xrdscape.timing.check import EDGE_DEG
from xrdscape.timing.measure import CONTENDERS, CRYSTALS
from xrdscape.timing.record import (
    Record,
    headline,
    limit_table,
    median_ms,
    paired_speed_up,
    peak_rate,
    ratio,
    seconds_of,
    split_table,
)

HEADLINE = {
    "reference": "Eager",
    "compiled": "Compiled",
    "engine": "Engine",
    "engine_float64": "float64",
    "step": "Step",
}
PATHS = {"float32": "Cell, float32", "float64": "Cell, float64", "coordinates": "Coordinates, float64"}
QUANTITIES = {
    "pattern": "pattern, relative to its maximum",
    "loss": "loss, absolute",
    "gradient": "gradient, relative to its largest component",
}


def significant(value: float | None, digits: int = 3) -> str:
    """Return the text of a number with so many digits and without exponent; a dash for none.

    >>> significant(0.012345), significant(4567.8), significant(float("nan"))
    ('0.0123', '4570', '–')
    """
    if value is None or not np.isfinite(value):
        return "–"
    rounded = float(f"{value:.{digits - 1}e}")
    decimals = max(0, digits - 1 - int(np.floor(np.log10(abs(rounded))))) if rounded else 0
    return f"{rounded:.{decimals}f}".replace("-", "−")


def headline_table(record: Record) -> pd.DataFrame:
    """Return the times of the main contenders, one row a crystal: milliseconds a sample, and the ratio of eager torch
    to ours.
    """
    table = headline(record)
    table = table[np.isfinite(table["engine"])]
    shown = {
        "Crystal": table["crystal"],
        "Reflections": [round(n) for n in table["reflections"]],
        **{label: [significant(v) for v in table[name]] for name, label in HEADLINE.items()},
        "Eager / engine": [
            f"{significant(r.ratio)} ({significant(r.ratio_low)} to {significant(r.ratio_high)})"
            for r in table.itertuples()
        ],
    }
    return pd.DataFrame(shown)


def coordinates_table(record: Record) -> pd.DataFrame:
    """Return the times of loss and gradient in the coordinates, milliseconds a sample: a row a crystal, a column an
    objective.
    """
    batch = record["settings"]["batch"]
    rows = [
        {
            "Crystal": crystal,
            **{
                objective.label: significant(median_ms(record, f"coordinates_{name}", crystal, batch))
                for name, objective in OBJECTIVES.items()
            },
        }
        for crystal in CRYSTALS
        if len(seconds_of(record, "coordinates_cosine", crystal, batch))
    ]
    return pd.DataFrame(rows)


def correctness_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the largest errors beside their bounds; `rows` as `check.largest_errors` gives them or a record keeps
    them.
    """
    return pd.DataFrame(
        {
            "Path": rows["path"].map(PATHS),
            "Error of": rows["quantity"].map(QUANTITIES),
            "Samples": rows["cells"].astype(int),
            "Largest": [f"{value:.0e}" for value in rows["largest"]],
            "Allowed": [f"{value:.0e}" for value in rows["bound"]],
        }
    )


def recorded_check(record: Record) -> pd.DataFrame:
    """Return the check of correctness that a record keeps, as `check.largest_errors` gave it."""
    return pd.DataFrame(record["correctness"])


def edge_sentence(record: Record) -> str:
    """Return the errors of the cells that have a reflection at the edge of the range, in words."""
    rows = recorded_check(record)
    cells = rows[rows["path"] == "float32"]
    apart = int(cells["near_edge"].max())
    if apart == 0:
        return f"No cell had a reflection within {EDGE_DEG:g}° of the edge at 90°."
    listed = ", ".join(f"{row.quantity} {row.near_edge_largest:.0e}" for row in cells.itertuples())
    return (
        f"In {apart} of these cells a reflection stood within {EDGE_DEG:g}° of the edge at 90°, where rounding may "
        f"decide whether it counts. They are not in the table; their largest errors in single precision were: {listed}."
    )


def work_table(record: Record) -> pd.DataFrame:
    """Return the work of the operator from peaks to pattern against what the core can do, one row a crystal."""
    table = limit_table(record)
    return pd.DataFrame(
        {
            "Crystal": table["crystal"],
            "Peaks": [round(n) for n in table["peaks"]],
            "Million operations": [significant(n) for n in table["operations"]],
            "At the core's rate (ms)": [significant(n) for n in table["limit_ms"]],
            "Measured (ms)": [significant(n) for n in table["operator_ms"]],
            "Part of the rate (%)": [significant(100 * n, 2) for n in table["fraction"]],
        }
    )


def peers_table(record: Record) -> pd.DataFrame:
    """Return the other programs that took part: what a call computes, and how the pattern compares with ours."""
    rows = [(p["label"], p["version"], p["computes"], p["compared"], f"{p['difference']:.0e}") for p in record["peers"]]
    return pd.DataFrame(rows, columns=["Program", "Version", "A call computes", "Compared", "Largest difference"])


def live_table(record: Record, live: Record, crystal: str) -> pd.DataFrame:
    """Return a live measurement beside the record: milliseconds a sample, and times faster than eager torch."""
    rows = []
    for name in dict.fromkeys(row["contender"] for row in live["series"]):
        row = {"Contender": CONTENDERS[name].label}
        for title, source in (("record", record), ("here", live)):
            batch = source["settings"]["batch"]
            row[f"ms, {title}"] = significant(median_ms(source, name, crystal, batch))
            times = ratio(source, ("reference", crystal, batch, 1), (name, crystal, batch, 1))[1]
            row[f"times faster, {title}"] = significant(times, 2)
        rows.append(row)
    columns = ["Contender", "ms, record", "ms, here", "times faster, record", "times faster, here"]
    return pd.DataFrame(rows)[columns]


def quoted_numbers(record: Record) -> dict[str, Any]:
    """Return the numbers that the appendix puts into sentences, by the name they are glued under."""
    table, limits, split = headline(record), limit_table(record), split_table(record)
    threads = max(row["threads"] for row in record["series"])
    large = max(row["batch"] for row in record["series"])
    outside = (1 - (split["part_operator"] + split["part_peaks"]) / split["step"]).clip(lower=0)
    return {
        **_settings(record),
        "ratio-least": significant(table["ratio"].min(), 2),
        "ratio-most": significant(table["ratio"].max(), 2),
        "fraction-least": significant(100 * limits["fraction"].min(), 2),
        "fraction-most": significant(100 * limits["fraction"].max(), 2),
        "outside-least": significant(100 * outside.min(), 2),
        "outside-most": significant(100 * outside.max(), 2),
        "operator-share-least": significant(100 * (split["part_operator"] / split["step"]).min(), 2),
        "operator-share-most": significant(100 * (split["part_operator"] / split["step"]).max(), 2),
        "rest-most": significant(100 * (split["rest"] / split["step"]).max(), 2),
        "rate": significant(peak_rate(record) / 1e9),
        "rate-compiled": significant(float(np.median(next(iter(record["rates"].values())))) / 1e9),
        "threads": threads,
        "large-batch": large,
        "speed-up": _speed_up(record, large, threads),
        "speed-up-small": _range(list(paired_speed_up(record, "engine").values())),
        "speed-up-step": _range(list(paired_speed_up(record, "step").values())),
        "memory-import": _memory(record, "import", 0),
        "memory-step": _memory(record, "step", record["settings"]["batch"]),
        "memory-reference": _memory(record, "reference", record["settings"]["batch"]),
        "near-edge": edge_sentence(record),
        "descent": descent_sentence(record),
    }


def _speed_up(record: Record, batch: int, threads: int) -> str:
    """Return the range over the crystals of the engine's time on one thread over that on several."""
    return _range(
        [
            ratio(record, ("engine", crystal, batch, 1), ("engine", crystal, batch, threads))[1]
            for crystal in CRYSTALS
            if len(seconds_of(record, "engine", crystal, batch, threads))
        ]
    )


def _settings(record: Record) -> dict[str, Any]:
    return {
        "record-date": record["date"],
        "record-revision": record["revision"],
        "record-processor": record["machine"]["processor"],
        "record-cores": record["machine"]["cores"],
        "record-rounds": record["settings"]["rounds"],
        "record-cells": record["settings"]["cells"],
        "record-batch": record["settings"]["batch"],
    }


def _memory(record: Record, what: str, batch: int) -> str:
    """Return the range of the largest resident sets of one kind of process, GiB."""
    return _range([r["mib"] / 1024 for r in record["memory"] if (r["what"], r["batch"]) == (what, batch) and r["mib"]])


def _range(values: Sequence[float]) -> str:
    """Return the text of a range, from the least to the largest, or a dash for none."""
    if not len(values):
        return "–"
    low, high = significant(min(values), 2), significant(max(values), 2)
    return low if low == high else f"{low} to {high}"


def descent_sentence(record: Record) -> str:
    """Return the time and steps of the one whole descent of a record, in words, or say that the record has none."""
    descent = record["descent"]
    if descent is None:
        return "The record holds no whole descent."
    reasons = pd.Series(descent["stop_reason"]).value_counts()
    listed = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
    return (
        f"One whole descent as published, {descent['batch']} copies of {descent['crystal']} under the cosine until the "
        f"paper's rule stops each, took {significant(descent['seconds'], 2)} s on {descent['threads']} cores: "
        f"{min(descent['steps'])} to {max(descent['steps'])} steps ({listed})."
    )
