"""Tables of the methods beyond the paper carry what records say."""

import re
from math import comb

import numpy as np
import pandas as pd
import pytest
from made_up import STRUCTURES, made_up_searches

from xrdscape.crystal.structures import load_structure
from xrdscape.evaluation.estimates import jeffreys_interval
from xrdscape.figures.beyond import failures_figure
from xrdscape.optimisation.methods import METHODS
from xrdscape.optimisation.variants import ALL_METHODS, VARIANTS
from xrdscape.study.cases import failures
from xrdscape.study.outcomes import crystal_shares, explained_ends, fooled, paired_wins
from xrdscape.study.records import geometry
from xrdscape.study.statistics import costs
from xrdscape.tables.advice import QUOTED, RECOMMENDED, advice_table, quoted_rates, rate_text
from xrdscape.tables.beyond import (
    bars_table,
    costs_table,
    crystals_table,
    difference_text,
    explained_table,
    failure_text,
    fooled_text,
    methods_table,
)
from xrdscape.tables.words import LABELS, percent_text


@pytest.fixture(scope="module")
def records() -> pd.DataFrame:
    return made_up_searches()


def test_costs_are_rates_and_median_times(records: pd.DataFrame) -> None:
    found = costs(records).set_index(["noise", "level", "method"])
    assert "noised" not in found.index.unique("method")
    hard = found.loc[("lattice", 0.1, "graduated")]
    assert (hard["rate"], hard["trials"], hard["seconds"]) == (0.25, 8, 1.5)
    assert tuple(hard[["low", "high"]]) == jeffreys_interval(2, 8)
    assert found.loc[("coordinates", 0.05, "adam"), "rate"] == 1


def test_the_median_is_of_starts_and_not_their_mean(records: pd.DataFrame) -> None:
    slow = records.copy()
    slow.loc[slow["copy"] == 0, "seconds"] = 1000.0
    assert costs(slow)["seconds"].tolist() == costs(records)["seconds"].tolist()


def test_costs_read_method_by_method_and_level_by_level(records: pd.DataFrame) -> None:
    table = costs_table(costs(records), "lattice")
    assert list(table.columns) == ["Method", "0.05", "0.1", "Seconds"]
    assert list(table["Method"]) == [LABELS[m] for m in ("cosine", "chgnet", "graduated", "restarts")]
    graduated = table.set_index("Method").loc[LABELS["graduated"]]
    assert graduated["0.1"] == percent_text(0.25, *jeffreys_interval(2, 8))
    assert list(table["Seconds"]) == ["20", "20", "1", "1"]
    long = costs(records.assign(seconds=134.4))
    assert list(costs_table(long, "lattice")["Seconds"]) == ["134"] * 4


def test_the_pattern_is_assessed_by_what_it_said(records: pd.DataFrame) -> None:
    searches = records[records["method"].isin(METHODS)]
    table = explained_table(explained_ends(searches)).set_index(["Noise", "The end"])
    for noise in ("lattice", "coordinates"):
        said, denied = table.loc[(noise, "explains the pattern")], table.loc[(noise, "does not")]
        # Each search finds eight at the lower level and two at the higher; two more ends of restarts only look right.
        assert (said["Ends"], said["of them tight"]) == (22, 20)
        assert said["Tight (%)"] == percent_text(20 / 22, *jeffreys_interval(20, 22))
        assert (denied["Ends"], denied["of them tight"]) == (10, 0)
    certain = explained_table(explained_ends(searches.assign(stop_reason="enough")))
    assert list(certain[certain["The end"] == "does not"]["Tight (%)"]) == ["–", "–"]


def test_crystals_keep_their_order_and_methods_theirs(records: pd.DataFrame) -> None:
    table = crystals_table(crystal_shares(records, "lattice", 0.1), ("restarts", "cosine", "alternation"))
    assert list(table.columns) == ["Crystal", LABELS["restarts"], LABELS["cosine"]]
    assert tuple(table["Crystal"]) == STRUCTURES
    assert list(table[LABELS["cosine"]]) == [25, 25]
    other = records.copy()
    other.loc[(other["structure"] == "BPO4") & (other["method"] == "cosine"), "match_tight_end"] = True
    assert list(crystals_table(crystal_shares(other, "lattice", 0.1), ("cosine",))[LABELS["cosine"]]) == [25, 100]


