"""The study: what a plan consists of, that shards are independent of order and company, and what survives trouble."""

from dataclasses import replace

import pandas as pd
import pytest

from xrdscape import campaign
from xrdscape.campaign import Plan, Shard, descent_shards, descents, relaxation_shards, run_descents, run_relaxations
from xrdscape.errors import RecordError

SMALL = Plan(
    structures=("U2Ti",), lattice_levels=(0.05,), coordinate_levels=(0.01,), methods=("cosine",), copies=2, max_steps=3
)
SHARD = Shard("U2Ti", "lattice", "cosine", (0.05,), copies=2, seed=0, max_steps=3, check_every=1000,
              tolerance=1e-4, learning_rate=1e-2, clamp=True, dtype="float32")  # fmt: skip


@pytest.fixture
def records_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(campaign, "RECORDS", tmp_path)
    return tmp_path


def test_the_whole_study_has_the_papers_size():
    plan = Plan(copies=50, relaxation_copies=50)
    assert sum(len(s.levels) * s.copies for s in descent_shards(plan)) == 22_500
    assert sum(len(s.levels) * s.copies for s in relaxation_shards(plan)) == 5_000


def test_constraints_apply_to_lattice_noise_alone():
    shards = [s for s in descent_shards(Plan()) if s.method == "cosine_constrained"]
    assert {s.noise for s in shards} == {"lattice"}


def test_a_plan_refuses_what_it_cannot_run():
    with pytest.raises(RecordError, match="Unknown method magic"):
        Plan(methods=("cosine", "magic"))
    with pytest.raises(RecordError, match="copies >= 1"):
        Plan(copies=0)


def test_a_shard_is_the_same_alone_and_again():
    rows = run_descents(SHARD)
    assert len(rows) == 2
    again = run_descents(SHARD)
    pd.testing.assert_frame_equal(rows.drop(columns="seconds"), again.drop(columns="seconds"))
    alone = run_descents(replace(SHARD, copies=1))
    assert alone.loc[0, "end_lattice"] == pytest.approx(rows.loc[0, "end_lattice"], rel=1e-6)
    assert alone.loc[0, "cosine_end"] == pytest.approx(rows.loc[0, "cosine_end"], abs=1e-6)


def test_a_descent_is_recorded_from_start_to_end():
    row = run_descents(replace(SHARD, max_steps=200)).iloc[0]
    assert row["end_loss"] < row["start_loss"]
    # Loss is computed in float32 while descending, similarity afterwards in float64 from the same crystal.
    assert row["cosine_start"] == pytest.approx(-row["start_loss"], abs=2e-5)
    assert row["cosine_end"] == pytest.approx(-row["end_loss"], abs=2e-5)
    assert row["stop_reason"] == "out of steps"


def test_file_names_change_with_every_setting(records_folder):
    names = {s.path.name for s in (SHARD, replace(SHARD, seed=1), replace(SHARD, learning_rate=1e-3))}
    assert len(names) == 3


def test_a_relaxation_lowers_the_energy():
    row = run_relaxations(Shard("U2Ti", "coordinates", "chgnet", (0.05,), copies=1, seed=0, max_steps=100)).iloc[0]
    assert row["energy_end"] < row["energy_start"]
    assert row["converged"]


def test_missing_shards_are_computed_and_stored_ones_kept(records_folder):
    rows = descents(SMALL, progress=False, workers=1)
    assert list(rows["noise"]) == ["lattice", "lattice", "coordinates", "coordinates"]
    files = sorted(records_folder.iterdir())
    assert len(files) == 2
    files[0].unlink()
    kept = files[1].stat().st_mtime_ns
    descents(SMALL, progress=False, workers=1)
    assert sorted(records_folder.iterdir()) == files
    assert files[1].stat().st_mtime_ns == kept


def test_a_failed_shard_is_named_and_the_others_are_stored(records_folder):
    plan = replace(SMALL, structures=("U2Ti", "no-such-crystal.cif"))
    with pytest.raises(ValueError, match=r"no-such-crystal\.cif"):
        descents(plan, progress=False, workers=1)
    blocked = SHARD.path
    shards = {shard: shard.path for shard in descent_shards(SMALL)}
    first = next(iter(shards))
    # A folder where the file should go makes the write fail, as a full disk would.
    shards[first] = records_folder
    with pytest.raises(RecordError, match="1 of 2 shards failed"):
        campaign._run(shards, progress=False, workers=1, title="Descents")
    assert len(list(records_folder.glob("*.parquet"))) == 1
    assert not blocked.exists()
