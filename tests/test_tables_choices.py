"""Tables and sentences about open choices, on made-up records."""

import pandas as pd
import pytest
from made_up import made_up_records

from xrdscape.evaluation.information import ESTIMATORS
from xrdscape.study.comparison import OTHER_ESTIMATORS, Cell, estimator_means
from xrdscape.study.sensitivity import (
    batch_stopping,
    choice_shifts,
    choice_table,
    criteria_differences,
    in_common,
    neighbours_choice,
    paired_choices,
    shift_sizes,
)
from xrdscape.study.single_numbers import single_values
from xrdscape.study.statistics import rates_by_criterion, tight_among_matches
from xrdscape.tables.choices import (
    choices_text,
    criteria_table,
    estimator_table,
    missing_text,
    neighbours_table,
    open_choices,
    pairs_text,
    stopping_table,
    tight_table,
    tight_text,
)
from xrdscape.tables.differences import single_values_table
from xrdscape.tables.words import CHOICES

RECORDS = made_up_records()


def test_plans_that_are_missing_are_named_with_their_command() -> None:
    assert missing_text(CHOICES) == f"All {len(CHOICES)} choices have been run."
    some = missing_text([name for name in CHOICES if name != "k_alpha"])
    assert "wavelength 1.5418 Å (`k_alpha`)" in some
    assert some.endswith("`xrdscape campaign k_alpha`.")
    assert "slower" not in some
    assert missing_text([]).count("xrdscape campaign") == len(CHOICES)


def test_without_records_of_a_choice_there_is_an_empty_table() -> None:
    table = choice_table(RECORDS, {})
    assert open_choices(table).empty
    assert choices_text(table) == "None has been run yet."
    assert pairs_text(table) == "no pairs of descents yet"


def test_choices_beyond_chance_are_told() -> None:
    lost = RECORDS[RECORDS["method"] == "cosine_constrained"].assign(match_conventional_end=False)
    table = choice_table(RECORDS, {"slower": lost, "unclamped": RECORDS})
    text = choices_text(table)
    assert text.startswith("In 1 of 10 comparisons")
    assert "(in percentage points: smaller learning rate, lattice noise, Cosine + constraints: −100)" in text
    assert pairs_text(table) == "120 pairs of descents, 12 a comparison"


def test_criteria_are_differences_in_points() -> None:
    table = criteria_table(criteria_differences(RECORDS)).set_index("Noise")
    assert table.loc["lattice 0.1", "Cosine + constraints"] == "0\u00a0/\u00a0−100"
    assert table.loc["lattice 0.1", "Cosine"] == "0\u00a0/\u00a00"
    assert table.loc["coordinates 0.1", "Cosine + constraints"] == "–"
    assert list(table.index) == ["lattice 0.05", "lattice 0.1", "coordinates 0.05", "coordinates 0.1"]
    assert set(rates_by_criterion(RECORDS)["criterion"]) == {"conventional", "pymatgen", "tight"}


def test_tight_matches_are_counted_among_matches() -> None:
    records = RECORDS.assign(match_tight_end=RECORDS["match_conventional_end"] & (RECORDS["copy"] == 0))
    table = tight_table(tight_among_matches(records)).set_index("Noise")
    assert table.loc["lattice 0.1", "Cosine + constraints"] == "2 of\u00a06"
    assert table.loc["lattice 0.05", "Noised"] == "6 of\u00a06"
    assert table.loc["lattice 0.1", "Cosine"] == "–"
    text = tight_text(tight_among_matches(records), "cosine_constrained")
    assert text.startswith(
        "12 of 12 results match under the conventional criterion, and 4 of these are tight matches, 33 %"
    )
    assert text.endswith("33 % at 0.05, 33 % at 0.1")
    none = records.assign(match_conventional_end=False)
    assert tight_text(tight_among_matches(none), "cosine") == "none of 12 results matches"


