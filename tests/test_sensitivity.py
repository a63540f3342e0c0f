"""What another choice changes, over the same starts."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_up import made_up_records

from xrdscape.errors import XrdscapeError
from xrdscape.evaluation.estimates import paired_difference
from xrdscape.evaluation.matching import emd
from xrdscape.study import sensitivity
from xrdscape.study.plan import Plan, descent_jobs
from xrdscape.study.records import crystal
from xrdscape.study.sensitivity import (
    batch_stopping,
    choice_shifts,
    choice_table,
    criteria_differences,
    estimator_values,
    in_common,
    measured,
    recorded,
    sensitivity_table,
    start_statistics,
    with_neighbours,
)
from xrdscape.study.store import Store


def made_up(matched: list[bool], similarity: float, steps: int, copies: int) -> pd.DataFrame:
    rows = [
        {"structure": "NaS", "noise": "lattice", "level": 0.1, "copy": copy, "method": "entropy",
         "entropy_end": similarity, "match_conventional_end": matched[copy], "steps": steps}
        for copy in range(copies)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_pairs_are_of_the_same_start() -> None:
    study = made_up([True, False, False, True], 0.5, 100, 4)
    table = sensitivity_table(study.sample(frac=1, random_state=1), made_up([True, True, True], 0.75, 300, 3))
    row = table.iloc[0]
    assert (row["noise"], row["method"], row["n"]) == ("lattice", "entropy", 3)
    assert (row["matched"], row["matched_otherwise"]) == pytest.approx((1 / 3, 1))
    assert row["difference"] == pytest.approx(2 / 3)
    assert row["low"] < row["difference"] < row["high"] or row["high"] == 1
    assert (row["similarity"], row["error"], row["steps"], row["steps_otherwise"]) == pytest.approx((0.25, 0, 100, 300))


def test_difference_of_paired_rates() -> None:
    """2 gained, 1 lost of 10, by hand."""
    before = np.array([0, 0, 1, 1, 1, 0, 0, 0, 0, 0], bool)
    after = np.array([1, 1, 0, 1, 1, 0, 0, 0, 0, 0], bool)
    found = paired_difference(before, after)
    gain, loss = 3 / 12, 2 / 12
    half = 1.959964 * np.sqrt((gain + loss - (gain - loss) ** 2) / 12)
    assert (found.value, found.low, found.high, found.n) == pytest.approx(
        (0.1, gain - loss - half, gain - loss + half, 10)
    )
    same = paired_difference(before, before)
    assert same.value == 0
    assert same.low == -same.high < 0, "no change among ten is no proof of none"
    with pytest.raises(XrdscapeError, match="pairs of outcomes"):
        paired_difference(before, after[:3])


def test_the_interval_covers() -> None:
    rng, reference = np.random.default_rng(0), 0.1
    inside = 0
    for _ in range(2000):
        u = rng.random(40)
        before, after = u > 0.7, (u > 0.7) ^ (u < 0.15) ^ (u > 0.95)
        found = paired_difference(before, after)
        inside += found.low <= reference <= found.high
    assert inside / 2000 > 0.93


def test_tables_of_several_choices_stand_below_each_other() -> None:
    study = made_up([True, False, False, True], 0.5, 100, 4)
    table = choice_table(study, {"slower": study, "unclamped": study.head(2)})
    assert list(table["choice"]) == ["slower", "unclamped"]
    assert list(table["n"]) == [4, 2]
    assert choice_table(study, {}).empty


def test_plans_without_records_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Plan(structures=("U2Ti",), lattice_levels=(0.05,), coordinate_levels=(), methods=("cosine",), max_steps=2)
    store = Store(tmp_path / "some")
    monkeypatch.setattr(sensitivity, "load_plan", lambda name: plan)
    monkeypatch.setattr(sensitivity, "store_of", lambda name: Store(tmp_path / name))
    assert recorded(["some", "none"]) == {}
    (job,) = descent_jobs(plan)
    store.add(job, job.compute(), {})
    found = recorded(["some", "none"])
    assert list(found) == ["some"]
    assert len(found["some"]) == 2


def test_criteria_are_compared_over_the_same_results() -> None:
    """Of six constrained results at lattice noise 0.1 all match, none tightly."""
    records = made_up_records()
    table = criteria_differences(records).set_index(["noise", "level", "method", "criterion"])
    row = table.loc[("lattice", 0.1, "cosine_constrained", "tight")]
    assert (row["difference"], row["n"]) == (-1, 6)
    assert row["low"] == -1
    assert table.loc[("lattice", 0.1, "cosine", "tight"), "difference"] == 0
    assert (table.xs("pymatgen", level="criterion")["difference"] == 0).all()


def test_a_dissimilarity_grows_as_results_get_worse() -> None:
    rows = made_up_records()
    rows = rows[(rows["method"] == "mse") & (rows["level"] == 0.05)]
    dissimilarity, distance = measured(rows)
    assert dissimilarity[:3] == pytest.approx([0.03, 0.02, 0.01])
    assert distance[:3] == pytest.approx([0.5, 0.4, 0.3])
    assert measured(rows, "start")[1][:3] == pytest.approx([0.9, 0.9, 0.9])


def scattered(n: int = 40) -> pd.DataFrame:
    """One setting whose similarity falls with the distance, exactly at the start and with a flaw at the end."""
    distance = np.linspace(0.1, 1, n)
    rows = {"structure": "NaS", "noise": "lattice", "level": 0.1, "copy": range(n), "method": "cosine"}
    end = np.where(np.arange(n) % 2, -distance, distance)
    return pd.DataFrame({**rows, "cosine_start": -distance, "cosine_end": end, "emd_start": distance,
                         "emd_end": distance, "match_conventional_end": True, "steps": 1})  # fmt: skip


def test_statistics_at_the_starts_are_those_of_the_starts() -> None:
    values = start_statistics(scattered()).set_index("statistic")["value"]
    assert (values["pearson"], values["spearman"]) == pytest.approx((1, 1))
    assert values["mutual_information"] > 1


def test_every_estimator_is_used_on_the_same_pairs() -> None:
    rows = scattered()
    table = estimator_values(rows.assign(cosine_end=-rows["emd_end"]))
    assert len(table) == len(sensitivity.ESTIMATORS)
    # Bins and ranks alike: values that are evenly spaced are their ranks.
    values = table.set_index("estimator")["value"]
    assert values["10 × 10 bins"] == pytest.approx(values["10 × 10 bins, of ranks"])


def test_a_shift_has_the_sign_of_the_change() -> None:
    study = scattered()
    better = study.assign(cosine_end=-study["emd_end"])
    shifts = choice_shifts({"better": in_common(study, better), "same": in_common(study, study)})
    shifts = shifts.set_index(["choice", "statistic"])
    assert shifts.loc[("better", "pearson"), "value"] == pytest.approx(1 - np.corrcoef(*measured(study))[0, 1])
    assert shifts.loc[("better", "pearson"), "low"] > 0
    assert (shifts.loc["same"][["value", "low", "high"]] == 0).all(axis=None)
    assert (shifts["n"] == 40).all()
    assert choice_shifts({"few": in_common(study, better.head(11))}).empty


def test_neighbours_change_the_distance_alone() -> None:
    rows = descent_jobs(Plan(structures=("U2Ti",), max_steps=1))[0].compute().head(3)
    again = with_neighbours(rows, 100)
    assert again["emd_end"].to_numpy() == pytest.approx(rows["emd_end"].to_numpy())
    few = with_neighbours(rows, 10)
    assert few["emd_end"].iloc[1] == emd(sensitivity.load_structure("U2Ti"), crystal(rows.iloc[1]), 10)
    pd.testing.assert_frame_equal(few.drop(columns="emd_end"), rows.drop(columns="emd_end"))


def test_a_batch_waits_for_its_last_sample() -> None:
    """Three copies in batches of two: 1000 and 4000 wait for 4000, 2000 is alone."""
    rows = made_up([True, True, True], 0.5, 0, 3).assign(steps=[1000, 4000, 2000])
    row = batch_stopping(rows.sample(frac=1, random_state=0), 1e-4, 1000, batch=2).iloc[0]
    assert (row["n"], row["steps"], row["batch_steps"]) == pytest.approx((3, 7000 / 3, 10000 / 3))
    assert (row["gain"], row["most_gain"]) == pytest.approx((1e-4, 3e-4))
