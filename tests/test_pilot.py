"""The study's learning rates are those that the pilot's records choose."""

import pandas as pd
import pytest

from xrdscape.pilot import chosen_rates, pilot_table
from xrdscape.plan import descent_shards, load_plan
from xrdscape.store import store_of


def test_the_rate_that_ends_most_similar_is_chosen() -> None:
    rows = [
        {"noise": "lattice", "method": method, "learning_rate": rate, "steps": 10, "seconds": 1.0,
         "cosine_end": cosine, "mse_end": -error, "match_conventional_end": True, "match_tight_end": False}
        for method in ("cosine", "mse")
        for rate, cosine, error in ((1e-3, 0.5, 0.1), (1e-3, 0.7, 0.3), (1e-2, 0.9, 0.4), (1e-2, 0.5, 0.2))
    ]  # fmt: skip
    records = pd.DataFrame(rows)
    assert chosen_rates(records) == {"lattice": {"cosine": 1e-2, "mse": 1e-3}}
    table = pilot_table(records).set_index(["method", "learning_rate"])
    assert table.loc[("cosine", 1e-2), "similarity"] == pytest.approx(0.7)
    assert table["chosen"].tolist() == [False, True, True, False]


def test_the_study_runs_at_the_rates_that_the_pilot_chose() -> None:
    records = store_of("pilot").load(descent_shards(load_plan("pilot")))
    rates, plan = chosen_rates(records), load_plan("study")
    assert rates["lattice"] == plan.lattice_learning_rate
    assert rates["coordinates"] == plan.coordinate_learning_rate
    assert records.groupby(["noise", "method", "learning_rate"]).size().nunique() == 1