def test_estimators_are_compared_with_table_1() -> None:
    """The second estimator gives the published values, the others are off by 1."""
    published = {("mutual_information", "lattice", 0.1, "cosine"): 0.1,
                 ("mutual_information", "lattice", 0.1, "cosine_constrained"): 1.1,
                 ("pearson", "lattice", 0.1, "cosine"): 0.4}  # fmt: skip
    ours = {
        place: Cell(value + 1, value + 0.9, value + 1.1, 500, 0.0,
                    {name: value + (name != OTHER_ESTIMATORS[0]) for name in ESTIMATORS}, {})
        for place, value in published.items()
    }  # fmt: skip
    table = estimator_table(estimator_means(ours, published)).set_index("Estimator")
    assert table.loc["Published", "Lattice, free"] == "0.10"
    assert table.loc["3 neighbours", "Lattice, constrained"] == "2.10"
    assert (table.loc[OTHER_ESTIMATORS[0], "Mean difference"], table.loc["3 neighbours", "Mean difference"]) == (
        "0.00",
        "1.00",
    )
    assert list(table["Agrees, of 2"]) == ["–", "0", "2", "0", "0", "0", "0"]


def test_neighbours_are_one_kind_of_choice() -> None:
    many = pd.concat([RECORDS.assign(copy=RECORDS["copy"] + 3 * k) for k in range(2)], ignore_index=True)
    pairs = paired_choices(many, {"slower": RECORDS}, [5], copies=2)
    assert list(pairs) == ["slower", neighbours_choice(5)]
    ours, theirs = pairs[neighbours_choice(5)]
    assert set(ours["copy"]) == {0, 1}
    # Every end is the truth.
    assert theirs["emd_end"].to_numpy() == pytest.approx(0, abs=1e-6)


def test_shifts_by_neighbours_are_summed_up() -> None:
    shifts = pd.DataFrame(
        [(neighbours_choice(5), "pearson", 0.1, 0.05, 0.15), (neighbours_choice(5), "pearson", -0.2, -0.5, 0.1),
         ("other", "pearson", 0.9, 0.8, 1.0)],
        columns=["choice", "statistic", "value", "low", "high"],
    )  # fmt: skip
    (row,) = neighbours_table(shift_sizes(shifts, [neighbours_choice(5)])).to_dict("records")
    assert (row["Mean shift"], row["Mean size of the shift"], row["Largest"]) == ("−0.050", "0.15", "0.20")
    assert row["Beyond chance"] == "1 of 2"
    assert choice_shifts({"few": in_common(RECORDS, RECORDS)}).empty, "six results a setting say nothing"


def test_stopping_is_a_table() -> None:
    """Steps 100, 200 and 300 of each crystal wait for 300."""
    table = stopping_table(batch_stopping(RECORDS, 1e-4, 100))
    assert list(dict.fromkeys(table["Noise"])) == ["lattice", "coordinates"]
    assert set(table["Steps, each alone"]) == {"200"}
    assert set(table["Steps in a batch, at least"]) == {"300"}
    assert set(table["Largest gain"]) == {"0.0002"}


def test_single_numbers_are_sought_among_our_draws() -> None:
    """Free descents of BPO4 end at 0.6 to 0.8 without a match, projected ones with a match."""
    place = ("mutual_information", "lattice", 0.1, "entropy")
    ours = {place: Cell(0.2, 0.1, 0.3, 6, 0.2, dict.fromkeys(ESTIMATORS, 0.2), {})}
    table = single_values_table(single_values(RECORDS, ours, OTHER_ESTIMATORS[0]))
    assert list(table[table["Quantity"] == "mutual information"]["Outcome"]) == ["agrees"]
    cases = table.set_index(["Structure", "Case", "Quantity"])
    found = cases.loc[("BPO4", "unconstrained", "cosine similarity")]
    assert (found["Published"], found["Results"], found["Outcome"]) == ("0.71", 3, "agrees")
    assert found["Here"].startswith("0.70 (0.6")
    assert cases.loc[("BPO4", "constrained", "cosine similarity"), "Outcome"] == "real disagreement"
    assert cases.loc[("BPO4", "constrained", "match"), "Here"] == "so in 3 of 3"
    assert cases.loc[("Na3MnCoNiO6", "constrained", "match"), "Outcome"] == "–", "no records of this crystal"
