"""Outcomes of structure solution are counted as by hand."""

import numpy as np
import pandas as pd
import pytest
from made_solutions import made_solutions

from xrdscape.errors import RecordError
from xrdscape.study.columns import SOLUTION
from xrdscape.study.pxrdnet import published_residual, pxrdnet_table
from xrdscape.study.solution_outcomes import (
    ATOMS,
    FREE,
    SYSTEMS,
    calibration,
    candidate_curve,
    classed,
    compared_ways,
    headline,
    library_curve,
    searched,
    size_effect,
    solution_plan,
    stored_solutions,
    summary,
)


@pytest.fixture
def records() -> pd.DataFrame:
    return made_solutions()


@pytest.fixture
def found(records: pd.DataFrame) -> pd.DataFrame:
    return searched(records)


def test_a_search_is_read_as_it_is(found: pd.DataFrame) -> None:
    at_ten = found[found["size"] == 10.0]
    assert list(at_ten["system"]) == ["cubic", "tetragonal", "triclinic", "monoclinic"]
    assert list(at_ten["first"]) == [0.0, 0.05, 0.4, 1.0]
    assert list(at_ten["best"]) == [0.0, 0.05, 0.2, 1.0]
    assert list(at_ten["loose_1"]) == [True, False, False, False]
    assert list(at_ten["loose_10"]) == [True, False, True, False]
    assert list(at_ten["strict_10"]) == [True, False, True, False]
    assert list(at_ten["fooled_10"]) == [False, True, False, False]
    np.testing.assert_equal(at_ten["rms"].to_numpy(), [0.01, np.nan, 0.2, np.nan])


def test_summary_is_counted_by_hand(found: pd.DataFrame) -> None:
    row = summary(found).set_index("size").loc[100.0]
    assert row["crystals"] == 4
    assert row["mean"] == pytest.approx(1.25 / 4)
    assert row["sd"] == pytest.approx(np.sqrt((0.05**2 + 0.2**2 + 1) / 4 - (1.25 / 4) ** 2))
    assert row["first_mean"] == pytest.approx(1.45 / 4)
    assert (row["below"], row["below_fifth"], row["loose_1"], row["loose_10"]) == (0.5, 0.5, 0.25, 0.5)
    assert row["fooled_10"] == 0.25
    assert row["rms"] == pytest.approx(0.105)
    assert row["seconds"] == 2.5
    assert 0 < row["loose_10_low"] < 0.5 < row["loose_10_high"] < 1


def test_headline_leaves_out_other_protocols_and_ways() -> None:
    every = searched(pd.concat([made_solutions(), made_solutions("random entry"), made_solutions(noise="known")]))
    assert len(every) == 24
    assert len(headline(every)) == 8


def test_classes_take_all_values(found: pd.DataFrame) -> None:
    atoms = classed(found[found["size"] == 10.0], "sites", ATOMS)
    assert list(atoms["class"]) == ["1–4", "5–8", "9–12", "9–12"]
    free = classed(found[found["size"] == 10.0], "free_coords", FREE)
    assert list(free["class"]) == ["0", "1–2", "over 10", "6–10"]


def test_candidates_only_add(records: pd.DataFrame) -> None:
    curve = candidate_curve(records).set_index(["size", "candidates"]).loc[10.0]
    assert list(curve["loose"]) == [0.25, 0.5, 0.5]
    assert list(curve["strict"]) == [0.25, 0.25, 0.5]
    assert curve.loc[3, "mean"] == pytest.approx(1.25 / 4)


def test_calibration_counts_both_verdicts(found: pd.DataFrame) -> None:
    table = calibration(found[found["size"] == 10.0]).set_index("solved")
    assert tuple(table.loc[True, ["crystals", "right_1", "right_10", "strict_1"]]) == (2, 1, 1, 1)
    assert tuple(table.loc[False, ["crystals", "right_1", "right_10", "strict_1"]]) == (2, 0, 1, 0)


def test_ways_are_compared_crystal_by_crystal() -> None:
    worse = made_solutions("random entry")
    worse["loose"] = [np.zeros(len(values)) for values in worse["loose"]]
    table = compared_ways(searched(pd.concat([made_solutions(), worse])), "solve")
    assert set(table["way"]) == {"random entry"}
    assert (table["crystals"] == 4).all()
    assert (table["value"] == -0.5).all()


def test_sizes_alike_make_no_difference(found: pd.DataFrame) -> None:
    (row,) = size_effect(found).to_dict("records")
    assert (row["crystals"], row["value"]) == (4, 0.0)
    assert row["low"] < 0 < row["high"]


def test_a_library_that_finds_more_each_time_it_doubles_has_that_slope() -> None:
    frames = []
    for place, way in enumerate(["library 1/4", "library 1/2", "prototypes alone"]):
        frame = made_solutions(way, sizes=(10.0,))
        frame["loose"] = [np.array([1.0]) if copy <= place else np.array([0.0]) for copy in frame["copy"]]
        frames.append(frame)
    curve = library_curve(searched(pd.concat(frames)), 1000, resamples=200)
    assert list(curve["entries"]) == [250, 500, 1000]
    assert list(curve["rate"]) == [0.25, 0.5, 0.75]
    assert curve["slope"].to_numpy() == pytest.approx(0.25)
    assert curve["expected"].to_numpy() == pytest.approx(1.0)
    assert (curve["slope_low"] <= 0.25).all()


def test_nothing_computed_yet_is_no_error() -> None:
    none = pd.DataFrame(columns=list(SOLUTION))
    found = searched(none)
    assert not len(found)
    for table in (
        summary(found),
        candidate_curve(none),
        calibration(found),
        compared_ways(found, "solve"),
        size_effect(found),
        library_curve(found, 10),
    ):
        assert not len(table)


def test_plans_of_another_kind_are_refused() -> None:
    with pytest.raises(RecordError, match="no plan of structure solution"):
        solution_plan("study")
    assert set(SOLUTION) <= set(stored_solutions(["solution"]).columns)


def test_published_numbers_are_whole() -> None:
    assert published_residual("PXRDnet", 10.0) == (0.325, 0.283)
    systems = pxrdnet_table("pxrdnet_table2")
    assert set(systems["system"]) == set(SYSTEMS)
    one = systems[(systems["size_angstrom"] == 10) & (systems["method"] == "PXRDnet")]
    assert one["crystals"].sum() == 200
    # The systems' means, weighted by their crystals, are the mean over all.
    assert (one["mean"] * one["crystals"]).sum() / 200 == pytest.approx(0.325, abs=0.001)
    assert len(pxrdnet_table("solution_peers"))
