"""How the pilot chooses learning rates."""

import pandas as pd
import pytest

from xrdscape.pilot import chosen_rates, pilot_table


def test_the_rate_that_ends_most_similar_is_chosen() -> None:
    rows = [
        {"noise": "lattice", "method": method, "learning_rate": rate, "structure": "NaS", "level": 0.1, "copy": copy,
         "steps": 10, "seconds": 1.0,
         "cosine_end": cosine, "mse_end": -error, "match_conventional_end": True, "match_tight_end": False}
        for method in ("cosine", "mse")
        for copy, rate, cosine, error in (
            (0, 1e-3, 0.5, 0.1), (1, 1e-3, 0.7, 0.3), (0, 1e-2, 0.9, 0.4), (1, 1e-2, 0.5, 0.5)
        )
    ]  # fmt: skip
    records = pd.DataFrame(rows)
    assert chosen_rates(records) == {"lattice": {"cosine": 1e-2, "mse": 1e-3}}
    table = pilot_table(records).set_index(["method", "learning_rate"])
    assert table.loc[("cosine", 1e-2), "similarity"] == pytest.approx(0.7)
    assert table["chosen"].tolist() == [False, True, True, False]
