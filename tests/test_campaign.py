"""The campaign: what is missing is computed; what is finished survives whatever kills the run."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from xrdscape.errors import RecordError
from xrdscape.study import campaign, records
from xrdscape.study.campaign import descents, run, searches, studied
from xrdscape.study.jobs import descent
from xrdscape.study.plan import Plan, descent_jobs, jobs, load_plan, search_jobs
from xrdscape.study.progress import read_progress
from xrdscape.study.status import status_table
from xrdscape.study.store import Store

SMALL = Plan(
    structures=("U2Ti",), lattice_levels=(0.05,), coordinate_levels=(0.01,), methods=("cosine",), copies=2, max_steps=3
)
# Twelve jobs of about a second.
PLANS = """
tiny:
  structures: [U2Ti]
  lattice_levels: [0.05, 0.1]
  coordinate_levels: []
  methods: [cosine, mse, entropy]
  copies: 5
  relaxation_copies: 0
  max_steps: 200
  lattice_learning_rate: [1.0e-2, 5.0e-3, 2.0e-3, 1.0e-3]
"""
JOBS = 12
PATIENCE_S = 300.0


@pytest.fixture
def book_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(campaign, "BOOK_RECORDS", tmp_path)
    return tmp_path


def record_files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("[!.]*.parquet"))


def test_missing_jobs_are_computed_and_stored_ones_kept(book_records: Path) -> None:
    rows = descents(SMALL, progress=False, workers=1)
    assert list(rows["noise"]) == ["lattice", "lattice", "coordinates", "coordinates"]
    files = record_files(book_records)
    assert len(files) == 2
    files[0].unlink()
    kept = files[1].stat().st_mtime_ns
    descents(SMALL, progress=False, workers=1)
    assert record_files(book_records) == files
    assert files[1].stat().st_mtime_ns == kept


def test_searches_are_computed_once_and_stand_beside_the_rest(
    book_records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = replace(SMALL, searches=("adam",), relaxation_copies=0)
    assert jobs(plan) == [*descent_jobs(plan), *search_jobs(plan)]
    found = searches(plan, progress=False, workers=1)
    assert list(found["method"]) == ["adam"] * 2
    assert list(found["tries"]) == [1, 1]
    kept = [file.stat().st_mtime_ns for file in record_files(book_records)]
    pd.testing.assert_frame_equal(searches(plan, progress=False, workers=1), found)
    assert [file.stat().st_mtime_ns for file in record_files(book_records)] == kept
    known = {"descents": pd.DataFrame({"method": ["cosine"]}), "relaxations": pd.DataFrame({"method": ["chgnet"]})}
    for name, rows in known.items():
        monkeypatch.setattr(campaign, name, lambda asked, rows=rows: rows if asked is plan else None)
    together = studied(plan, found)
    assert list(together["method"]) == ["cosine", "chgnet", "adam", "adam"]
    assert list(together.index) == [0, 1, 2, 3]


def test_records_of_the_book_are_not_those_of_other_code(book_records: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    descents(SMALL, progress=False, workers=1)
    monkeypatch.setattr(campaign, "_code_digest", lambda: "other")
    descents(SMALL, progress=False, workers=1)
    assert len(record_files(book_records)) == 4


def test_what_the_repository_has_is_not_computed_again(book_records: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One crystal's cells from the study and one setting that the study has not."""
    monkeypatch.setattr(campaign, "run", None)
    settings = {"structures": ("U2Ti",), "methods": ("cosine",), "coordinate_levels": (), "relaxation_copies": 0}
    study = replace(load_plan("study"), **settings)
    rows = descents(study, progress=False)
    assert list(rows["level"].unique()) == list(study.lattice_levels)
    assert len(rows) == 250
    with pytest.raises(TypeError, match="not callable"):
        descents(replace(study, copies=1), progress=False)


