"""Prove the engine right, then time it: `make benchmark`, or `.venv/bin/python benchmarks/run.py --help`.

Writes one record, from which the book's appendix draws its figures. Ctrl-C keeps the samples taken so far.
"""

import argparse
import platform
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from others import BATCH, descend, measure_limit, measure_memory, measure_threads, plain
from peers import PEERS, Peer, cells, difference
from xrdscape.crystal.structures import load_structure
from xrdscape.errors import RecordError, XrdscapeError
from xrdscape.paths import REFERENCE_NAMES, ROOT
from xrdscape.runtime.provenance import cores, machine, revision
from xrdscape.runtime.threads import use_threads
from xrdscape.timing.check import check_engine, largest_errors, require_correct
from xrdscape.timing.measure import (
    CRYSTALS,
    LATTICE_LEVEL,
    LEARNING_RATE,
    Task,
    compiled_contender,
    coordinate_contenders,
    interleaved,
    lattice_contenders,
    loss_and_gradient,
    make_case,
    parts,
    tasks_of,
)
from xrdscape.timing.record import RECORD, SCHEMA_VERSION, headline, labels, load_record, median_ms, write_record

PACKAGES = ("xrdscape", "torch", "numba", "llvmlite", "numpy", "scipy", "pymatgen")
# What is timed over batch sizes and threads.
SCALED = CRYSTALS
# torch.compile is left out where it does not come to an end of its first crystal in this time.
COMPILE_LIMIT_S = 60.0

Key = tuple[str, str, int, int]


def main() -> int:
    """Run the whole benchmark; the exit code says how it went."""
    options = _options()
    record = _frame(options)
    if options.threads_only:
        try:
            known = load_record(options.output)
        except RecordError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        measure_threads(record, options.crystals, options.pairs)
        write_record(options.output, {**known, "threads": record["threads"]})
        return 0
    code = 0
    try:
        check_correctness(record, options)
        time_everything(record, options)
        measure_threads(record, options.crystals, options.pairs)
        measure_limit(record)
        measure_memory(record, options.crystals)
        if not options.quick:
            descend(record)
    except KeyboardInterrupt:
        record["interrupted"] = True
        kept = "the samples so far are kept" if record["series"] else "nothing was timed yet"
        print(f"\ninterrupted: {kept}", file=sys.stderr)
        code = 130
    except XrdscapeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if record["series"]:
        write_record(options.output, record)
        print_table(record)
        print(f"record: {options.output}")
    return code


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer cells and rounds, no whole descent, no compiling")
    parser.add_argument("--output", type=Path, metavar="FILE", help="the record to write (default: the project's own, "
                        "or _build/benchmark-quick.json with --quick)")  # fmt: skip
    parser.add_argument("--rounds", type=int, help="samples of everything that is timed (default: 11, quick 3)")
    parser.add_argument("--seed", type=int, default=0, help="of noise and order (default: 0)")
    parser.add_argument("--threads-only", action="store_true", help="only time threads anew, into an existing record")
    options = parser.parse_args()
    options.output = (options.output or (ROOT / "_build/benchmark-quick.json" if options.quick else RECORD)).resolve()
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.rounds = options.rounds or (3 if options.quick else 11)
    options.cells = 100 if options.quick else 1000
    options.pairs = 3 if options.quick else 25
    options.crystals = CRYSTALS[:2] if options.quick else CRYSTALS
    options.batches = (1, 16, 128) if options.quick else tuple(2**k for k in range(10))
    return options


def _frame(options: argparse.Namespace) -> dict[str, Any]:
    """Return the record before anything is measured."""
    absent = [peer.package for peer in PEERS if peer.version is None]
    if absent:
        print(
            f"peers that are not installed, and so not timed: {', '.join(dict.fromkeys(absent))}; to install them: "
            ".venv/bin/python -m pip install --no-deps --ignore-requires-python -r benchmarks/peers.txt"
        )
    settings = {
        "quick": options.quick, "rounds": options.rounds, "seed": options.seed, "cells": options.cells,
        "batch": BATCH, "lattice_level": LATTICE_LEVEL, "learning_rate": LEARNING_RATE,
    }  # fmt: skip
    return {
        "schema": SCHEMA_VERSION,
        "date": datetime.now(UTC).date().isoformat(),
        "revision": revision(),
        "interrupted": False,
        "machine": machine(),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "settings": settings,
        "correctness": [],
        "peers": [],
        "absent_peers": list(dict.fromkeys(absent)),
        "compile": [],
        "rates": {},
        "work": [],
        "series": [],
        "threads": None,
        "memory": [],
        "descent": None,
    }


def check_correctness(record: dict[str, Any], options: argparse.Namespace) -> None:
    """Hold the engine against the dense reference in float64, and each peer's pattern against ours.

    Raises:
        RecordError: something is off by more than its bound.
    """
    use_threads(1)
    frames = []
    with tqdm(total=options.cells, desc="correct?", unit="cell") as bar:
        for errors in check_engine(options.cells, options.seed):
            frames.append(errors)
            bar.update(int((errors["path"] == "float32").sum()))
    table = largest_errors(pd.concat(frames, ignore_index=True))
    record["correctness"] = [
        {key: plain(value) for key, value in row.items()} for row in table.to_dict(orient="records")
    ]
    print(table.to_string(index=False, float_format=lambda x: f"{x:.1e}"))
    require_correct(table)
    for peer in _present():
        record["peers"].append(_compared(peer, options))


