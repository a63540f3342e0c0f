"""The work of a shard: independent of company, recorded from start to end."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tolerances import JUDGED_ALONE

from xrdscape.engine.pattern import Simulator
from xrdscape.engine.profile import Instrument
from xrdscape.engine.similarity import OBJECTIVES
from xrdscape.engine.structures import load_structure, to_tensors
from xrdscape.recovery.noise import Noise
from xrdscape.study.plan import Shard
from xrdscape.study.records import METHODS, crystal
from xrdscape.study.shards import compute, objective_of

SHARD = Shard("U2Ti", "lattice", "cosine", (0.05,), copies=2, seed=0, max_steps=3, check_every=1000,
              tolerance=1e-4, learning_rate=1e-2, clamp=True, dtype="float32")  # fmt: skip


def test_a_shard_is_the_same_again() -> None:
    rows = compute(SHARD)
    assert list(rows["copy"]) == [0, 1]
    pd.testing.assert_frame_equal(rows.drop(columns="seconds"), compute(SHARD).drop(columns="seconds"))


CASES = [
    *(("lattice", name) for name in METHODS),
    *(("coordinates", n) for n, m in METHODS.items() if not m.constrained),
]


@pytest.mark.parametrize(("noise", "method"), CASES)
def test_a_descent_is_the_same_alone_to_the_last_bit(noise: Noise, method: str) -> None:
    shard = replace(SHARD, noise=noise, method=method, max_steps=50, learning_rate=1e-2 if noise == "lattice" else 1e-4)
    together, alone = compute(shard).iloc[1], compute(shard, ((0.05, 1),)).iloc[0]
    for name in ("start_lattice", "start_coords", "end_lattice", "end_coords", "end_loss"):
        assert np.array_equal(together[name], alone[name]), name
    # Judging multiplies matrices, whose sums may be ordered otherwise for another number of rows.
    for name in ("cosine_end", "entropy_end", "emd_end"):
        assert together[name] == pytest.approx(alone[name], rel=JUDGED_ALONE), name


def test_a_descent_is_recorded_from_start_to_end() -> None:
    row = compute(replace(SHARD, max_steps=200)).iloc[0]
    assert row["end_loss"] < row["start_loss"]
    # Loss is computed in float32 while descending, similarity afterwards in float64 from the same crystal.
    assert row["cosine_start"] == pytest.approx(-row["start_loss"], abs=2e-5)
    assert row["cosine_end"] == pytest.approx(-row["end_loss"], abs=2e-5)
    assert (row["stop_reason"], row["learning_rate"], row["shard"]) == (
        "out of steps",
        1e-2,
        replace(SHARD, max_steps=200).key,
    )


def test_a_maximum_of_the_squared_error_is_a_larger_step() -> None:
    """Scaled to maximum 10 the loss is 100 times as large: its gradient, too, and its tolerance in units of 1."""
    scaled = compute(replace(SHARD, method="mse", mse_maximum=10.0, max_steps=20))
    faster = compute(replace(SHARD, method="mse", learning_rate=1.0, tolerance=1e-6, max_steps=20))
    assert scaled["end_lattice"].tolist() == faster["end_lattice"].tolist()


def test_a_shift_may_be_limited() -> None:
    shard = replace(SHARD, method="cross_correlation", max_shift=0)
    rows = compute(shard)
    assert objective_of(shard).name == "cross_correlation"
    assert rows["start_loss"].to_numpy() == pytest.approx(-rows["cosine_start"].to_numpy(), abs=2e-5)


@pytest.mark.parametrize("changes", [{"taper_deg": 4.0}, {"wavelength_angstrom": 1.5418}])
def test_a_descent_may_have_another_instrument_but_is_judged_with_the_standard_one(changes: dict[str, float]) -> None:
    # Strong enough for reflections past the edge to count.
    shard = replace(SHARD, structure="Au2S", levels=(0.1,), max_steps=200, **changes)
    row, truth = compute(shard).iloc[0], load_structure("Au2S")
    simulator = Simulator(truth, Instrument(**changes))
    target = simulator(*to_tensors([truth]))[0]
    for which in ("start", "end"):
        loss = OBJECTIVES["cosine"].loss(simulator(*to_tensors([crystal(row, which)])), target)
        assert row[f"{which}_loss"] == pytest.approx(float(loss), abs=2e-5)
    standard = compute(replace(SHARD, structure="Au2S", levels=(0.1,), max_steps=1)).iloc[0]
    assert row["cosine_start"] == standard["cosine_start"]
    assert row["start_loss"] != pytest.approx(standard["start_loss"], abs=4e-5)


def test_a_relaxation_lowers_the_energy() -> None:
    shard = Shard("U2Ti", "coordinates", "chgnet", (0.05,), copies=1, seed=0, max_steps=100)
    row = compute(shard).iloc[0]
    assert row["energy_end"] < row["energy_start"]
    assert row["converged"]
    assert row["stop_reason"] == "converged"
    assert compute(replace(shard, max_steps=1)).iloc[0]["stop_reason"] == "out of steps"
