"""Why a published statistic differs from ours: each rule by hand."""

import pandas as pd
import pytest
from made_up import made_up_records

from xrdscape.evaluation.information import ESTIMATORS
from xrdscape.study.comparison import (
    OTHER_ESTIMATORS,
    REASONS,
    Cell,
    Key,
    Reason,
    agreeing,
    all_published,
    allowance,
    best_estimator,
    cells,
    differences,
    lengths_moved,
    reason,
    shuffled_counts,
    turned,
)
from xrdscape.tables.differences import agreement_table, largest_table, reason_table, reasons_text

PEARSON: Key = ("pearson", "lattice", 0.1, "cosine")
COORDINATES: Key = ("pearson", "coordinates", 0.01, "cosine")
MI: Key = ("mutual_information", "lattice", 0.1, "cosine")
FIRST = OTHER_ESTIMATORS[0]
# Scatter allows sqrt(2) times 0.1 above and 0.05 below, and 0.005.
CELL = Cell(0.6, 0.55, 0.7, 500, 0.2, {}, {})


def test_the_scatter_of_both_samples_is_allowed_for() -> None:
    assert allowance(CELL, "pearson", 0.8) == pytest.approx(0.1 * 2**0.5 + 0.005)
    assert allowance(CELL, "pearson", 0.5) == pytest.approx(0.05 * 2**0.5 + 0.005)
    assert allowance(CELL._replace(n=1500), "pearson", 0.8) == pytest.approx(0.2 + 0.005)
    # The lower end of a mutual information may be cut off at 0.
    assert allowance(CELL, "mutual_information", 0.5) == pytest.approx(0.1 * 2**0.5 + 0.005)


@pytest.mark.parametrize(
    ("published", "expected"),
    [
        (0.6, "agrees"),
        (0.74, "agrees"),
        (0.76, "real disagreement"),
        (0.53, "agrees"),
        (0.51, "shorter descent"),
        (0.16, "shorter descent"),
        (0.1, "real disagreement"),
        (-0.6, "real disagreement"),
    ],
)
def test_without_other_choices_scatter_and_the_starts_decide(published: float, expected: Reason) -> None:
    assert reason(PEARSON, CELL, published, FIRST) == (expected, "")


def test_a_sign_is_turned_where_the_paper_says_so_and_nowhere_else() -> None:
    assert turned(COORDINATES, -0.4) == 0.4
    assert turned(COORDINATES, 0.4) == 0.4
    assert turned(PEARSON, -0.4) == -0.4
    assert turned(("pearson", "coordinates", 0.01, "mse"), -0.4) == -0.4
    assert reason(COORDINATES, CELL, -0.65, FIRST)[0] == "sign convention"
    assert reason(COORDINATES, CELL, -0.4, FIRST)[0] == "shorter descent"
    assert reason(COORDINATES, CELL, -0.9, FIRST)[0] == "real disagreement"
    near_zero = Cell(0.02, -0.1, 0.12, 500, 0.02, {}, {})
    assert reason(COORDINATES, near_zero, -0.05, FIRST)[0] == "agrees", "no excuse where none is needed"


def test_one_other_estimator_may_be_the_reason() -> None:
    other = CELL._replace(otherwise={FIRST: 0.9, OTHER_ESTIMATORS[1]: 1.3})
    assert reason(MI, other, 0.95, FIRST) == ("estimator", FIRST)
    assert reason(MI, other, 1.3, FIRST)[0] == "real disagreement"


def test_a_choice_that_moves_the_statistic_there_is_a_reason() -> None:
    moved = CELL._replace(shifts={"slower": 0.3})
    assert reason(PEARSON, moved, 0.8, FIRST) == ("open choice", "slower")
    assert reason(PEARSON, moved, 1.0, FIRST) == ("open choice", "slower")
    assert reason(PEARSON, moved, 1.1, FIRST)[0] == "real disagreement"
    assert reason(PEARSON, moved, 0.4, FIRST)[0] == "shorter descent", "it moves the other way"