def test_a_failed_job_is_told_and_the_others_are_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A method that no worker knows fails when it is computed."""
    good = descent_jobs(SMALL)
    store, bad = Store(tmp_path / "fresh", tmp_path / "merged"), replace(good[0], method="magic")
    monkeypatch.setitem(descent.SECONDS["lattice"], "magic", 1.0)
    with pytest.raises(RecordError, match=r"1 of 3 jobs failed \(U2Ti lattice magic: KeyError: 'magic'"):
        run([bad, *good], store, workers=1, progress=False)
    assert store.keys() == {job.key for job in good}
    assert status_table(good, store)["done"].sum() == 4


def test_a_full_disk_stops_the_run_with_advice_and_keeps_what_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned, store = descent_jobs(SMALL), Store(tmp_path / "fresh")
    run(planned[:1], store, workers=1, progress=False)
    write = records.pq.write_table

    def full(table: object, path: Path, **options: object) -> None:
        write(table, path, **options)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(records.pq, "write_table", full)
    with pytest.raises(
        RecordError, match=r"No space left on device. Free some space .* what is already stored is kept"
    ):
        run(planned, store, workers=1, progress=False)
    monkeypatch.undo()
    assert store.keys() == {planned[0].key}
    assert [path.name for path in store.fresh.iterdir() if path.name.startswith(".")] == []
    run(planned, store, workers=1, progress=False)
    assert len(store.load(planned)) == 4


def test_a_scheduler_that_does_not_answer_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecordError, match=r"No dask scheduler answers at tcp://127\.0\.0\.1:9"):
        run(descent_jobs(SMALL), Store(tmp_path), scheduler="tcp://127.0.0.1:9", progress=False)


# The program itself, killed.


class Home:
    """A folder of its own for `xrdscape campaign`, and the processes started in it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.processes = folder, list[subprocess.Popen[str]]()
        (folder / "plans.yaml").write_text(PLANS)
        self.store = Store(folder / "_build" / "campaign" / "tiny", folder / "data" / "records" / "tiny")

    def start(self, *command: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "XRDSCAPE_HOME": str(self.folder), "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=self.folder, env=environment, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.processes.append(process)
        return process

    def campaign(self, *options: str) -> subprocess.Popen[str]:
        return self.start("xrdscape", "campaign", "tiny", "--plans", "plans.yaml", *options)

    def text(self, *command: str) -> str:
        process = self.start("xrdscape", *command, "--plans", "plans.yaml")
        return process.communicate(timeout=PATIENCE_S)[0]

    def wait_for(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < end, "nothing happened for too long"
            time.sleep(0.05)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path)
    yield home
    for process in home.processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def polish(process: subprocess.Popen[str]) -> str:
    told = process.communicate(timeout=PATIENCE_S)[0]
    assert process.returncode == 0, told
    return told


def children(pid: int) -> list[int]:
    """Process ids of the workers below a process: they run `multiprocessing.spawn`."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int(re.search(r"\) \w (\d+)", (folder / "stat").read_text()).group(1))  # type: ignore[union-attr]
            command = (folder / "cmdline").read_text()
        except (OSError, AttributeError):
            continue
        if parent == pid and "spawn_main" in command:
            found.append(int(folder.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes in /proc")
def test_killing_everything_loses_nothing_that_was_finished(home: Home) -> None:
    process = home.campaign("--workers", "2")
    home.wait_for(lambda: len(home.store.keys()) >= 3)
    assert read_progress(home.store.fresh)["active"]
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    kept = {path.name: path.stat().st_mtime_ns for path in record_files(home.store.fresh)}
    assert 3 <= len(kept) < JOBS
    # Half a file, as a machine that lost its power may leave it.
    torn = record_files(home.store.fresh)[0]
    torn.write_bytes(torn.read_bytes()[:500])
    before = pd.concat([records.read(path) for path in record_files(home.store.fresh)[1:]])
    told = home.text("status", "tiny")
    assert "under way" not in told
    assert f"120 descents: {10 * len(kept) - 10} done, 0 running" in told, "what is torn is not done"
    told = polish(home.campaign("--workers", "2"))
    assert f"set aside, to be computed again: {torn.name}" in told
    assert "120 descents: 120 done, 0 running, 0 failed, 0 waiting" in told
    rows = records.read(home.store.merged / "U2Ti.parquet")
    assert len(rows) == 120
    # What was finished before is there as it was, its time included, and was not computed again.
    key = ["shard", "level", "copy"]
    pd.testing.assert_series_equal(
        rows.set_index(key).loc[before.set_index(key).index, "seconds"], before.set_index(key)["seconds"]
    )


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes in /proc")
def test_killing_a_worker_costs_nothing(home: Home) -> None:
    process = home.campaign("--workers", "2")
    home.wait_for(lambda: len(home.store.keys()) >= 2)
    workers = children(process.pid)
    assert len(workers) == 2
    os.kill(workers[0], signal.SIGKILL)
    assert "120 descents: 120 done" in polish(process)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes in /proc")
def test_workers_of_a_scheduler_may_come_and_go_and_the_scheduler_may_die(home: Home) -> None:
    address = f"tcp://127.0.0.1:{port()}"

    def scheduler() -> subprocess.Popen[str]:
        return home.start("distributed.cli.dask_scheduler", "--host", address, "--no-dashboard", "--no-show")

    def worker() -> subprocess.Popen[str]:
        return home.start("distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard", "--no-nanny")

    head, first = scheduler(), worker()
    process = home.campaign("--scheduler", address)
    home.wait_for(lambda: len(home.store.keys()) >= 1)
    second = worker()
    home.wait_for(lambda: len(home.store.keys()) >= 3)
    os.killpg(first.pid, signal.SIGKILL)
    done = len(home.store.keys())
    home.wait_for(lambda: len(home.store.keys()) >= done + 2)
    os.killpg(head.pid, signal.SIGKILL)
    told = process.communicate(timeout=PATIENCE_S)[0]
    assert process.returncode == 2, told
    assert "The scheduler is gone" in told
    assert "Traceback" not in told
    done = len(home.store.keys())
    assert 5 <= done < JOBS
    os.killpg(second.pid, signal.SIGKILL)
    scheduler()
    worker()
    assert "120 descents: 120 done" in polish(home.campaign("--scheduler", address))


def test_the_job_script_runs_a_plan(home: Home) -> None:
    """With `srun` played by a script that starts two tasks here."""
    binaries = home.folder / "bin"
    binaries.mkdir()
    (binaries / "srun").write_text('#!/bin/bash\n"$@" & "$@" & wait\n')
    (binaries / "srun").chmod(0o755)
    (home.folder / ".venv").symlink_to(Path(sys.executable).parents[1])
    (home.folder / "data").mkdir()
    (home.folder / "data" / "plans.yaml").write_text(PLANS)
    environment = {
        **os.environ, "XRDSCAPE_HOME": str(home.folder), "PATH": f"{binaries}:{os.environ['PATH']}", "SLURM_JOB_ID": "7"
    }  # fmt: skip
    script = Path(__file__).parents[1] / "cluster" / "slurm.sh"
    told = subprocess.run(
        [str(script), "tiny"], cwd=home.folder, env=environment, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert told.returncode == 0, told.stderr
    assert "120 descents: 120 done" in told.stdout
    assert list((home.folder / "_build" / "campaign").glob("scheduler*")) == []


def port() -> int:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
