"""The study: the jobs of a plan, spread over workers, stored one by one, resumed where they were left.

Workers are processes of this machine, or those of any dask scheduler. They compute and return records; this process
alone writes files, so workers need no common disk.
"""

import asyncio
import hashlib
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import dask
import pandas as pd
from distributed import Client, Future, LocalCluster, wait
from tqdm.auto import tqdm

from xrdscape.errors import RecordError
from xrdscape.paths import BOOK_RECORDS, RECORDS
from xrdscape.runtime.provenance import cores, provenance
from xrdscape.runtime.threads import use_threads
from xrdscape.study.jobs import Job
from xrdscape.study.plan import Plan, descent_jobs, relaxation_jobs, search_jobs
from xrdscape.study.progress import Progress
from xrdscape.study.store import Store, store_of

# Dask has its workers give freed memory back to the system at once, and every step of a descent or relaxation asks for
# it again: a third to a half of all time. Here they keep up to 1 GiB at hand. Nor need it look a hundred times a second
# what its processes are doing: jobs take minutes, and the looking takes each process a twentieth of a core.
DASK = {
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": 2**30,
    "distributed.nanny.pre-spawn-environ.MALLOC_MMAP_THRESHOLD_": 2**25,
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "30s",
}
DECISIVE = (
    "crystal",
    "diffraction",
    "optimisation",
    "evaluation",
    "study/columns.py",
    "study/records.py",
    "study/problems.py",
    "study/starts.py",
    "study/jobs",
)
"""Folders and modules of the package that decide what a record holds."""
SCHEDULER_GONE = (
    "The scheduler is gone, or has dropped this run. What was finished is stored; start a scheduler and give the same "
    "command again."
)
LOOK_EVERY_S = 5.0
"""Seconds between two looks at the workers while none has finished."""


class Outcome(NamedTuple):
    """Message of a worker: the rows of a job, what made them, and the seconds it took."""

    rows: pd.DataFrame
    provenance: dict[str, Any]
    seconds: float


def work(job: Job) -> Outcome:
    """Compute one job, the unit of work of a worker."""
    use_threads(1)
    begin = time.perf_counter()
    rows = job.compute()
    return Outcome(rows, provenance(), time.perf_counter() - begin)


def run(
    jobs: Sequence[Job],
    store: Store,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: bool = True,
    title: str = "Jobs",
) -> None:
    """Compute and store what is missing of some jobs, in their order.

    Args:
        jobs: what there should be.
        store: where it goes.
        workers: processes on this machine; one a core if left out.
        scheduler: a dask scheduler whose workers to use instead: its address ("tcp://host:8786") or its file (.json).
        progress: show a bar with the remaining time.

    Raises:
        RecordError: when jobs failed, a file could not be written, or the scheduler was lost. The message says what
            to do; what was finished is stored.
    """
    for message in store.repair():
        tqdm.write(f"set aside, to be computed again: {message}")
    finished = store.keys()
    missing = [job for job in jobs if job.key not in finished]
    state = Progress(store.fresh, {job.key: job for job in missing})
    if missing:
        with (
            dask_client(min(workers or cores(), len(missing)), scheduler) as client,
            _bar(jobs, missing, progress, title) as bar,
        ):
            try:
                _compute(client, missing, store, state, bar)
            except (OSError, TimeoutError, CancelledError, asyncio.CancelledError) as problem:
                raise RecordError(SCHEDULER_GONE) from problem
    store.merge()
    if state.failed:
        names = {job.key: f"{job.structure} {job.noise} {job.method}" for job in missing}
        messages = "; ".join(f"{names[key]}: {message}" for key, message in state.failed.items())
        raise RecordError(
            f"{len(state.failed)} of {len(missing)} jobs failed ({messages}). The others are stored; run the same "
            "command again to retry these alone."
        )


def _compute(client: Client, missing: Sequence[Job], store: Store, state: Progress, bar: tqdm) -> None:
    jobs: dict[Future, Job] = {
        client.submit(work, job, pure=False, priority=-place): job for place, job in enumerate(missing)
    }
    try:
        while jobs:
            for future in finished_of(client, list(jobs)):
                job = jobs.pop(future)
                error = future.exception()
                if error is None:
                    outcome: Outcome = future.result()
                    store.add(job, outcome.rows, outcome.provenance)
                    state.done(job, outcome.seconds)
                else:
                    state.fail(job, error)
                bar.update(job.starts)
            state.look(_running(client, jobs), len(client.nthreads()))
            bar.set_postfix_str(state.summary)
    finally:
        with suppress(OSError, TimeoutError):
            client.cancel(list(jobs))
        state.stop()


