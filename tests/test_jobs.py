"""The work of a job: independent of its batch, recorded from start to end."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_up import TINY_JOB as JOB
from made_up import whole
from tolerances import JUDGED_ALONE

from xrdscape.crystal.distortion import Noise
from xrdscape.crystal.structures import load_structure, to_tensors
from xrdscape.diffraction.instrument import Instrument
from xrdscape.diffraction.pattern import Simulator
from xrdscape.errors import EnergyError
from xrdscape.optimisation.energy import MAX_STEPS, Relaxation
from xrdscape.optimisation.graduated import Narrowing
from xrdscape.optimisation.methods import METHODS
from xrdscape.optimisation.objectives import OBJECTIVES
from xrdscape.study import records
from xrdscape.study.jobs import RelaxationJob, SearchJob, relaxation, search
from xrdscape.study.plan import Plan, search_jobs
from xrdscape.study.records import CHGNET, PUBLISHED_METHODS, crystal, geometry
from xrdscape.study.starts import start


def test_a_job_is_the_same_again() -> None:
    rows = JOB.compute()
    assert list(rows["copy"]) == [0, 1]
    pd.testing.assert_frame_equal(rows.drop(columns="seconds"), JOB.compute().drop(columns="seconds"))


CASES = [
    *(("lattice", name) for name in PUBLISHED_METHODS),
    *(("coordinates", n) for n, m in PUBLISHED_METHODS.items() if not m.constrained),
]


@pytest.mark.parametrize(("noise", "method"), CASES)
def test_a_descent_is_the_same_alone_to_the_last_bit(noise: Noise, method: str) -> None:
    job = replace(JOB, noise=noise, method=method, max_steps=50, learning_rate=1e-2 if noise == "lattice" else 1e-4)
    together, alone = job.compute().iloc[1], job.compute(((0.05, 1),)).iloc[0]
    for name in ("start_lattice", "start_coords", "end_lattice", "end_coords", "end_loss"):
        assert np.array_equal(together[name], alone[name]), name
    # Judging multiplies matrices, whose sums may be ordered otherwise for another number of rows.
    for name in ("cosine_end", "entropy_end", "emd_end"):
        assert together[name] == pytest.approx(alone[name], rel=JUDGED_ALONE), name


def test_a_descent_is_recorded_from_start_to_end() -> None:
    row = replace(JOB, max_steps=200).compute().iloc[0]
    assert row["end_loss"] < row["start_loss"]
    # Loss is computed in float32 while descending, similarity afterwards in float64 from the same crystal.
    assert row["cosine_start"] == pytest.approx(-row["start_loss"], abs=2e-5)
    assert row["cosine_end"] == pytest.approx(-row["end_loss"], abs=2e-5)
    assert (row["stop_reason"], row["learning_rate"], row["shard"]) == (
        "out of steps",
        1e-2,
        replace(JOB, max_steps=200).key,
    )


def test_a_maximum_of_the_squared_error_is_a_larger_step() -> None:
    """Scaled to maximum 10 the loss is 100 times as large: its gradient, too, and its tolerance in units of 1."""
    scaled = replace(JOB, method="mse", mse_maximum=10.0, max_steps=20).compute()
    faster = replace(JOB, method="mse", learning_rate=1.0, tolerance=1e-6, max_steps=20).compute()
    assert scaled["end_lattice"].tolist() == faster["end_lattice"].tolist()


def test_a_shift_may_be_limited() -> None:
    job = replace(JOB, method="cross_correlation", max_shift=0)
    rows = job.compute()
    assert job.objective.name == "cross_correlation"
    assert rows["start_loss"].to_numpy() == pytest.approx(-rows["cosine_start"].to_numpy(), abs=2e-5)


@pytest.mark.parametrize("changes", [{"taper_deg": 4.0}, {"wavelength_angstrom": 1.5418}])
def test_a_descent_may_have_another_instrument_but_the_standard_one_evaluates(changes: dict[str, float]) -> None:
    # Strong enough for reflections past the edge to count.
    job = replace(JOB, structure="Au2S", levels=(0.1,), max_steps=200, **changes)
    row, reference = job.compute().iloc[0], load_structure("Au2S")
    simulator = Simulator(reference, Instrument(**changes, tabulation="electron"))
    target = simulator(*to_tensors([reference]))[0]
    for which in ("start", "end"):
        loss = OBJECTIVES["cosine"].loss(simulator(*to_tensors([crystal(row, which)])), target)
        assert row[f"{which}_loss"] == pytest.approx(float(loss), abs=2e-5)
    standard = replace(JOB, structure="Au2S", levels=(0.1,), max_steps=1).compute().iloc[0]
    assert row["cosine_start"] == standard["cosine_start"]
    assert row["start_loss"] != pytest.approx(standard["start_loss"], abs=4e-5)


def test_a_relaxation_lowers_the_energy() -> None:
    job = RelaxationJob("U2Ti", "coordinates", (0.05,), copies=1, seed=0, max_steps=100)
    row = job.compute().iloc[0]
    assert row["energy_end"] < row["energy_start"]
    assert row["converged"]
    assert row["stop_reason"] == "converged"
    assert replace(job, max_steps=1).compute().iloc[0]["stop_reason"] == "out of steps"


RELAXED = "energy_graduated"
SEARCHES = Plan(structures=("U2Ti",), lattice_levels=(0.05,), coordinate_levels=(0.01,), methods=(), copies=2,
                relaxation_copies=0)  # fmt: skip


def search_job(name: str) -> SearchJob:
    (job,) = search_jobs(replace(SEARCHES, searches=(name,)))
    return job


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Methods of a few steps that nothing satisfies."""
    short = Narrowing(stages=2, steps=3, last_steps=4)
    few = {name: replace(m, narrowing=short if m.narrowing.stages else replace(m.narrowing, last_steps=4),
                         restarts=min(m.restarts, 1), enough=2.0) for name, m in METHODS.items()}  # fmt: skip
    monkeypatch.setattr(search, "ALL_METHODS", few)


