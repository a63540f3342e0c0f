"""The study: every structure, noise level and method of a plan, spread over the cores, stored shard by shard.

A shard is one structure under one noise and one method, all levels and copies in one batch. Finished shards are files;
running the same plan again computes only what is missing.
"""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import dask
import pandas as pd
import torch
from distributed import Client, LocalCluster, as_completed
from pymatgen.core import Structure
from tqdm.auto import tqdm

from xrdscape import records
from xrdscape.cell import detect_family
from xrdscape.energy import relax
from xrdscape.errors import RecordError
from xrdscape.noise import COORDINATE_LEVELS, LATTICE_LEVELS, Noise, start
from xrdscape.parameterisation import CoordinateParameters, LatticeParameters, Parameterisation
from xrdscape.paths import RECORDS
from xrdscape.pattern import Simulator
from xrdscape.profile import Instrument
from xrdscape.records import CHGNET, METHODS, Method, correlations, crystal, match_rates
from xrdscape.similarity import OBJECTIVES
from xrdscape.snap import Problem, Schedule, constant, snap
from xrdscape.structures import REFERENCE_NAMES, from_tensors, load_structure, to_tensors
from xrdscape.threads import use_threads

# Dask has its workers give freed memory back to the system at once, and every step of a descent or relaxation asks for
# it again: a third to a half of all time. Here they keep up to 1 GiB at hand.
WORKER_MEMORY = {
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": 2**30,
    "distributed.nanny.pre-spawn-environ.MALLOC_MMAP_THRESHOLD_": 2**25,
}
DECISIVE_MODULES = (
    *(
        "structures",
        "cell",
        "reflections",
        "scattering",
        "profile",
        "peaks",
        "peaks_kernel",
        "lattice_kernel",
        "pattern",
        "similarity",
        "loss_kernel",
        "sites_kernel",
        "fixed_cell",
        "moving_cell",
    ),
    *("noise", "parameterisation", "descent", "snap", "evaluation", "energy", "records", "campaign"),
)


@dataclass(frozen=True)
class Plan:
    """What to run; every setting of the study in one place.

    Args:
        structures: names or paths.
        lattice_levels, coordinate_levels: noise levels.
        methods: keys of `METHODS`; the constrained one applies to lattice noise alone.
        copies: distorted copies of each structure and level (the paper: 50).
        relaxation_copies: how many of these CHGNet relaxes.
        relaxation_steps: steps of a relaxation at most (the paper names no limit).
        seed: of all noise.
        max_steps: steps of a descent at most (the paper: 30,000).
        check_every, tolerance: the stopping rule (the paper's).
        lattice_learning_rate, coordinate_learning_rate: the upper ends of the ranges the paper explored; which it
            used it does not say.
        clamp: StructSnap's limit on large moves.
        dtype: precision of the descents; results are judged in float64.
    """

    structures: tuple[str, ...] = REFERENCE_NAMES
    lattice_levels: tuple[float, ...] = LATTICE_LEVELS
    coordinate_levels: tuple[float, ...] = COORDINATE_LEVELS
    methods: tuple[str, ...] = tuple(METHODS)
    copies: int = 2
    relaxation_copies: int = 1
    relaxation_steps: int = 500
    seed: int = 0
    max_steps: int = 1500
    check_every: int = 1000
    tolerance: float = 1e-4
    lattice_learning_rate: float = 1e-2
    coordinate_learning_rate: float = 1e-4
    clamp: bool = True
    dtype: Literal["float32", "float64"] = "float32"

    def __post_init__(self) -> None:
        unknown = [m for m in self.methods if m not in METHODS]
        if unknown:
            raise RecordError(f"Unknown method {', '.join(unknown)}. Use some of: {', '.join(METHODS)}.")
        if self.copies < 1 or not 0 <= self.relaxation_copies <= self.copies:
            raise RecordError(
                "A plan needs copies >= 1 and relaxation_copies between 0 and copies. "
                f"Received {self.copies} and {self.relaxation_copies}."
            )


