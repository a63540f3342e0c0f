"""How the pilot chooses learning rates."""

import pandas as pd
import pytest

from xrdscape.study.pilot import chosen_rates, pilot_table
from xrdscape.study.plan import load_plan
from xrdscape.study.store import store_of


def made_up(method: str, rate: float, matches: list[bool], steps: int = 10) -> list[dict[str, object]]:
    return [
        {"noise": "lattice", "method": method, "learning_rate": rate, "structure": "NaS", "level": 0.1, "copy": copy,
         "steps": steps, "seconds": 1.0, "cosine_end": 0.7, "mse_end": -0.2, "match_conventional_end": match,
         "match_tight_end": False}
        for copy, match in enumerate(matches)
    ]  # fmt: skip


def test_the_largest_rate_that_is_as_good_as_the_best_is_chosen() -> None:
    """One match of eight less is within the standard error of the difference, four are not."""
    records = pd.DataFrame(
        [
            *made_up("cosine", 1e-3, [True] * 6 + [False] * 2),
            *made_up("cosine", 1e-2, [True] * 5 + [False] * 3),
            *made_up("mse", 1e-3, [True] * 6 + [False] * 2),
            *made_up("mse", 1e-2, [True] * 2 + [False] * 6),
        ]
    )
    assert chosen_rates(records) == {"lattice": {"cosine": 1e-2, "mse": 1e-3}}
    table = pilot_table(records).set_index(["method", "learning_rate"])
    assert table.loc[("cosine", 1e-3), "conventional"] == pytest.approx(0.75)
    assert table.loc[("mse", 1e-2), "similarity"] == pytest.approx(-0.2)
    assert table["chosen"].tolist() == [False, True, True, False]


@pytest.mark.parametrize("trials", [8, 36, 100])
def test_a_single_start_decided_otherwise_is_within_the_standard_error(trials: int) -> None:
    """It is exactly at it, where rounding must not decide."""
    few = [False] * (trials - 3)
    records = pd.DataFrame(
        [*made_up("cosine", 1e-3, [True] * 3 + few), *made_up("cosine", 1e-2, [True] * 2 + [False] + few)]
    )
    assert chosen_rates(records) == {"lattice": {"cosine": 1e-2}}


def test_where_nothing_matches_the_largest_rate_is_chosen() -> None:
    records = pd.DataFrame([*made_up("mse", 1e-3, [False] * 3), *made_up("mse", 1e-2, [False] * 3)])
    assert chosen_rates(records) == {"lattice": {"mse": 1e-2}}


def test_the_study_runs_at_the_rates_that_the_pilot_chose() -> None:
    plan, chosen = load_plan("study"), chosen_rates(store_of("pilot").everything())
    assert plan.lattice_learning_rate == chosen["lattice"]
    assert plan.coordinate_learning_rate == chosen["coordinates"]
