"""What another choice changes, over the same starts."""

import numpy as np
import pandas as pd
import pytest

from xrdscape.analysis.estimates import paired_difference
from xrdscape.errors import XrdscapeError
from xrdscape.study.sensitivity import sensitivity_table


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
    rng, truth = np.random.default_rng(0), 0.1
    inside = 0
    for _ in range(2000):
        u = rng.random(40)
        before, after = u > 0.7, (u > 0.7) ^ (u < 0.15) ^ (u > 0.95)
        found = paired_difference(before, after)
        inside += found.low <= truth <= found.high
    assert inside / 2000 > 0.93
