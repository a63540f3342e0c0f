"""The tables say what the records say, beside what the paper printed."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_up import COPIES, made_up_correlations, made_up_records, made_up_relaxations

from xrdscape.errors import RecordError
from xrdscape.evaluation.estimates import jeffreys_interval
from xrdscape.landscape.minima import deepest_points, paired_minima
from xrdscape.landscape.slices import Slice
from xrdscape.study.cases import choose_case
from xrdscape.study.outcomes import descent_ends, relaxation_ends
from xrdscape.study.plan import Plan, load_plan
from xrdscape.study.published import published_values
from xrdscape.study.statistics import pooled_matches, rates_by_criterion, reduction_effect
from xrdscape.tables.correlations import correlation_table
from xrdscape.tables.descents import (
    case_sentence,
    plan_table,
    rates_table,
    reduction_text,
    relaxation_table,
    stop_table,
    width_text,
)
from xrdscape.tables.landscapes import energy_minima_table, roughness_table
from xrdscape.tables.words import estimate_text, rates_text, sample_text


@pytest.fixture(scope="module")
def records() -> pd.DataFrame:
    return made_up_records()


def a_slice(value: np.ndarray, name: str = "U2Ti") -> Slice:
    ny, nx = value.shape
    x, y = np.linspace(4.0, 5.0, nx), np.linspace(80.0, 100.0, ny)
    return Slice(name, "a", "gamma", x, y, value, (4.5, 90.0), "made up")


def bowl(n: int = 9, at: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    u = np.linspace(-1, 1, n)
    return (u[None, :] - at[0]) ** 2 + (u[:, None] - at[1]) ** 2


def bumpy() -> np.ndarray:
    """A bowl in which every second point of every second row is a local minimum."""
    return bowl() + 2.0 * (np.indices((9, 9)) % 2).max(0)


def test_sample_is_told_in_full(records: pd.DataFrame) -> None:
    assert sample_text(records) == "3 distorted copies of each of 2 structures, 6 results a setting, seed 7"
    assert "1 distorted copy of" in sample_text(records[records["copy"] == 0])


def test_plan_table_shows_the_plan() -> None:
    rates = {"cosine": 0.01, "mse": 0.002}
    methods = tuple(rates)
    plan = Plan(
        copies=5, max_steps=4321, seed=9, mse_maximum=100, methods=methods, lattice_learning_rate=rates, max_shift=7
    )
    table = plan_table(plan).set_index("Setting")["Here"]
    assert table["Distorted copies of a structure at a level"] == "5"
    assert table["Steps at most"] == "4,321"
    assert table["Seed of the noise"] == "9"
    assert table["Learning rate, lattice"] == "Cosine 0.01, MSE 0.002"
    assert table["Learning rate, coordinates"] == "0.0001"
    assert table["Patterns scaled to a maximum of, for MSE"] == "100"
    assert table["Shifts of the cross-correlation"] == "at most 7 steps of the grid"
    assert table["Precision of the descents"] == "float32"


def test_a_rate_that_all_methods_share_is_told_once() -> None:
    table = plan_table(load_plan("study")).set_index("Setting")["Here"]
    assert table["Learning rate, lattice"] == "0.01"
    assert rates_text((1e-6, {"cosine": 1e-5})) == "0.000001; 0.00001"


def test_rates_under_three_criteria(records: pd.DataFrame) -> None:
    table = rates_table(rates_by_criterion(records), "lattice")
    assert list(table.columns) == ["Level", "Method", "Conventional", "pymatgen defaults", "Tight"]
    assert list(table["Method"][:2]) == ["Noised", "Cosine"]
    assert [level for level in table["Level"] if level] == ["0.05", "0.1"]
    low, high = (100 * end for end in jeffreys_interval(6, 6))
    assert table["Conventional"][0] == f"100.0 [{low:.1f},\u00a0{high:.1f}]"
    hard = table[table["Level"].eq("0.1").cumsum() > 0].set_index("Method")
    assert [text.split()[0] for text in hard.loc["Cosine + constraints"].iloc[1:]] == ["100.0", "100.0", "0.0"]
    assert hard.loc["Cosine", "Conventional"].startswith("0.0 [0.0")
    assert "Cosine + constraints" not in set(rates_table(rates_by_criterion(records), "coordinates")["Method"])


def test_what_the_width_hides_is_counted(records: pd.DataFrame) -> None:
    tight = records["match_conventional_end"] & (records["copy"] == 1)
    text = width_text(pooled_matches(records.assign(match_tight_end=tight)))
    # 2 structures, 2 levels, 3 copies; free methods match at the lower level alone
    assert text.startswith("Of the free descents under lattice noise, 24 of 48 match and 8 match tightly;")
    assert "of the constrained ones, 12 of 12 match and 4 match tightly" in text
    assert text.endswith("under coordinate noise, 24 of 48 match and 8 match tightly.")


def test_local_minimum_is_counted_over_starts(records: pd.DataFrame) -> None:
    lost = (records["noise"] == "coordinates") & (records["copy"] == 0)
    gained = (records["noise"] == "lattice") & (records["level"] == 0.1)
    changed = records.assign(match_pymatgen_start=(records["match_pymatgen_start"] & ~lost) | gained)
    text = reduction_text(reduction_effect(changed))
    assert "Of the 6 starts with displaced atoms" in text
    assert "lose 2;" in text
    assert text.endswith("they accept 6.")


def test_stops_add_up(records: pd.DataFrame) -> None:
    table = stop_table(descent_ends(records)).set_index(["Noise", "Method"])
    row = table.loc[("lattice", "MSE")]
    assert (row["Converged (%)"], row["Failed (%)"]) == pytest.approx((100 / 3, 0))
    assert row["Steps"] == 200
    assert row["Closer (%)"] == 100
    assert ("coordinates", "Cosine + constraints") not in table.index


def test_relaxations_by_setting() -> None:
    table = relaxation_table(relaxation_ends(made_up_relaxations())).set_index("Noise")
    assert table.loc["coordinates 0.1", "Converged (%)"] == 0
    assert table.loc["lattice 0.1", "Energy gained (meV/atom)"] == pytest.approx(250)


def test_correlations_stand_above_the_published() -> None:
    table = correlation_table(made_up_correlations(), "pearson")
    assert table.loc[2, "Noise"] == "lattice 0.1, n\u00a0=\u00a020"
    assert table.loc[2, "Cosine"] == "0.20 [0.10,\u00a01.00]"
    assert table.loc[3, "Cosine"] == "0.36"
    assert table.loc[4, "Noise"].startswith("coordinates 0.01,")
    assert table.loc[5, "Cosine"] == "−0.64"
    assert table.loc[5, "Cosine + constraints"] == "–"
    assert list(table["Noise"][1::2]) == ["published"] * 5


def test_undefined_estimates_are_dashes() -> None:
    assert estimate_text(float("nan"), 0.0, 1.0) == "–"
    assert estimate_text(-0.5, -0.75, 0.25) == "−0.50 [−0.75,\u00a00.25]"


def test_published_values_have_our_names() -> None:
    values = published_values("mutual_information")
    assert values["lattice", 0.1, "cosine_constrained"] == 1.12
    assert ("coordinates", 0.1, "cosine_constrained") not in values


def test_case_has_the_highest_similarity_without_match(records: pd.DataFrame) -> None:
    best_matches = (records["copy"] == 2) & (records["method"] == "cosine")
    changed = records.assign(match_conventional_end=records["match_conventional_end"] | best_matches)
    case = choose_case(changed, "BPO4", 0.1)
    assert case.copy == 1
    assert case.is_spurious
    assert [model.label for model in case.models] == ["Truth", "Distorted", "Unconstrained", "Constrained"]
    assert [model.matched for model in case.models] == [True, False, False, True]
    assert 0 < case.models[1].cosine < 1
    assert "to 0.70 and its result does not match" in case_sentence(case)


def test_case_without_any_failure_says_so(records: pd.DataFrame) -> None:
    case = choose_case(records, "U2Ti", 0.05)
    assert case.copy == COPIES - 1
    assert not case.is_spurious
    assert case_sentence(case).startswith("Every unconstrained descent")


def test_case_that_was_not_run_is_refused(records: pd.DataFrame) -> None:
    with pytest.raises(RecordError, match=r"no records of NaS at lattice noise 0\.1"):
        choose_case(records, "NaS", 0.1)


def test_roughness_counts_what_one_must_climb_out_of() -> None:
    smooth = a_slice(bowl(at=(0.5, 0.0)))
    row = roughness_table(paired_minima([a_slice(bumpy())], [smooth])).iloc[0]
    assert row["Slice"] == "U2Ti: a, γ"
    # Of 25 low points 16 lie on the border; every second point has the bowl alone.
    assert list(row[1:]) == [9, 1, 1, 1]
    ripple = replace(smooth, value=smooth.value + 1e-3 * (bumpy() - bowl()))
    assert paired_minima([ripple], [smooth])["pattern"].tolist() == [1]
    with pytest.raises(RecordError, match="over one range alone"):
        paired_minima([replace(smooth, x=smooth.x + 1)], [smooth])


def test_energy_minimum_is_seen_from_the_reference() -> None:
    row = energy_minima_table(deepest_points([a_slice(bowl(at=(0.5, -0.25)))])).iloc[0]
    assert row["Off the truth"] == "a\u00a0+0.25\u00a0Å, γ\u00a0−2.50°"
    assert row["Grid"] == "a\u00a00.12\u00a0Å, γ\u00a02.5°"
    assert row["Below the truth (meV/atom)"] == pytest.approx(1000 * (0.25 + 0.0625))
