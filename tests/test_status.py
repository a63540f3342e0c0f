"""How far a plan is, told from files alone."""

import os
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from made_up import whole

from xrdscape.study.jobs import Job, artefact_jobs
from xrdscape.study.plan import Plan, jobs
from xrdscape.study.progress import FILE, Progress, read_progress, spoken
from xrdscape.study.status import status_table, status_text
from xrdscape.study.store import Store

PLAN = Plan(
    structures=("U2Ti", "NaS"), lattice_levels=(0.05, 0.1), coordinate_levels=(0.01,), methods=("cosine", "mse")
)


def rows_of(job: Job, reason: str = "converged") -> pd.DataFrame:
    named = [(level, copy) for level in job.levels for copy in range(job.copies)]
    rows = pd.DataFrame(named, columns=["level", "copy"])
    named = {"structure": job.structure, "noise": job.noise, "method": job.method, "shard": job.key}
    return whole(rows.assign(**named, stop_reason=reason))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "fresh", tmp_path / "merged")


def test_nothing_done_is_all_waiting(store: Store) -> None:
    table = status_table(jobs(PLAN), store)
    assert table["waiting"].sum() == table["total"].sum() == 2 * (3 * 2 * 2 + 3)
    assert "24 descents: 0 done, 0 running, 0 failed, 24 waiting; 0 of those done came to nothing" in status_text(
        jobs(PLAN), store
    )


def test_patterns_with_artefacts_are_counted_like_a_plan(store: Store) -> None:
    told = status_text(artefact_jobs(("U2Ti",), copies=2), store)
    assert "162 searches: 0 done, 0 running, 0 failed, 162 waiting" in told


def test_every_result_is_counted_where_it_stands(store: Store) -> None:
    planned = jobs(PLAN)
    store.add(planned[0], rows_of(planned[0]), {})
    store.add(planned[1], rows_of(planned[1], "impossible cell"), {})
    state = Progress(store.fresh, {job.key: job for job in planned[2:]})
    state.fail(planned[2], ValueError("no luck"))
    state.look([planned[3].key], 2)
    table = status_table(jobs(PLAN), store)
    done = planned[0].starts + planned[1].starts
    assert table[["done", "running", "failed", "broken"]].sum().tolist() == [
        done, planned[3].starts, planned[2].starts, planned[1].starts
    ]  # fmt: skip
    assert (table[["done", "running", "failed", "waiting"]].sum(axis=1) == table["total"]).all()
    told = status_text(jobs(PLAN), store)
    assert "ValueError: no luck" in told
    assert f"a run is under way: process {os.getpid()}" in told
    broken = planned[1]
    assert f"came to nothing: {broken.structure} lattice 0.05 {broken.method}, copies 0, 1: impossible cell" in told
    state.stop()
    assert "under way" not in status_text(jobs(PLAN), store)


def test_searches_are_counted_as_such(store: Store) -> None:
    plan = replace(PLAN, searches=("graduated", "energy_adam"))
    job = next(job for job in jobs(plan) if (job.structure, job.method) == ("U2Ti", "graduated"))
    store.add(job, rows_of(job, "out of tries"), {})
    told = status_text(jobs(plan), store)
    assert "24 descents: 0 done" in told
    assert "6 relaxations: 0 done" in told
    # Two crystals of two copies at two levels of one noise and one of the other; one crystal's cells are done.
    assert "12 searches: 4 done, 0 running, 0 failed, 8 waiting; 0 of those done came to nothing" in told
    table = status_table(jobs(plan), store).set_index(["noise", "level", "method"])
    assert table.loc[("lattice", 0.1, "graduated"), "done"] == 2
    assert ("coordinates", 0.01, "graduated") not in table.index


def test_work_that_a_plan_does_not_have_is_not_told(store: Store) -> None:
    told = status_text(jobs(replace(PLAN, methods=(), relaxation_copies=0, searches=("graduated",))), store)
    assert "8 searches: 0 done" in told
    assert "descents" not in told
    assert "relaxations" not in told


def test_a_run_that_was_killed_is_not_under_way(store: Store) -> None:
    Progress(store.fresh, {}).look([], 1)
    text = (store.fresh / FILE).read_text()
    assert read_progress(store.fresh)["active"]
    # A process number that no process has: the largest there can be.
    (store.fresh / FILE).write_text(text.replace(f'"pid": {os.getpid()}', f'"pid": {2**22 + 1}'))
    assert not read_progress(store.fresh)["active"]


def test_a_run_elsewhere_that_fell_silent_is_not_under_way(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    Progress(store.fresh, {}).look([], 1)
    monkeypatch.setattr("platform.node", lambda: "elsewhere")
    assert read_progress(store.fresh)["active"]
    later = time.time() + 100
    monkeypatch.setattr(time, "time", lambda: later)
    assert not read_progress(store.fresh)["active"]


def test_remaining_time_is_what_each_kind_of_work_has_taken() -> None:
    planned = [job for job in jobs(PLAN) if job.noise == "lattice" and job.method != "chgnet"]
    state = Progress(Path(), {job.key: job for job in planned})
    assert state.remaining_s is None
    slow, quick = (next(job for job in planned if job.method == method) for method in ("cosine", "mse"))
    state.done(slow, 10 * slow.cost)
    state.done(quick, 2 * quick.cost)
    left = {method: sum(s.cost for s in state.missing.values() if s.method == method) for method in ("cosine", "mse")}
    state.workers = 2
    assert state.remaining_s == pytest.approx((10 * left["cosine"] + 2 * left["mse"]) / 2)


def test_times_are_spoken_shortly() -> None:
    assert [spoken(s) for s in (5, 80, 600, 12_000)] == ["5 s", "80 s", "10 min", "3 h 20 min"]
