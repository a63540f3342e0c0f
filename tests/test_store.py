"""Records on disk: whole or not there, merged without loss, and refused when they are not understood."""

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from made_up import TINY_JOB, whole

from xrdscape.errors import RecordError
from xrdscape.study import records
from xrdscape.study.jobs import Job
from xrdscape.study.store import Store

FIRST = replace(TINY_JOB, levels=(0.05, 0.1))
SECOND = replace(FIRST, method="mse")
OTHER = replace(FIRST, structure="Nd(Al2Cu)4")
MADE = {"revision": "abc"}


def rows_of(job: Job, value: float = 0.0) -> pd.DataFrame:
    named = [(level, copy) for level in job.levels for copy in range(job.copies)]
    rows = pd.DataFrame(named, columns=["level", "copy"])
    rows = rows.assign(
        noise=job.noise,
        method=job.method,
        shard=job.key,
        learning_rate=0.1,
        end_loss=value,
        stop_reason="converged",
    )
    return whole(rows)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "fresh", tmp_path / "merged")


def fill(store: Store, *jobs: Job) -> None:
    for job in jobs:
        store.add(job, rows_of(job), MADE)


def test_an_empty_store_has_nothing(store: Store) -> None:
    assert store.keys() == set()
    assert store.load([FIRST]).empty
    assert store.merge() == 0


def test_rows_come_in_the_order_that_is_asked_for(store: Store) -> None:
    fill(store, FIRST, SECOND, OTHER)
    assert list(dict.fromkeys(store.load([SECOND, FIRST])["shard"])) == [SECOND.key, FIRST.key]
    assert len(store.load([SECOND])) == 4


def test_merging_loses_and_doubles_nothing(store: Store) -> None:
    fill(store, FIRST, OTHER)
    before = store.load([FIRST, OTHER])
    assert store.merge() == 2
    assert sorted(path.name for path in store.merged.iterdir()) == ["Nd_Al2Cu_4.parquet", "U2Ti.parquet"]
    assert list(store.fresh.glob("*.parquet")) == []
    pd.testing.assert_frame_equal(store.load([FIRST, OTHER]), before)
    fill(store, SECOND)
    store.merge()
    assert store.keys() == {FIRST.key, SECOND.key, OTHER.key}
    assert len(store.load([FIRST, SECOND, OTHER])) == 12
    assert store.provenance()[SECOND.key]["revision"] == "abc"
    assert store.provenance()[SECOND.key]["settings"]["method"] == "mse"


def test_a_merge_that_was_cut_off_does_no_harm(store: Store) -> None:
    """Between writing the merged file and deleting the job's own, both hold it."""
    fill(store, FIRST)
    kept = (store.fresh / f"{FIRST.key}.parquet").read_bytes()
    store.merge()
    (store.fresh / f"{FIRST.key}.parquet").write_bytes(kept)
    assert len(store.load([FIRST])) == 4
    store.merge()
    assert len(store.load([FIRST])) == 4


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not parquet at all"])
def test_a_damaged_file_is_set_aside(store: Store, content: bytes) -> None:
    fill(store, FIRST, SECOND)
    (store.fresh / f"{FIRST.key}.parquet").write_bytes(content)
    assert store.keys() == {SECOND.key}
    assert len(store.load([FIRST, SECOND])) == 4
    (told,) = store.repair()
    assert FIRST.key in told
    assert store.keys() == {SECOND.key}
    assert store.repair() == []


def test_half_a_file_is_set_aside(store: Store) -> None:
    fill(store, FIRST)
    path = store.fresh / f"{FIRST.key}.parquet"
    path.write_bytes(path.read_bytes()[:-200])
    assert len(store.repair()) == 1
    assert store.keys() == set()


def test_a_file_half_written_counts_for_nothing(store: Store) -> None:
    fill(store, FIRST)
    path = store.fresh / f"{FIRST.key}.parquet"
    path.rename(store.fresh / f".{FIRST.key}.parquet.123.part")
    assert store.keys() == set()
    assert store.repair() == []


def test_an_unknown_schema_is_refused_and_says_what_to_do(store: Store) -> None:
    fill(store, FIRST)
    path = store.fresh / f"{FIRST.key}.parquet"
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, b"schema_version": b"99"}), path)
    with pytest.raises(RecordError, match=r"has schema 99, this version reads schema .* Delete it"):
        records.read(path)
    with pytest.raises(RecordError, match="use the xrdscape version that wrote it"):
        records.made(path)


def test_a_damaged_merged_file_is_named_with_the_way_out(store: Store) -> None:
    fill(store, FIRST)
    store.merge()
    (store.merged / "U2Ti.parquet").write_bytes(b"nothing")
    with pytest.raises(RecordError, match=r"U2Ti\.parquet is damaged .* `git checkout`"):
        store.keys()


def test_a_file_tells_what_made_each_job(store: Store) -> None:
    fill(store, FIRST)
    told = json.loads(pq.read_schema(store.fresh / f"{FIRST.key}.parquet").metadata[b"made"])
    assert told[FIRST.key]["settings"]["levels"] == [0.05, 0.1]