@pytest.fixture
def relaxations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where relaxations are recorded: none yet; and no new one can be made."""

    def refuse(*_: object, **__: object) -> None:
        raise EnergyError("a new relaxation was asked for")

    monkeypatch.setattr(relaxation, "RECORDS", tmp_path)
    monkeypatch.setattr(relaxation, "relax", refuse)
    return tmp_path


def record_relaxations(folder: Path, changes: dict[str, object] | None = None) -> None:
    """Of two copies, both to the reference structure in 7 steps and 3 seconds, but with the changes."""
    reference = load_structure("U2Ti")
    row = {**geometry(reference, "end"), "energy_start": -5.0, "energy_end": -6.0, "steps": 7, "converged": True,
           "stop_reason": "converged", "seconds": 3.0, "method": CHGNET, "noise": "lattice", "seed": 0, "level": 0.05,
           **(changes or {})}  # fmt: skip
    records.write(
        folder / "study" / "U2Ti.parquet", whole(pd.DataFrame([{**row, "copy": copy} for copy in range(2)])), {}
    )


def test_a_search_is_recorded_with_its_restarts(quick: None) -> None:
    job = search_job("restarts")
    rows = job.compute()
    assert rows["tries"].tolist() == [2, 2]
    assert rows["steps"].tolist() == [2 * 10] * 2
    assert set(rows["stop_reason"]) == {"out of tries"}
    assert (rows["shard"] == job.key).all()
    assert np.isfinite(rows["start_loss"]).all()
    assert rows["cosine_end"].to_numpy() == pytest.approx(-rows["end_loss"].to_numpy(), abs=2e-5)
    alone = job.compute(((0.05, 1),)).iloc[0]
    np.testing.assert_allclose(alone["end_lattice"], rows.iloc[1]["end_lattice"], rtol=1e-5)
    pd.testing.assert_frame_equal(rows.drop(columns="seconds"), job.compute().drop(columns="seconds"))


def test_a_search_that_explains_the_pattern_says_so() -> None:
    row = search_job("adam").compute(((0.01, 0),)).iloc[0]
    assert (row["stop_reason"], row["tries"]) == ("enough", 1)
    assert row["match_tight_end"]


def test_a_search_begins_where_the_recorded_relaxation_ended(quick: None, relaxations: Path) -> None:
    record_relaxations(relaxations)
    rows = search_job(RELAXED).compute()
    assert rows["start_loss"].to_numpy() == pytest.approx([-1, -1], abs=2e-5), "of where the descent begins"
    assert (rows["cosine_start"] < 0.99).all(), "of the start itself"
    assert (rows["seconds"] > 3).all(), "the relaxation's time counts"
    assert rows["match_tight_end"].all()


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": MAX_STEPS - 100, "stop_reason": "out of steps", "converged": False},
        {"steps": MAX_STEPS + 100},
        {"seed": 1},
        {"noise": "coordinates"},
        {"level": 0.1},
        {"method": "cosine"},
    ],
)
def test_a_relaxation_of_other_settings_is_not_taken(
    quick: None, relaxations: Path, changes: dict[str, object]
) -> None:
    """Among them those with the wrong number of steps: cut short by another limit, or let go on."""
    record_relaxations(relaxations, changes)
    with pytest.raises(EnergyError, match="a new relaxation"):
        search_job(RELAXED).compute()


def test_a_relaxation_that_ran_to_the_limit_is_taken(quick: None, relaxations: Path) -> None:
    record_relaxations(relaxations, {"steps": MAX_STEPS, "stop_reason": "out of steps", "converged": False})
    assert len(search_job(RELAXED).compute()) == 2


def test_without_a_record_the_start_is_relaxed(quick: None, relaxations: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reference, asked = load_structure("U2Ti"), []

    def relax(structure, noise):  # type: ignore[no-untyped-def]
        asked.append(structure)
        return Relaxation(reference, -6.0, -5.0, 7, True, 3.0)

    monkeypatch.setattr(relaxation, "relax", relax)
    assert search_job(RELAXED).compute()["match_tight_end"].all()
    assert asked == [start("U2Ti", "lattice", 0.05, copy, 0, reference) for copy in range(2)]
