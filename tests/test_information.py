"""Estimators of mutual information, and the shift of a statistic."""

import numpy as np
import pytest

from xrdscape.errors import XrdscapeError
from xrdscape.evaluation.information import ESTIMATORS, by_bins, by_neighbours, information, shift


def sample(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return x, x + rng.normal(size=n)


def test_bins_by_hand() -> None:
    """Two equal values of each in step: one bit. Independent halves: none."""
    x = np.array([0.0, 0, 1, 1])
    assert by_bins(x, x, 2) == pytest.approx(np.log(2))
    assert by_bins(x, np.array([0.0, 1, 0, 1]), 2) == pytest.approx(0, abs=1e-12)


def test_all_pairs_give_what_search_trees_give() -> None:
    pairs = [sample(40, seed) for seed in range(5)]
    x, y = (np.stack(part) for part in zip(*pairs, strict=True))
    alone = [by_neighbours(*pair, 3) for pair in pairs]
    assert information(x, y) == pytest.approx(alone, abs=1e-6)
    assert information(x[:, None], y[:, None])[:, 0] == pytest.approx(alone, abs=1e-6)
    assert float(information(*pairs[0], neighbours=5)) == pytest.approx(by_neighbours(*pairs[0], 5), abs=1e-6)


def test_tied_values_are_parted() -> None:
    x, y = sample(40)
    assert 0 <= information(np.round(x), np.round(y)) < information(x, x)


def test_ranks_do_not_see_a_monotonic_change() -> None:
    x, y = sample(200)
    for name, of in ESTIMATORS.items():
        same = of(x, y) == pytest.approx(of(np.exp(2 * x), y))
        assert same == name.endswith("of ranks"), name


def test_estimators_are_near_the_exact_value_for_a_normal_pair() -> None:
    """Correlation 1 / sqrt(2): mutual information -ln(1 - 1/2) / 2."""
    x, y = sample(4000)
    for name, of in ESTIMATORS.items():
        assert of(x, y) == pytest.approx(np.log(2) / 2, abs=0.06), name


def test_a_shift_covers_the_change_and_no_more() -> None:
    x, y = sample(80)
    worse = y + 3 * np.random.default_rng(9).normal(size=80)
    found = shift((x, y), (x, worse), "pearson")
    assert found.value == pytest.approx(np.corrcoef(x, worse)[0, 1] - np.corrcoef(x, y)[0, 1])
    assert found.low < found.value < found.high < 0
    none = shift((x, y), (x, y + 1e-9 * x), "spearman")
    assert none.low <= 0 <= none.high


def test_a_shift_needs_pairs() -> None:
    x, y = sample(20)
    with pytest.raises(XrdscapeError, match="received 20 before and 19 after"):
        shift((x, y), (x[1:], y[1:]), "pearson")
    with pytest.raises(XrdscapeError, match="12 or more"):
        shift((x[:9], y[:9]), (x[:9], y[:9]), "pearson")