def _present() -> list[Peer]:
    return [peer for peer in PEERS if peer.version is not None]


def _compared(peer: Peer, options: argparse.Namespace) -> dict[str, Any]:
    worst_seen = 0.0
    for crystal in options.crystals:
        reference = load_structure(crystal)
        for structure in cells(crystal, 2):
            worst_seen = max(worst_seen, difference(peer.prepare(structure, reference)))
    if not worst_seen <= peer.bound:
        raise RecordError(
            f"The pattern of {peer.label} {peer.version} differs from ours by {worst_seen:.1e} of the maximum "
            f"(allowed {peer.bound:.0e}): the two do not compute the same. Nothing was timed."
        )
    names = ("contender", "label", "package", "version", "computes", "compared", "bound")
    return {**{name: getattr(peer, name) for name in names}, "difference": plain(worst_seen)}


def time_everything(record: dict[str, Any], options: argparse.Namespace) -> None:
    """Time all contenders, sizes and threads in turn; each sample enters the record at once."""
    tasks = all_tasks(record, options)
    series: dict[Key, list[float]] = {}
    total = len(tasks) * options.rounds
    with tqdm(total=total, desc="timing", unit="sample", smoothing=0) as bar:
        for key, seconds in interleaved(tasks, options.rounds, options.seed):
            if key not in series:
                series[key] = []
                named = dict(zip(("contender", "crystal", "batch", "threads"), key, strict=True))
                record["series"].append({**named, "seconds": series[key]})
            series[key].append(float(f"{seconds:.4g}"))
            bar.update()
    record["series"].sort(key=lambda row: list(row.values())[:4])


def all_tasks(record: dict[str, Any], options: argparse.Namespace) -> dict[Key, Task]:
    """Return everything that is timed, by contender, crystal, batch and threads."""
    tasks: dict[Key, Task] = {}
    for crystal in tqdm(options.crystals, desc="preparing", unit="crystal"):
        calls = {**lattice_contenders(crystal, BATCH), **coordinate_contenders(crystal, BATCH), **parts(crystal, BATCH)}
        tasks |= {(name, crystal, BATCH, 1): task for name, task in tasks_of(calls).items()}
        tasks |= {(peer.contender, crystal, BATCH, 1): Task(_all_cells(peer, crystal)) for peer in _present()}
        tasks |= _compiled(record, crystal, options)
    for crystal in REFERENCE_NAMES:
        tasks.setdefault(("engine", crystal, BATCH, 1), Task(partial(loss_and_gradient, make_case(crystal, BATCH))))
    for crystal in tqdm(SCALED, desc="preparing sizes", unit="crystal"):
        for batch in options.batches:
            call = partial(loss_and_gradient, make_case(crystal, batch))
            for threads in sorted({1, cores()}):
                tasks[("engine", crystal, batch, threads)] = Task(call, threads)
    return tasks


def _all_cells(peer: Peer, crystal: str) -> Callable[[], None]:
    reference = load_structure(crystal)
    calls = [peer.prepare(structure, reference).call for structure in cells(crystal, BATCH)]

    def call() -> None:
        for each in calls:
            each()

    return call


def _compiled(record: dict[str, Any], crystal: str, options: argparse.Namespace) -> dict[Key, Task]:
    """Return the compiled reference, unless it takes too long or fails; the record says which."""
    if options.quick or any(row["seconds"] is None or row["seconds"] > COMPILE_LIMIT_S for row in record["compile"]):
        return {}
    use_threads(1)
    started = time.perf_counter()
    try:
        call = compiled_contender(crystal, BATCH)
    except Exception as error:  # whatever the compiler raises, the rest goes on without it
        reason = f"{type(error).__name__}: {str(error).strip().splitlines()[0][:200]}"
        record["compile"].append({"crystal": crystal, "seconds": None, "failed": reason})
        return {}
    seconds = round(time.perf_counter() - started, 1)
    record["compile"].append({"crystal": crystal, "seconds": seconds, "failed": None})
    return {("compiled", crystal, BATCH, 1): Task(call)}


def print_table(record: dict[str, Any]) -> None:
    """Print one line a crystal, in milliseconds a sample; a peer each in a column of its own."""
    timed = _timed(record)
    table = headline(record, timed)
    names = labels(record)
    for peer in record["peers"]:
        table[peer["contender"]] = [_median(record, peer["contender"], crystal) for crystal in timed]
    shown = table.drop(columns=["ratio_low", "ratio_high"]).rename(columns=names)
    print(f"\nmilliseconds a sample (batch of {BATCH}, one thread; `limit`: the operator at the core's rate)")
    print(shown.to_string(index=False, float_format=lambda x: f"{x:.3g}"))


def _timed(record: dict[str, Any]) -> list[str]:
    """Return the crystals that everything was timed on, from few to many reflections."""
    found = {row["crystal"] for row in record["series"] if row["contender"] == "reference"}
    return [crystal for crystal in CRYSTALS if crystal in found]


def _median(record: dict[str, Any], contender: str, crystal: str) -> float:
    return median_ms(record, contender, crystal, BATCH)


if __name__ == "__main__":
    sys.exit(main())
