"""Transport and the triangular cross-correlation against independent formulas, by their invariances and slopes."""

import numpy as np
import pytest
import torch
from scipy import stats
from tolerances import GRADCHECK, SIMILARITY, SIMILARITY_FLOAT32

from xrdscape.errors import InstrumentError
from xrdscape.optimisation.objectives import OBJECTIVES
from xrdscape.optimisation.transport import (
    SQUARED_TRANSPORT,
    TRANSPORT,
    squared_transport,
    transport,
    triangular,
    triangular_correlation,
)

BINS = 12
OWN = (TRANSPORT, SQUARED_TRANSPORT, triangular(BINS * 0.01, 0.01))
RANGE = 300


def peaks(batch: int, seed: int) -> torch.Tensor:
    """Random patterns [batch, RANGE] of narrow peaks."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform(0.1 * RANGE, 0.9 * RANGE, (batch, 1, 6))
    heights = rng.uniform(1, 50, (batch, 1, 6))
    return torch.tensor((heights / (1 + ((np.arange(RANGE)[:, None] - centres) / 2) ** 2)).sum(-1))


def by_quantiles(p: np.ndarray, q: np.ndarray) -> float:
    """W2^2 of two histograms: intervals of equal quantiles, one after the other."""
    i = j = 0
    left, right, cost = p[0], q[0], 0.0
    while i < len(p) and j < len(q):
        carried = min(left, right)
        cost += carried * ((i - j) / len(p)) ** 2
        left, right = left - carried, right - carried
        if left <= right:
            i += 1
            left = p[i] if i < len(p) else 0.0
        else:
            j += 1
            right = q[j] if j < len(q) else 0.0
    return cost


def test_against_independent_formulas() -> None:
    x, t = peaks(3, 0), peaks(3, 1)
    places = np.arange(RANGE) / RANGE
    for k, (a, b) in enumerate(zip(x.numpy(), t.numpy(), strict=True)):
        w1 = stats.wasserstein_distance(places, places, a, b)
        assert float(transport(x, t)[k]) == pytest.approx(w1, abs=SIMILARITY)
        w2 = by_quantiles(a / a.sum(), b / b.sum())
        assert float(squared_transport(x, t)[k]) == pytest.approx(w2, abs=SIMILARITY)

        def weighed(f: np.ndarray, g: np.ndarray) -> float:
            full = np.correlate(f, g, "full")
            return float(np.clip(1 - np.abs(np.arange(1 - RANGE, RANGE)) / BINS, 0, None) @ full)

        expected = weighed(a, b) / np.sqrt(weighed(a, a) * weighed(b, b))
        assert float(triangular_correlation(x, t, BINS)[k]) == pytest.approx(expected, abs=SIMILARITY)


@pytest.mark.parametrize("shift", [0, 1, 40, -70])
def test_a_shifted_line_costs_its_way(shift: int) -> None:
    line, moved = torch.zeros(2, RANGE, dtype=torch.float64)
    line[150] = 3.0
    moved[150 + shift] = 5.0
    way = abs(shift) / RANGE
    assert float(transport(moved[None], line)) == pytest.approx(way, abs=SIMILARITY)
    assert float(squared_transport(moved[None], line)) == pytest.approx(way**2, abs=SIMILARITY)
    overlap = max(0.0, 1 - abs(shift) / BINS)
    assert float(triangular_correlation(moved[None], line, BINS)) == pytest.approx(overlap, abs=SIMILARITY)


def test_a_triangle_of_one_bin_is_the_cosine() -> None:
    x, t = peaks(2, 0), peaks(1, 1)[0]
    torch.testing.assert_close(triangular_correlation(x, t, 1), OBJECTIVES["cosine"].similarity(x, t))


@pytest.mark.parametrize("objective", OWN, ids=lambda o: o.name)
def test_invariances(objective) -> None:  # type: ignore[no-untyped-def]
    x, t = peaks(4, 2), peaks(4, 3)
    value = objective.similarity(x, t)
    torch.testing.assert_close(objective.similarity(1e4 * x, 1e-3 * t), value, rtol=0, atol=SIMILARITY)
    torch.testing.assert_close(objective.similarity(t, x), value, rtol=0, atol=SIMILARITY)
    torch.testing.assert_close(objective.similarity(x[2:3], t[2]), value[2:3], rtol=0, atol=SIMILARITY)
    torch.testing.assert_close(objective.loss(x, t), -value)
    best = objective.similarity(t, t)
    assert (value < best - 0.001).all()
    torch.testing.assert_close(best, objective.similarity(x, x), rtol=0, atol=SIMILARITY)
    single = objective.loss(x.float(), t.float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), -value, rtol=0, atol=SIMILARITY_FLOAT32)


@pytest.mark.parametrize("objective", OWN, ids=lambda o: o.name)
@pytest.mark.parametrize("one_target", [True, False])
def test_slopes(objective, one_target: bool) -> None:  # type: ignore[no-untyped-def]
    x, t = peaks(2, 4)[:, ::6].clone().requires_grad_(), peaks(2, 5)[:, ::6]
    target = t[0] if one_target else t
    assert torch.autograd.gradcheck(lambda x: objective.loss(x, target), (x,), **GRADCHECK)


@pytest.mark.parametrize("objective", OWN, ids=lambda o: o.name)
def test_an_empty_pattern_is_far_and_an_empty_target_refused(objective) -> None:  # type: ignore[no-untyped-def]
    t = peaks(1, 0)[0]
    nothing = torch.zeros(1, RANGE, dtype=torch.float64, requires_grad=True)
    loss = objective.loss(nothing, t)
    (slope,) = torch.autograd.grad(loss.sum(), nothing)
    assert loss.item() in (0.0, 1.0)
    assert torch.isfinite(slope).all()
    with pytest.raises(InstrumentError, match="zero everywhere"):
        objective.similarity(t[None], torch.zeros_like(t))


def test_a_triangle_needs_width() -> None:
    with pytest.raises(InstrumentError, match="has no width"):
        triangular_correlation(peaks(1, 0), peaks(1, 1), 0)