@dataclass(frozen=True)
class Shard:
    """One structure under one noise and one method: all that its records depend on, but for the code."""

    structure: str
    noise: Noise
    method: str
    levels: tuple[float, ...]
    copies: int
    seed: int
    max_steps: int = 0
    check_every: int = 0
    tolerance: float = 0.0
    learning_rate: float = 0.0
    clamp: bool = False
    dtype: str = "float64"

    @property
    def path(self) -> Path:
        """Where the records stand; the name changes with any setting, with the crystal, and with the code."""
        truth = load_structure(self.structure)
        told = repr((self, truth.lattice.matrix.tolist(), truth.frac_coords.tolist(), _code_digest()))
        label = Path(self.structure).stem.replace("(", "_").replace(")", "_")
        digest = hashlib.sha256(told.encode()).hexdigest()[:12]
        return RECORDS / f"{label}-{self.noise}-{self.method}-{digest}.parquet"

    @property
    def cost(self) -> float:
        """Rough seconds: a descent's grow with the number of reflections, a relaxation's faster than the sites."""
        truth = load_structure(self.structure)
        if self.method == CHGNET:
            return len(truth) ** 1.5 * self.copies * len(self.levels) * 0.12
        return (50 + truth.volume) * self.max_steps * self.copies * len(self.levels) * 2e-6


@lru_cache
def _code_digest() -> str:
    """Fingerprint of the modules that decide what a record holds, so that no record outlives a change of the code."""
    digest = hashlib.sha256()
    for module in DECISIVE_MODULES:
        digest.update((Path(__file__).parent / f"{module}.py").read_bytes())
    return digest.hexdigest()


def descent_shards(plan: Plan) -> list[Shard]:
    """The descents of a plan."""
    common = {
        "copies": plan.copies,
        "seed": plan.seed,
        "max_steps": plan.max_steps,
        "check_every": plan.check_every,
        "tolerance": plan.tolerance,
        "clamp": plan.clamp,
        "dtype": plan.dtype,
    }
    lattice, coordinates = plan.lattice_learning_rate, plan.coordinate_learning_rate
    return [
        Shard(name, noise, method, levels, learning_rate=rate, **common)  # type: ignore[arg-type]
        for name in plan.structures
        for noise, levels, rate in (
            ("lattice", plan.lattice_levels, lattice),
            ("coordinates", plan.coordinate_levels, coordinates),
        )
        for method in plan.methods
        if levels and (noise == "lattice" or not METHODS[method].constrained)
    ]


def relaxation_shards(plan: Plan) -> list[Shard]:
    """The CHGNet relaxations of a plan."""
    return [
        Shard(name, noise, CHGNET, levels, plan.relaxation_copies, plan.seed, plan.relaxation_steps)  # type: ignore[arg-type]
        for name in plan.structures
        for noise, levels in (("lattice", plan.lattice_levels), ("coordinates", plan.coordinate_levels))
        if levels and plan.relaxation_copies
    ]


def _starts(shard: Shard, truth: Structure) -> tuple[pd.DataFrame, list[Structure]]:
    """The starts of a shard: a row that identifies each, and the crystals."""
    named = [(level, copy) for level in shard.levels for copy in range(shard.copies)]
    rows = pd.DataFrame(
        [(shard.structure, shard.noise, level, copy, shard.method, shard.seed) for level, copy in named],
        columns=["structure", "noise", "level", "copy", "method", "seed"],
    )
    return rows, [start(shard.structure, shard.noise, level, copy, shard.seed, truth) for level, copy in named]


def run_descents(shard: Shard) -> pd.DataFrame:
    """Descend all starts of a shard and judge the outcome."""
    method = METHODS[shard.method]
    objective = OBJECTIVES[method.objective]
    truth = load_structure(shard.structure)
    rows, starts = _starts(shard, truth)
    dtype = getattr(torch, shard.dtype)
    simulator = Simulator(truth, Instrument(), dtype, hkl_max=objective.hkl_max)
    # In float64 first: rounding the true cell would move its peaks.
    exact = Simulator(truth, Instrument(), hkl_max=objective.hkl_max)
    target = exact(*to_tensors([truth]))[0].to(dtype)
    lattice, frac_coords = to_tensors(starts, dtype=dtype)
    parameterisation: Parameterisation
    if shard.noise == "lattice":
        family = detect_family(truth) if method.constrained else None
        parameterisation = LatticeParameters(frac_coords, family, shard.clamp)
    else:
        parameterisation = CoordinateParameters(lattice, shard.clamp)
    schedule = Schedule(shard.learning_rate, shard.max_steps, shard.check_every, shard.tolerance)
    result = snap(Problem(constant(simulator, target), objective, schedule), parameterisation, lattice, frac_coords)
    ends = [
        from_tensors(truth, *crystal)
        for crystal in zip(result.lattice.double(), result.frac_coords.double(), strict=True)
    ]
    rows["start_loss"], rows["end_loss"] = result.start_loss.numpy(), result.loss.numpy()
    rows["steps"], rows["stop_reason"] = result.steps.numpy(), result.stop_reason
    rows["seconds"] = result.seconds / len(rows)
    return _complete(rows, truth, starts, ends)


