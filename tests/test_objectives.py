"""The four objectives against independent formulas, their invariances, bounds and gradients."""

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.spatial import distance
from tolerances import GRADCHECK, SIMILARITY, SIMILARITY_FLOAT32

from xrdscape.errors import InstrumentError
from xrdscape.optimisation.objectives import (
    OBJECTIVES,
    best_shift,
    cosine_similarity,
    cross_correlation,
    entropy_similarity,
    mean_squared_error,
)

SIMILARITIES = [objective.similarity for objective in OBJECTIVES.values()]
NAMES = list(OBJECTIVES)


def peaks(batch, n, seed):
    """Random patterns [batch, n] of Lorentzian peaks: positive, jagged, not scaled."""
    rng = np.random.default_rng(seed)
    grid = np.arange(n)[:, None]
    centres = rng.uniform(0.1 * n, 0.9 * n, (batch, 1, 6))
    heights = rng.uniform(1, 50, (batch, 1, 6))
    return torch.tensor((heights / (1 + ((grid - centres) / (0.01 * n + 1)) ** 2)).sum(-1))


@pytest.fixture
def pair():
    return peaks(4, 300, 0), peaks(4, 300, 1)


def by_numpy(name, x, t):
    """Each similarity by another route, for one pair of arrays."""
    if name == "cosine":
        return 1 - distance.cosine(x, t)
    if name == "mse":
        return -np.mean((x / x.max() - t / t.max()) ** 2)
    if name == "entropy":
        p, q = x / x.sum(), t / t.sum()
        entropies = [stats.entropy(d) for d in ((p + q) / 2, p, q)]
        assert 1 - distance.jensenshannon(p, q, base=2) ** 2 == pytest.approx(
            1 - (2 * entropies[0] - entropies[1] - entropies[2]) / np.log(4), abs=SIMILARITY
        )
        return 1 - distance.jensenshannon(p, q, base=2) ** 2
    return np.correlate(x, t, mode="full").max() / (np.linalg.norm(x) * np.linalg.norm(t))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(3))
def test_against_an_independent_formula(name, seed):
    x, t = peaks(3, 200, seed), peaks(3, 200, seed + 10)
    expected = [by_numpy(name, a.numpy(), b.numpy()) for a, b in zip(x, t, strict=True)]
    np.testing.assert_allclose(OBJECTIVES[name].similarity(x, t), expected, atol=SIMILARITY)


@pytest.mark.parametrize("name", NAMES)
def test_loss_is_minus_similarity(name, pair):
    torch.testing.assert_close(OBJECTIVES[name].loss(*pair), -OBJECTIVES[name].similarity(*pair))


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_batch_equals_singles(similarity, pair):
    x, t = pair
    batch = similarity(x, t[0])
    singles = torch.cat([similarity(x[i : i + 1], t[0]) for i in range(len(x))])
    np.testing.assert_allclose(batch, singles, atol=SIMILARITY)
    np.testing.assert_allclose(similarity(x, t)[2:3], similarity(x[2:3], t[2]), atol=SIMILARITY)


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_scaling_changes_nothing(similarity, pair):
    x, t = pair
    scaled = similarity(1e4 * x, 1e-3 * t)
    np.testing.assert_allclose(scaled, similarity(x, t), atol=SIMILARITY)


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_bounds_and_identity(similarity, pair):
    x, t = pair
    one = 0 if similarity is OBJECTIVES["mse"].similarity else 1
    np.testing.assert_allclose(similarity(x, x), one, atol=SIMILARITY)
    values = similarity(x, t)
    assert (values > one - 1).all()
    assert (values < one).all()


def test_disjoint_patterns():
    x, t = torch.zeros(1, 40, dtype=torch.float64), torch.zeros(40, dtype=torch.float64)
    x[0, 5], t[20] = 3, 7
    assert cosine_similarity(x, t).item() == 0
    assert abs(entropy_similarity(x, t).item()) < SIMILARITY
    assert mean_squared_error(x, t).item() == pytest.approx(2 / 40)
    assert cross_correlation(x, t).item() == pytest.approx(1)
    assert best_shift(x, t, 39).item() == -15


def test_shift_invariance_and_its_range():
    t = torch.zeros(100, dtype=torch.float64)
    t[40:44] = torch.tensor([1.0, 4, 2, 1], dtype=torch.float64)
    x = t.roll(12)[None]
    np.testing.assert_allclose(cross_correlation(x, t), 1, atol=SIMILARITY)
    np.testing.assert_allclose(cross_correlation(x, t, max_shift=12), 1, atol=SIMILARITY)
    assert cross_correlation(x, t, max_shift=8).item() < 0.5
    np.testing.assert_allclose(cross_correlation(x, t, max_shift=0), cosine_similarity(x, t), atol=SIMILARITY)
    # max_shift beyond the pattern means all
    torch.testing.assert_close(cross_correlation(x, t, max_shift=10**6), cross_correlation(x, t))


def test_nothing_wraps_round():
    """A peak pushed over the end is lost, not brought back at the start."""
    t, x = torch.zeros(50, dtype=torch.float64), torch.zeros(1, 50, dtype=torch.float64)
    t[[10, 45]] = 1
    x[0, [15, 0]] = 1  # as if t had been rolled by five with wrap-round
    assert cross_correlation(x, t).item() == pytest.approx(0.5)


def test_cross_correlation_is_never_below_cosine(pair):
    assert (cross_correlation(*pair) >= cosine_similarity(*pair) - SIMILARITY).all()


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_gradient(similarity):
    x = peaks(2, 24, 5).requires_grad_()
    t = peaks(1, 24, 6)[0]
    # the same shift stays best under the finite step, the overlap being far above the next best
    assert torch.autograd.gradcheck(lambda p: similarity(p, t), (x,), **GRADCHECK)


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_gradient_in_float32_and_at_zeros_is_finite(similarity):
    x = peaks(2, 60, 7).float()
    x[:, 30:] = 0
    x.requires_grad_()
    t = peaks(1, 60, 8)[0].float()
    value = similarity(x, t)
    value.sum().backward()
    assert value.dtype == torch.float32
    assert torch.isfinite(x.grad).all()
    np.testing.assert_allclose(value.detach(), similarity(x.detach().double(), t.double()), atol=SIMILARITY_FLOAT32)


@pytest.mark.parametrize("name", NAMES)
def test_empty_pattern_resembles_nothing_and_has_finite_gradient(name):
    x = torch.zeros(2, 30, dtype=torch.float64)
    x[1] = peaks(1, 30, 9)
    x.requires_grad_()
    t = peaks(1, 30, 10)[0]
    value = OBJECTIVES[name].similarity(x, t)
    expected = -(t / t.max()).square().mean().item() if name == "mse" else 0
    assert value[0].item() == pytest.approx(expected)
    value.sum().backward()
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_empty_target_is_refused(similarity, pair):
    with pytest.raises(InstrumentError, match="target pattern is zero everywhere"):
        similarity(pair[0], torch.zeros(300, dtype=torch.float64))


def test_negative_shift_is_refused(pair):
    with pytest.raises(InstrumentError, match="max_shift -1 is negative"):
        cross_correlation(*pair, max_shift=-1)


def test_only_mse_clips_the_indices():
    assert {name: o.hkl_max for name, o in OBJECTIVES.items()} == {
        "cosine": None,
        "mse": 6,
        "entropy": None,
        "cross_correlation": None,
    }