def test_aims_are_reached_or_not(records: pd.DataFrame) -> None:
    table = bars_table(costs(records), [("graduated", "lattice", 0.05, 1.0), ("graduated", "lattice", 0.1, 0.26)])
    assert list(table["Reached"]) == ["yes", "no"]
    assert list(table["Noise"]) == ["lattice 0.05", "lattice 0.1"]
    assert list(table["Aim (%)"]) == ["100", "26"]


def mcnemar(won: int, lost: int) -> float:
    """Exact, two-sided: how likely fair coins fall at least as unevenly."""
    n, least = won + lost, min(won, lost)
    return min(1.0, 2 * sum(comb(n, k) for k in range(least + 1)) / 2**n)


def test_differences_are_of_the_same_starts_and_as_sure_as_mcnemar_says(records: pd.DataFrame) -> None:
    """At the higher level a search finds copy 0 of both crystals and cosine copy 3."""
    told = difference_text(paired_wins(records, "lattice", 0.1, "graduated", ["cosine", "chgnet", "restarts"]))
    assert told.startswith(
        f"{LABELS['graduated']}: against {LABELS['cosine']} it solves 2 starts more and 2 fewer (p = 1)"
    )
    assert f"against {LABELS['chgnet']} it solves 2 starts more and 0 fewer (p = {mcnemar(2, 0):.2g})" in told
    assert f"against {LABELS['restarts']} it solves 0 starts more and 0 fewer (p = 1)" in told
    many = pd.concat([records.assign(copy=records["copy"] + 4 * k) for k in range(5)])
    assert f"10 starts more and 0 fewer (p = {mcnemar(10, 0):.2g})" in difference_text(
        paired_wins(many, "lattice", 0.1, "graduated", ["chgnet"])
    )
    uneven = many.copy()
    found = (uneven["copy"] == 3) & (uneven["method"] == "chgnet") & (uneven["level"] == 0.1)
    uneven.loc[found, "match_tight_end"] = True
    told = difference_text(paired_wins(uneven, "lattice", 0.1, "graduated", ["chgnet"]))
    assert f"10 starts more and 2 fewer (p = {mcnemar(10, 2):.2g})" in told
    more = pd.concat([many, many.assign(copy=many["copy"] + 100)])
    assert "20 starts more and 0 fewer (p < 0.001)" in difference_text(
        paired_wins(more, "lattice", 0.1, "graduated", ["chgnet"])
    )


def test_a_start_that_only_one_method_was_given_does_not_count(records: pd.DataFrame) -> None:
    fewer = records[(records["method"] != "chgnet") | (records["structure"] == "U2Ti")]
    told = difference_text(paired_wins(fewer, "lattice", 0.1, "graduated", ["chgnet"]))
    assert "1 starts more and 0 fewer" in told


def test_a_start_that_is_recorded_twice_is_refused(records: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="duplicate"):
        paired_wins(pd.concat([records, records]), "lattice", 0.1, "graduated", ["cosine"])


def test_methods_are_described_as_they_are() -> None:
    table = methods_table(tuple(ALL_METHODS)).set_index("Method")
    assert len(table) == len(ALL_METHODS)
    graduated, adam = (table.loc[METHODS[name].label] for name in ("graduated", "alternation"))
    assert re.fullmatch(r"\d+° to 0.2°", graduated["Blur"])
    assert (graduated["Moves"], graduated["Cell"], graduated["Begins at"], graduated["Restarts"]) == (
        "cell", "free", "the start", 0
    )  # fmt: skip
    assert (adam["Moves"], adam["Cell"], adam["Blur"], adam["Begins at"], adam["Restarts"]) == (
        "atoms", "known", "none", "CHGNet's relaxation", 3
    )  # fmt: skip
    for method in ALL_METHODS.values():
        assert table.loc[method.label, "Steps a descent"] == method.steps_a_descent
    newton = VARIANTS["newton"]
    assert newton.steps_a_descent == 2 * newton.narrowing.stages + 8
    assert VARIANTS["transport"].steps_a_descent == VARIANTS["no_blur"].steps_a_descent + 8