def frames() -> tuple[pd.DataFrame, ...]:
    place = {"noise": "lattice", "level": 0.1, "method": "cosine"}
    estimates = pd.DataFrame(
        [{**place, "statistic": name, "value": value, "low": 0.5, "high": 0.7, "n": 500}
         for name, value in (("pearson", 0.6), ("mutual_information", 0.6), ("spearman", float("nan")))]
    )  # fmt: skip
    starts = estimates[[*place, "statistic"]].assign(value=0.2)
    estimators = pd.DataFrame([{**place, "estimator": name, "value": 0.1 * k} for k, name in enumerate(ESTIMATORS)])
    shifts = pd.DataFrame(
        [{**place, "choice": choice, "statistic": "pearson", "value": value, "low": value - 0.1, "high": value + 0.1,
          "n": 40} for choice, value in (("beyond", -0.2), ("chance", 0.05))]
    )  # fmt: skip
    return estimates, starts, estimators, shifts


def test_a_cell_holds_shifts_beyond_chance_and_estimators_of_information() -> None:
    ours = cells(*frames())
    assert set(ours) == {PEARSON, MI}, "what is not defined is left out"
    assert (ours[PEARSON].shifts, ours[PEARSON].otherwise) == ({"beyond": -0.2}, {})
    assert ours[MI].shifts == {}
    assert list(ours[MI].otherwise) == list(ESTIMATORS)
    assert ours[MI].start == 0.2


def test_the_estimator_that_agrees_with_most_is_the_one() -> None:
    ours = cells(*frames())
    published = {MI: 0.5, PEARSON: 0.5}
    # Within 0.1 sqrt(2) + 0.005 of 0.5: 0.4 and 0.5, the fifth and the sixth.
    assert [agreeing(ours, published, name) for name in ESTIMATORS] == [0, 0, 0, 0, 1, 1]
    assert best_estimator(ours, published) == list(ESTIMATORS)[4]


def made_up_found() -> pd.DataFrame:
    ours = cells(*frames())
    return differences(ours, {MI: 3.0, PEARSON: 0.45, COORDINATES: 0.1})


def test_published_values_are_compared_where_there_is_one_of_ours() -> None:
    found = made_up_found()
    assert list(found["reason"]) == ["real disagreement", "open choice"]
    assert found.loc[0, "excess"] == pytest.approx(2.4 / (0.1 * 2**0.5 + 0.005))
    assert found.loc[1, "choice"] == "beyond"


def test_tables_count_and_list_them() -> None:
    found = made_up_found()
    shuffled = pd.Series(1.0, index=list(REASONS))
    table = reason_table(found, shuffled).set_index("Reason")
    assert (table.loc["Real disagreement", "MI"], table.loc["Open choice", "Pearson"]) == (1, 1)
    assert table["All"].sum() == len(found)
    listed = largest_table(found, 5)
    assert list(listed["Published"]) == ["3.00"]
    assert listed.loc[0, "Here"].startswith("0.60 [0.50")
    text = reasons_text(found, shuffled, FIRST)
    assert text.startswith("Of 2 published values, 0 agree")
    assert "an open choice for 1: " in text
    assert "1 are left, 0 of them under coordinate noise; 1 would be left" in text
    assert largest_table(found, 0).empty


def test_methods_are_told_apart_by_agreement_and_movement() -> None:
    records = made_up_records()
    rows = agreement_table(made_up_found(), lengths_moved(records)).set_index("Method")
    assert rows.loc["Cosine", "Agree, lattice"] == "0 of 2"
    assert rows.loc["MSE", "Agree, lattice"] == "–"
    still = records.assign(end_lattice=records["start_lattice"])
    assert agreement_table(made_up_found(), lengths_moved(still))["Lengths moved by (%)"].eq("0.00").all()


def test_changed_places_are_excused_less() -> None:
    """Ours equal the published values: all agree, but few once these have changed places."""
    published = all_published()
    ours = {
        place: Cell(turned(place, value), turned(place, value) - 0.01, turned(place, value) + 0.01, 500,
                    turned(place, value), dict.fromkeys(ESTIMATORS, value), {})
        for place, value in published.items()
    }  # fmt: skip
    assert set(differences(ours, published)["reason"]) == {"agrees", "sign convention"}
    shuffled = shuffled_counts(ours, published, times=5)
    assert shuffled.sum() == len(published)
    assert shuffled["real disagreement"] > len(published) / 2
    pd.testing.assert_series_equal(shuffled, shuffled_counts(ours, published, times=5))


def test_blanks_are_not_published_values() -> None:
    published = all_published()
    assert published[PEARSON] == 0.36
    assert ("pearson", "coordinates", 0.001, "cross_correlation") not in published
    assert len(published) == 45 + 43 + 43
