"""Measurements of the benchmark besides time: the core's limit, memory, and one whole descent."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from xrdscape.optimisation.fused_steps import fused_steps
from xrdscape.optimisation.loop import run_descent
from xrdscape.paths import REFERENCE_NAMES
from xrdscape.runtime.provenance import cores
from xrdscape.runtime.threads import use_threads
from xrdscape.timing.limit import operator_work
from xrdscape.timing.measure import STEPS_A_CALL, Task, descent_of, interleaved, loss_and_gradient, make_case

HERE = Path(__file__).resolve().parent
BATCH, LARGE_BATCH = 16, 500
DESCENDED = "Na3MnCoNiO6"
# Seconds that one thread or all cores are timed for before it is the other's turn: long enough for a core that had
# fallen asleep to be awake for most of it, as it is in a descent.
PAIR_S = 0.5
# Where a processor has vectors of 512 bits, compilers tend to leave them alone unless told otherwise.
WIDE_VECTORS = "-prefer-256-bit"


def plain(value: Any) -> Any:
    """Return a number as JSON knows it: four digits, null for what is not a number."""
    if isinstance(value, float | np.floating):
        return float(f"{value:.4g}") if np.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value


def measure_limit(record: dict[str, Any]) -> None:
    """Record what a core can do, and what the operator asks of it."""
    for name, features in (("as compiled here", ""), ("widest vectors", WIDE_VECTORS)):
        rates = _rates(features)
        if rates:
            record["rates"][name] = rates
    for crystal in REFERENCE_NAMES:
        case = make_case(crystal, BATCH)
        work = operator_work(case.simulator, case.lattice, case.reflections, case.geometrical)
        spent = {key: plain(value) for key, value in vars(work).items()}
        record["work"].append({"crystal": crystal, **spent, "operations": plain(work.operations)})


def _rates(extra_features: str) -> list[float]:
    """Return the multiply-adds of one core in a fresh process, compiled for this processor with features changed."""
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    environment = dict(os.environ)
    if extra_features:
        if not features.get("avx512f"):
            return []
        environment["NUMBA_CPU_FEATURES"] = f"{features.flatten()},{extra_features}"
    code = "import json; from xrdscape.timing.limit import multiply_add_rates as r; print(json.dumps(r().tolist()))"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    return [float(f"{rate:.4g}") for rate in json.loads(done.stdout)] if done.returncode == 0 else []


def measure_threads(record: dict[str, Any], crystals: tuple[str, ...], pairs: int) -> None:
    """Time single evaluations and steps of a descent, on one thread and on all cores, in turn: where other programs
    share the machine, a core is taken away for seconds at a time, and only what is timed in one breath can be
    compared."""
    rows = []
    for crystal in tqdm(crystals, desc="threads", unit="crystal"):
        case = make_case(crystal, BATCH)
        calls: dict[str, tuple[Callable[[], Any], int]] = {
            "engine": (partial(loss_and_gradient, case), 1),
            "step": (partial(fused_steps, *descent_of(case), STEPS_A_CALL), STEPS_A_CALL),
        }
        for contender, (call, repeats) in calls.items():
            tasks = {threads: Task(call, threads, repeats) for threads in (1, cores())}
            seconds: dict[int, list[float]] = {threads: [] for threads in tasks}
            for threads, taken in interleaved(tasks, pairs, long_enough_s=PAIR_S):
                seconds[threads].append(plain(taken))
            rows += [
                {"contender": contender, "crystal": crystal, "threads": threads, "seconds": taken}
                for threads, taken in seconds.items()
            ]
    record["threads"] = {"revision": record["revision"], "date": record["date"], "batch": BATCH, "series": rows}


def measure_memory(record: dict[str, Any], crystals: tuple[str, ...]) -> None:
    """Record the largest resident set of fresh processes."""
    rows: list[tuple[str, str, int]] = [("import", "", 0)]
    rows += [("step", crystal, BATCH) for crystal in crystals]
    rows += [("step", crystal, LARGE_BATCH) for crystal in crystals]
    rows += [("reference", crystal, BATCH) for crystal in crystals]
    for what, crystal, batch in tqdm(rows, desc="memory", unit="process"):
        command = [sys.executable, str(HERE / "memory.py"), what, *([crystal, str(batch)] if crystal else [])]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        peak = float(done.stdout) if done.returncode == 0 else None
        record["memory"].append({"what": what, "crystal": crystal, "batch": batch, "mib": peak})


def descend(record: dict[str, Any]) -> None:
    """Time one whole descent as published, on all cores."""
    use_threads(cores())
    case = make_case(DESCENDED, BATCH)
    problem, state = descent_of(case)
    print(f"one whole descent: {BATCH} copies of {DESCENDED}, at most {problem.schedule.max_steps} steps")
    result = run_descent(problem, state.parameterisation, case.lattice, case.frac_coords, progress=True)
    use_threads(1)
    record["descent"] = {
        "crystal": DESCENDED, "batch": BATCH, "threads": cores(), "seconds": round(result.seconds, 2),
        "steps": result.steps.tolist(), "stop_reason": list(result.stop_reason),
        "start_loss": [plain(v) for v in result.start_loss.tolist()],
        "end_loss": [plain(v) for v in result.loss.tolist()],
    }  # fmt: skip