def run_relaxations(shard: Shard) -> pd.DataFrame:
    """Relax all starts of a shard with CHGNet and judge the outcome."""
    truth = load_structure(shard.structure)
    rows, starts = _starts(shard, truth)
    results = [relax(crystal, shard.noise, max_steps=shard.max_steps) for crystal in starts]
    rows["energy_start"] = [r.energy_start_ev_per_atom for r in results]
    rows["energy_end"] = [r.energy_ev_per_atom for r in results]
    rows["converged"] = [r.converged for r in results]
    rows["steps"], rows["seconds"] = [r.steps for r in results], [r.seconds for r in results]
    return _complete(rows, truth, starts, [r.structure for r in results])


def _complete(rows: pd.DataFrame, truth: Structure, starts: list[Structure], ends: list[Structure]) -> pd.DataFrame:
    """Add the crystals and their judgement to the rows of a shard."""
    geometry = pd.DataFrame(
        [{**records.geometry(s, "start"), **records.geometry(e, "end")} for s, e in zip(starts, ends, strict=True)]
    )
    parts = [rows, geometry, records.judged(truth, starts, "start"), records.judged(truth, ends, "end")]
    return pd.concat(parts, axis=1)


def run_shard(shard: Shard, path: Path) -> None:
    """Compute one shard and store it; the unit of work that a worker does."""
    use_threads(1)
    rows = run_relaxations(shard) if shard.method == CHGNET else run_descents(shard)
    records.write(path, rows, asdict(shard))


def descents(plan: Plan, progress: bool = True, workers: int | None = None) -> pd.DataFrame:
    """Records of all descents of a plan, computing what is missing.

    Args:
        plan: what to run.
        progress: show a bar with the remaining time.
        workers: processes; one a core if left out.

    Raises:
        RecordError: when shards failed; it names them, and the others are stored.
    """
    return _gather(descent_shards(plan), progress, workers, "Descents")


def relaxations(plan: Plan, progress: bool = True, workers: int | None = None) -> pd.DataFrame:
    """Records of all relaxations of a plan, computing what is missing; arguments as `descents`."""
    return _gather(relaxation_shards(plan), progress, workers, "Relaxations")


def _gather(shards: list[Shard], progress: bool, workers: int | None, title: str) -> pd.DataFrame:
    paths = {shard: shard.path for shard in shards}
    missing = {shard: path for shard, path in paths.items() if not path.exists()}
    if missing:
        _run(missing, progress, workers or os.cpu_count() or 1, title)
    return pd.concat([records.read(path) for path in paths.values()], ignore_index=True)


def _run(shards: dict[Shard, Path], progress: bool, workers: int, title: str) -> None:
    bar = tqdm(
        total=round(sum(s.cost for s in shards), 1),
        desc=title,
        disable=not progress,
        bar_format="{desc}: {percentage:3.0f}% {bar} {elapsed} gone, about {remaining} to go {postfix}",
    )
    failures: dict[Shard, BaseException] = {}
    done = 0
    with bar:
        for shard, error in _outcomes(shards, min(workers, len(shards))):
            done += 1
            bar.update(shard.cost)
            bar.set_postfix_str(f"({done} of {len(shards)} shards)")
            if error is not None:
                failures[shard] = error
    if failures:
        told = "; ".join(f"{s.structure} {s.noise} {s.method}: {e}" for s, e in failures.items())
        raise RecordError(
            f"{len(failures)} of {len(shards)} shards failed ({told}). The others are stored; run the same "
            "command again to retry these alone."
        )


def _outcomes(shards: dict[Shard, Path], workers: int) -> Iterable[tuple[Shard, BaseException | None]]:
    """Each shard as it finishes, with what went wrong if something did."""
    # The longest first, so that no core is left with a long one at the end.
    longest_first = sorted(shards, key=lambda shard: -shard.cost)
    with (
        dask.config.set(WORKER_MEMORY),
        LocalCluster(
            n_workers=workers, threads_per_worker=1, memory_limit=0, dashboard_address=":0", silence_logs=40
        ) as cluster,
        Client(cluster) as client,
    ):
        futures = {client.submit(run_shard, s, shards[s], pure=False): s for s in longest_first}
        for future in as_completed(futures):
            yield futures[future], future.exception()


__all__ = [
    "CHGNET",
    "METHODS",
    "Method",
    "Plan",
    "Shard",
    "correlations",
    "crystal",
    "descents",
    "match_rates",
    "relaxations",
]
