"""How far a plan is, told from files alone."""

import os
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from xrdscape.study.artefacts import flaw_shards
from xrdscape.study.campaign import all_shards
from xrdscape.study.plan import Plan, Shard
from xrdscape.study.progress import FILE, Progress, read_progress, spoken
from xrdscape.study.status import status_table, status_text
from xrdscape.study.store import Store

PLAN = Plan(
    structures=("U2Ti", "NaS"), lattice_levels=(0.05, 0.1), coordinate_levels=(0.01,), methods=("cosine", "mse")
)


def rows_of(shard: Shard, reason: str = "converged") -> pd.DataFrame:
    named = [(level, copy) for level in shard.levels for copy in range(shard.copies)]
    rows = pd.DataFrame(named, columns=["level", "copy"])
    return rows.assign(
        structure=shard.structure, noise=shard.noise, method=shard.method, shard=shard.key, stop_reason=reason
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "fresh", tmp_path / "merged")


def test_nothing_done_is_all_waiting(store: Store) -> None:
    table = status_table(all_shards(PLAN), store)
    assert table["waiting"].sum() == table["total"].sum() == 2 * (3 * 2 * 2 + 3)
    assert "24 descents: 0 done, 0 running, 0 failed, 24 waiting; 0 of those done came to nothing" in status_text(
        all_shards(PLAN), store
    )


def test_patterns_with_artefacts_are_counted_like_a_plan(store: Store) -> None:
    told = status_text(flaw_shards(("U2Ti",), copies=2), store)
    assert "162 searches: 0 done, 0 running, 0 failed, 162 waiting" in told


def test_every_result_is_counted_where_it_stands(store: Store) -> None:
    shards = all_shards(PLAN)
    store.add(shards[0], rows_of(shards[0]), {})
    store.add(shards[1], rows_of(shards[1], "impossible cell"), {})
    state = Progress(store.fresh, {shard.key: shard for shard in shards[2:]})
    state.fail(shards[2], ValueError("no luck"))
    state.look([shards[3].key], 2)
    table = status_table(all_shards(PLAN), store)
    done = shards[0].starts + shards[1].starts
    assert table[["done", "running", "failed", "broken"]].sum().tolist() == [
        done, shards[3].starts, shards[2].starts, shards[1].starts
    ]  # fmt: skip
    assert (table[["done", "running", "failed", "waiting"]].sum(axis=1) == table["total"]).all()
    told = status_text(all_shards(PLAN), store)
    assert "ValueError: no luck" in told
    assert f"a run is under way: process {os.getpid()}" in told
    assert (
        f"came to nothing: {shards[1].structure} lattice 0.05 {shards[1].method}, copies 0, 1: impossible cell" in told
    )
    state.stop()
    assert "under way" not in status_text(all_shards(PLAN), store)


def test_searches_are_counted_as_such(store: Store) -> None:
    plan = replace(PLAN, recipes=("graduated", "energy_adam"))
    shards = {shard.method: shard for shard in all_shards(plan) if shard.structure == "U2Ti"}
    store.add(shards["graduated"], rows_of(shards["graduated"], "out of tries"), {})
    told = status_text(all_shards(plan), store)
    assert "24 descents: 0 done" in told
    assert "6 relaxations: 0 done" in told
    # Two crystals of two copies at two levels of one noise and one of the other; one crystal's cells are done.
    assert "12 searches: 4 done, 0 running, 0 failed, 8 waiting; 0 of those done came to nothing" in told
    table = status_table(all_shards(plan), store).set_index(["noise", "level", "method"])
    assert table.loc[("lattice", 0.1, "graduated"), "done"] == 2
    assert ("coordinates", 0.01, "graduated") not in table.index


def test_work_that_a_plan_does_not_have_is_not_told(store: Store) -> None:
    told = status_text(all_shards(replace(PLAN, methods=(), relaxation_copies=0, recipes=("graduated",))), store)
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
    shards = [shard for shard in all_shards(PLAN) if shard.noise == "lattice" and shard.method != "chgnet"]
    state = Progress(Path(), {shard.key: shard for shard in shards})
    assert state.remaining_s is None
    slow, quick = (next(shard for shard in shards if shard.method == method) for method in ("cosine", "mse"))
    state.done(slow, 10 * slow.cost)
    state.done(quick, 2 * quick.cost)
    left = {method: sum(s.cost for s in state.missing.values() if s.method == method) for method in ("cosine", "mse")}
    state.workers = 2
    assert state.remaining_s == pytest.approx((10 * left["cosine"] + 2 * left["mse"]) / 2)


def test_times_are_spoken_shortly() -> None:
    assert [spoken(s) for s in (5, 80, 600, 12_000)] == ["5 s", "80 s", "10 min", "3 h 20 min"]