def test_failures_are_the_worst_and_the_best_of_those_that_missed() -> None:
    reference = load_structure("U2Ti")
    rows = pd.DataFrame(
        [
            {"structure": "U2Ti", "noise": "lattice", "level": 0.2, "copy": copy, "method": "graduated",
             "match_tight_end": tight, "cosine_end": cosine, "emd_end": 0.5, **geometry(reference, "end")}
            for copy, (tight, cosine) in enumerate([(True, 1.0), (False, 0.7), (False, 0.9), (False, 0.2)])
        ]
    )  # fmt: skip
    shown = failures(rows, [("graduated", "lattice", 0.2), ("adam", "coordinates", 0.05)])
    assert [failure_text(f).split(", ")[2:4] for f in shown] == [
        ["copy 3", "cosine 0.2000"],
        ["copy 2", "cosine 0.9000"],
    ]
    for failure in shown:
        assert np.allclose(failure.refined.intensity, failure.reference.intensity, rtol=1e-6, atol=1e-6)
    assert len(failures_figure(shown).axes) == 2


def test_advice_is_read_off_the_costs() -> None:
    found = pd.DataFrame(
        [(noise, level, method, 0.5, 0.4, 0.6, 0.25) for _, method, noise, level in RECOMMENDED],
        columns=["noise", "level", "method", "rate", "low", "high", "seconds"],
    )
    table = advice_table(found)
    assert list(table["Tight (%)"]) == ["50.0 [40.0,\u00a060.0]"] * len(RECOMMENDED)
    assert set(table["Method"]) <= {method.label for method in METHODS.values()}
    assert rate_text(found, *RECOMMENDED[0][1:]) == "50.0 % [40.0, 60.0]"
    every = pd.DataFrame(
        [(noise, level, method, 0.1, 0.0, 0.2, 1.0) for method, noise, level in QUOTED.values()], columns=found.columns
    )
    assert set(quoted_rates(every).values()) == {"10.0 % [0.0, 20.0]"}


def test_ends_that_fool_are_counted() -> None:
    rows = pd.DataFrame(
        {
            "noise": ["coordinates"] * 4 + ["lattice"],
            "stop_reason": ["enough", "enough", "enough", "out of tries", "enough"],
            "match_tight_end": [True, False, False, False, True],
            "match_conventional_end": [True, True, False, False, True],
            "emd_end": [0.01, 0.1, 0.5, 2.0, 0.01],
            "structure": ["NaS", "NaS", "MnOF", "MnOF", "NaS"],
        }
    )
    assert fooled_text(fooled(rows, "coordinates")) == (
        "2 of 3, 1 of them in NaS; 50% of them match by the paper's criterion, and in the median they are 0.30 Å off"
    )
    assert fooled_text(fooled(rows, "lattice")) == "none of 1"


def test_a_method_that_was_not_run_at_a_level_has_a_dash_there() -> None:
    columns = ["noise", "level", "method", "rate", "low", "high", "seconds"]
    found = pd.DataFrame(
        [("coordinates", 0.01, "adam", 0.5, 0.4, 0.6, 1.0), ("coordinates", 0.1, "adam", 0.5, 0.4, 0.6, 1.0),
         ("coordinates", 0.1, "alternation", 0.5, 0.4, 0.6, 1.0)],
        columns=columns,
    )  # fmt: skip
    table = costs_table(found, "coordinates").set_index("Method")
    assert table.loc[LABELS["alternation"], "0.01"] == "–"
    assert table.loc[LABELS["alternation"], "0.1"] == table.loc[LABELS["adam"], "0.1"]
