"""Measures of likeness and the blur, for any patterns."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import numbers, patterns
from tolerances import BLUR, ROUNDING, SIMILARITY
from torch import Tensor

from xrdscape.optimisation.blur import PASSES, blurred
from xrdscape.optimisation.objectives import OBJECTIVES, Objective, best_shift, weighted
from xrdscape.optimisation.transport import SQUARED_TRANSPORT, TRANSPORT, squared_transport, transport, triangular

MEASURES = (*OBJECTIVES.values(), TRANSPORT, SQUARED_TRANSPORT, triangular(3.0, 1.0))
NEGATIVE = ("mse", "transport", "squared_transport")
"""Distances, whose best value is 0 and not 1."""


def assert_equal(result: Tensor, expected: Tensor | float, tolerance: float = SIMILARITY) -> None:
    torch.testing.assert_close(result, torch.as_tensor(expected, dtype=result.dtype).expand_as(result),
                               rtol=0, atol=tolerance)  # fmt: skip


@given(patterns(2), st.sampled_from(MEASURES), numbers(1e-3, 1e3), numbers(1e-3, 1e3))
def test_measures_are_bounded_symmetric_and_blind_to_scale(
    pair: Tensor, measure: Objective, one: float, other: float
) -> None:
    x, t = pair[:1], pair[1]
    value, best = measure.similarity(x, t), 0.0 if measure.name in NEGATIVE else 1.0
    assert best - 1 - SIMILARITY <= float(value) <= best + SIMILARITY
    assert_equal(measure.loss(x, t), -value)
    assert_equal(measure.similarity(t[None], x[0]), value)
    assert_equal(measure.similarity(one * x, other * t), value)
    assert_equal(measure.similarity(x, one * x[0]), best)
    # From the other end of the range all looks the same.
    assert_equal(measure.similarity(x.flip(-1), t.flip(-1)), value)


@given(patterns(4), st.sampled_from(MEASURES))
def test_batches_are_singles(rows: Tensor, measure: Objective) -> None:
    x, t = rows[:3], rows[3]
    alone = torch.cat([measure.similarity(x[k : k + 1], t) for k in range(3)])
    assert_equal(measure.similarity(x, t), alone)
    assert_equal(measure.similarity(x, t.expand_as(x)), alone)


@given(patterns(2), st.sampled_from(tuple(OBJECTIVES.values())), numbers(0.1, 10.0), st.integers(0, 39))
def test_points_without_weight_do_not_count(pair: Tensor, measure: Objective, weight: float, place: int) -> None:
    """And where all weigh alike, no weight is felt. The target has been weighted by the square roots already."""
    x, t = pair[:1], pair[1]
    same = weighted(measure, torch.full_like(t, weight))
    assert_equal(same.loss(x, t * weight**0.5), measure.loss(x, t))
    weights = (torch.arange(len(t)) != place % len(t)).double()
    other = x.clone()
    other[:, weights == 0] += 1.0
    some, seen = weighted(measure, weights), t * weights
    if float(seen.max()) > 0:
        assert torch.equal(some.loss(x, seen), some.loss(other, seen))


@given(patterns(3))
def test_distances_obey_the_triangle_inequality(rows: Tensor) -> None:
    """The angle of the cosine, the root of the Jensen-Shannon divergence, W1 and W2."""
    x, y, z = rows[:1], rows[1:2], rows[2:]
    distances = {
        "angle": lambda a, b: torch.arccos(OBJECTIVES["cosine"].similarity(a, b).clamp(-1, 1)),
        "entropy": lambda a, b: (1 - OBJECTIVES["entropy"].similarity(a, b)).clamp_min(0).sqrt(),
        "W1": transport,
        "W2": lambda a, b: squared_transport(a, b).sqrt(),
    }
    for name, distance in distances.items():
        # The root of a rounding error.
        assert float(distance(x, z)) <= float(distance(x, y) + distance(y, z)) + math.sqrt(SIMILARITY), name


@given(patterns(2))
def test_carrying_costs_no_more_on_average_than_in_the_root_of_squares(pair: Tensor) -> None:
    """W1 <= W2; and W1 is at least the distance of the centres of mass."""
    x, t = pair[:1], pair[1]
    first, second = float(transport(x, t)), float(squared_transport(x, t))
    assert first**2 <= second + SIMILARITY
    places = torch.arange(len(t), dtype=torch.float64) / len(t)
    centres = [float((row * places).sum() / row.sum()) for row in pair]
    assert first >= abs(centres[0] - centres[1]) - SIMILARITY


@given(patterns(2, most=20), st.integers(-20, 20))
def test_a_shift_costs_its_way(pair: Tensor, shift: int) -> None:
    """Both patterns shifted: no difference; one of them: W1 and W2 of the shift, and a cross-correlation of 1."""
    n = pair.shape[-1]
    padded = torch.nn.functional.pad(pair, (20, 20))
    x, moved = padded[:1], padded.roll(shift, -1)
    size = n + 40
    for measure in MEASURES:
        assert_equal(measure.similarity(moved[:1], moved[1]), measure.similarity(x, padded[1]))
    assert_equal(transport(moved[:1], padded[0]), abs(shift) / size)
    assert_equal(squared_transport(moved[:1], padded[0]), (shift / size) ** 2)
    assert_equal(OBJECTIVES["cross_correlation"].similarity(moved[:1], padded[0]), 1.0)


@given(patterns(2), st.integers(0, 40))
def test_the_best_shift_is_the_best_of_all(pair: Tensor, largest: int) -> None:
    x, t = pair.numpy()
    n = len(t)
    largest = min(largest, n - 1)
    overlap = {s: float(np.correlate(x, np.roll(np.pad(t, n), s)[n:-n])[0]) for s in range(-largest, largest + 1)}
    found = int(best_shift(pair[:1], pair[1], largest)[0])
    assert overlap[found] == pytest.approx(max(overlap.values()), rel=ROUNDING, abs=ROUNDING * x.max() * t.max())
    assert float(OBJECTIVES["cross_correlation"].similarity(pair[:1], pair[1])) >= float(
        OBJECTIVES["cosine"].similarity(pair[:1], pair[1])
    ) - SIMILARITY  # fmt: skip


@given(patterns(2), st.integers(0, 60))
def test_the_blur_is_a_symmetric_average(pair: Tensor, half: int) -> None:
    x, y = pair
    wide = torch.nn.functional.pad(x, (PASSES * half, PASSES * half))
    soft, rounding = blurred(wide, half), 100 * BLUR[torch.float64] * float(x.max())
    # The mass is kept where none can leave, nothing becomes negative, nothing higher.
    assert float(soft.sum()) == pytest.approx(float(x.sum()), rel=ROUNDING)
    assert float(soft.min()) >= -rounding
    assert float(soft.max()) <= float(x.max()) + rounding
    assert_equal(blurred(wide.flip(-1), half), soft.flip(-1), rounding)
    # It is its own adjoint.
    overlap = float(blurred(x, half) @ y)
    assert overlap == pytest.approx(float(x @ blurred(y, half)), rel=ROUNDING, abs=rounding * float(y.sum()))


@given(patterns(1), st.integers(1, 60))
def test_the_slope_of_a_blur_is_the_blur_of_the_slope(pattern: Tensor, half: int) -> None:
    x = pattern[0].clone().requires_grad_()
    weight = torch.linspace(1, 3, len(x), dtype=torch.float64)
    (slope,) = torch.autograd.grad(blurred(x, half) @ weight, x)
    assert_equal(slope, blurred(weight, half), ROUNDING)
