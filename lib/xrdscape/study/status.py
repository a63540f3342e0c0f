"""Status of a plan: done, running, failed and waiting for each setting, read from files alone, at any time."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, cast

import pandas as pd

from xrdscape.optimisation.variants import ALL_METHODS
from xrdscape.study.columns import Ending
from xrdscape.study.jobs import Job
from xrdscape.study.jobs.solution import WAYS
from xrdscape.study.progress import read_progress, spoken
from xrdscape.study.records import CHGNET, PUBLISHED_METHODS
from xrdscape.study.store import Store

FAILED_ENDS: tuple[Ending, ...] = ("loss not finite", "impossible cell", "broke down")
"""Endings of a descent or relaxation that are failures of it, though the record is complete."""


def status_table(jobs: Sequence[Job], store: Store, rows: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return the numbers of results of each setting by where they stand.

    Args:
        jobs, store: what there should be, and where it is.
        rows: the records, if they are at hand already.

    Returns:
        DataFrame: noise, level, method, total, done, running, failed (the job could not be computed), waiting, and of
        those done broken (the descent or relaxation came to nothing: see `FAILED_ENDS`).
    """
    progress = read_progress(store.fresh)
    done = store.keys()
    running = set(progress["running"]) if progress and progress["active"] else set()
    failed = set(progress["failed"]) if progress else set()
    rows = store.load(jobs) if rows is None else rows
    broken: Counter[tuple[str, float, str]] = Counter()
    if "stop_reason" in rows:
        bad = rows[rows["stop_reason"].isin(FAILED_ENDS)]
        broken.update(zip(bad["noise"], bad["level"], bad["method"], strict=True))
    counts: dict[tuple[str, float, str], Counter[str]] = {}
    for job in jobs:
        where = _where(job, done, running, failed)
        for level in job.levels:
            counts.setdefault((job.noise, level, job.method), Counter())[where] += job.copies
    columns = ("done", "running", "failed", "waiting")
    return pd.DataFrame(
        [(*key, sum(count.values()), *(count[name] for name in columns), broken[key]) for key, count in counts.items()],
        columns=["noise", "level", "method", "total", *columns, "broken"],
    )


def _where(job: Job, done: set[str], running: set[str], failed: set[str]) -> str:
    for name, keys in (("done", done), ("running", running), ("failed", failed)):
        if job.key in keys:
            return name
    return "waiting"


def status_text(jobs: Sequence[Job], store: Store) -> str:
    """Return the text of the table, sums over each kind of work that there is, and what the last run said."""
    rows = store.load(jobs)
    table = status_table(jobs, store, rows)
    lines = [table.to_string(index=False), ""]
    for name, methods in (
        ("descents", PUBLISHED_METHODS),
        ("relaxations", [CHGNET]),
        ("searches", ALL_METHODS),
        ("solutions", WAYS),
    ):
        part = table[table["method"].isin(methods)]
        if part.empty:
            continue
        sums = part[["done", "running", "failed", "waiting", "broken"]].sum()
        words = ", ".join(f"{sums[key]:,} {key}" for key in ("done", "running", "failed", "waiting"))
        lines.append(f"{part['total'].sum():,} {name}: {words}; {sums['broken']:,} of those done came to nothing")
    return "\n".join([*lines, *_broken_ones(rows), *_last_run(store)])


def _broken_ones(rows: pd.DataFrame) -> list[str]:
    """Return the lines on the results that came to nothing, and why."""
    if "stop_reason" not in rows:
        return []
    bad = rows[rows["stop_reason"].isin(FAILED_ENDS)]
    groups = bad.groupby(["structure", "noise", "level", "method", "stop_reason"])["copy"].apply(sorted)
    return [
        f"came to nothing: {' '.join(map(str, key[:-1]))}, copies {', '.join(map(str, copies))}: {key[-1]}"
        for key, copies in cast(dict[tuple[Any, ...], list[int]], groups.to_dict()).items()
    ]


def _last_run(store: Store) -> list[str]:
    progress = read_progress(store.fresh)
    if not progress:
        return []
    lines = [f"failed: job {key}: {message}" for key, message in progress["failed"].items()]
    if progress["active"]:
        left = "" if progress["remaining_s"] is None else f", about {spoken(progress['remaining_s'])} to go"
        return [
            *lines,
            f"a run is under way: process {progress['pid']} on {progress['host']}, {progress['workers']} workers{left}",
        ]
    return lines