def finished_of(client: Client, futures: list[Future]) -> list[Future]:
    """Return the futures that are finished; none after a while without any.

    Raises:
        CancelledError: the scheduler is gone, or has dropped them.
    """
    try:
        done = list(wait(futures, timeout=LOOK_EVERY_S, return_when="FIRST_COMPLETED").done)
    except TimeoutError:
        done = []
    if client.status != "running" or any(future.status in ("cancelled", "lost") for future in done):
        raise CancelledError
    return done


def _running(client: Client, jobs: dict[Future, Job]) -> list[str]:
    """Return the keys of the jobs that workers have in hand."""
    busy = {key for keys in client.processing().values() for key in keys}
    return [job.key for future, job in jobs.items() if future.key in busy]


@contextmanager
def dask_client(workers: int, scheduler: str | None) -> Iterator[Client]:
    """Yield a client of so many processes on this machine or, if given, of a dask scheduler.

    Raises:
        RecordError: no scheduler answers there.
    """
    with dask.config.set(DASK):
        if scheduler is None:
            options = {"threads_per_worker": 1, "memory_limit": 0, "dashboard_address": ":0", "silence_logs": 40}
            with LocalCluster(n_workers=workers, **options) as cluster, Client(cluster) as client:
                yield client
            return
        try:
            client = Client(**_address(scheduler), timeout="10s")
        except (OSError, ValueError) as problem:
            raise RecordError(
                f"No dask scheduler answers at {scheduler}. Start one with `dask scheduler`, and workers with "
                f"`dask worker {scheduler} --nthreads 1`, from this project's environment."
            ) from problem
        with client:
            yield client


def _address(scheduler: str) -> dict[str, str]:
    """Return a client's arguments that name its scheduler by its address, or by the file in which it leaves that."""
    return {"scheduler_file" if scheduler.endswith(".json") else "address": scheduler}


def _bar(jobs: Sequence[Job], missing: Sequence[Job], show: bool, title: str) -> tqdm:
    total, left = (sum(job.starts for job in group) for group in (jobs, missing))
    return tqdm(
        total=total,
        initial=total - left,
        desc=title,
        disable=not show,
        bar_format="{desc}: {percentage:3.0f}% {bar} {n_fmt} of {total_fmt}, {elapsed} gone {postfix}",
    )


def descents(plan: Plan, progress: bool = True, workers: int | None = None) -> pd.DataFrame:
    """Return the records of all descents of a plan: those that the repository or a campaign has, and the rest computed.

    What is computed here is kept until the code that decides it changes; what a campaign made says with which revision.

    Args:
        plan: what to run.
        progress: show a bar with the remaining time.
        workers: processes; one a core if left out.

    Raises:
        RecordError: when jobs failed; it names them, and the others are stored.
    """
    return _gather(descent_jobs(plan), progress, workers, "Descents")


def relaxations(plan: Plan, progress: bool = True, workers: int | None = None) -> pd.DataFrame:
    """Return the records of all relaxations of a plan; everything else is as in `descents`."""
    return _gather(relaxation_jobs(plan), progress, workers, "Relaxations")


def searches(*plans: Plan, progress: bool = True, workers: int | None = None) -> pd.DataFrame:
    """Return the records of all searches of one plan or more; everything else is as in `descents`."""
    jobs = [job for plan in plans for job in search_jobs(plan)]
    return _gather(jobs, progress, workers, "Beyond the paper")


def studied(plan: Plan, *others: pd.DataFrame) -> pd.DataFrame:
    """Return the records of the descents and relaxations of a plan, and other records with them."""
    return pd.concat([descents(plan), relaxations(plan), *others], ignore_index=True)


def _gather(jobs: Sequence[Job], progress: bool, workers: int | None, title: str) -> pd.DataFrame:
    stores = [store_of(folder.name) for folder in sorted(RECORDS.glob("*/"))]
    frames = [rows for store in stores if len(rows := store.load(jobs))]
    found = {key for rows in frames for key in rows["shard"]}
    missing = [job for job in jobs if job.key not in found]
    if missing:
        here = Store(BOOK_RECORDS / _code_digest())
        # The longest first, so that no core is left with a long one at the end.
        run(sorted(missing, key=lambda job: -job.cost), here, workers, progress=progress, title=title)
        frames.append(here.load(missing))
    order = {job.key: place for place, job in enumerate(jobs)}
    rows = pd.concat(frames, ignore_index=True).drop_duplicates(["shard", "level", "copy"])
    return rows.sort_values("shard", key=lambda keys: keys.map(order), kind="stable", ignore_index=True)


@lru_cache
def _code_digest() -> str:
    """Return the fingerprint of the code that decides what a record holds."""
    digest, package = hashlib.sha256(), Path(__file__).parents[1]
    for place in DECISIVE:
        path = package / place
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]
