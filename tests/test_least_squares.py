"""Levenberg-Marquardt on problems whose answers are known."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from xrdscape.optimisation.least_squares import Bounds, least_squares


@dataclass(frozen=True)
class Curves:
    """Residuals r(x) of every sample alike; slopes by torch."""

    function: Callable[[Tensor], Tensor]

    def project(self, parameters: Tensor, which: Tensor) -> Tensor:
        return parameters

    def residuals(self, parameters: Tensor, which: Tensor) -> Tensor:
        return self.function(parameters)

    def slopes(self, parameters: Tensor, which: Tensor) -> Tensor:
        return torch.func.vmap(torch.func.jacfwd(lambda x: self.function(x[None])[0]))(parameters).mT


def rosenbrock(x: Tensor) -> Tensor:
    return torch.stack([10 * (x[:, 1] - x[:, 0] ** 2), 1 - x[:, 0]], -1)


def cancelled(x: Tensor) -> Tensor:
    """The second parameter has no slope where it is 0, as an angle where symmetry makes it 90 deg."""
    return torch.stack([x[:, 0] + 1e3 * x[:, 1] ** 2 - 1, 50 * x[:, 1] ** 2, x[:, 0] - 1], -1)


STARTS = torch.tensor([[-1.2, 1.0], [0.5, 2.0], [3.0, -1.0]], dtype=torch.float64)


def test_a_curved_valley_is_followed_to_its_end() -> None:
    found = least_squares(Curves(rosenbrock), STARTS, 60, 1e-12)
    torch.testing.assert_close(found.parameters, torch.ones_like(STARTS))
    assert (found.residuals.abs() < 1e-9).all()
    assert (found.steps < 60).all()


def test_a_sample_goes_its_own_way_whatever_its_batch() -> None:
    # One is so far out that its slopes are larger by orders of magnitude.
    starts = torch.cat([STARTS, torch.tensor([[3e4, 0.0]], dtype=torch.float64)])
    together = least_squares(Curves(rosenbrock), starts, 7, 1e-12)
    for place, start in enumerate(starts):
        alone = least_squares(Curves(rosenbrock), start[None], 7, 1e-12)
        torch.testing.assert_close(together.parameters[place], alone.parameters[0], rtol=1e-12, atol=0)


@pytest.mark.parametrize("steps", [1, 3, 10])
def test_none_ends_above_where_it_began(steps: int) -> None:
    before = rosenbrock(STARTS).square().sum(-1)
    assert (least_squares(Curves(rosenbrock), STARTS, steps, 0.0).residuals.square().sum(-1) <= before).all()


def test_bounds_hold_and_what_is_free_goes_on() -> None:
    bounds = Bounds(torch.tensor([-2.0, -2.0]).double(), torch.tensor([0.5, 4.0]).double())
    found = least_squares(Curves(rosenbrock), STARTS, 60, 1e-12, bounds=bounds)
    # On the bound x = 1/2 the least is at y = 1/4.
    torch.testing.assert_close(found.parameters, torch.tensor([[0.5, 0.25]]).double().expand(3, 2))


def test_a_parameter_whose_slope_cancels_takes_no_wild_steps() -> None:
    seen = []

    def watched(x: Tensor) -> Tensor:
        if not torch._C._functorch.is_functorch_wrapped_tensor(x):
            seen.append(float(x[:, 1].abs().amax()))
        return cancelled(x)

    start = torch.tensor([[1.3, 1e-6]], dtype=torch.float64)
    bounds = Bounds(torch.tensor([-2.0, -2.0]).double(), torch.tensor([2.0, 2.0]).double())
    found = least_squares(Curves(watched), start, 40, 1e-12, bounds=bounds)
    torch.testing.assert_close(found.parameters[0, 0], torch.tensor(1.0).double(), rtol=1e-6, atol=0)
    assert max(seen) < 0.1


def test_impossible_parameters_are_not_taken() -> None:
    def half(x: Tensor) -> Tensor:
        return torch.where(x > 0, x - 0.1, torch.inf)

    found = least_squares(Curves(half), torch.tensor([[3.0]], dtype=torch.float64), 30, 1e-12)
    torch.testing.assert_close(found.parameters, torch.tensor([[0.1]]).double())
    beyond = least_squares(
        Curves(lambda x: torch.where(x > 0, x + 1.0, torch.inf)), torch.tensor([[3.0]]).double(), 9, 1e-12
    )
    assert 0 < beyond.parameters.item() < 3.0


def test_it_stops_where_little_is_gained() -> None:
    few = least_squares(Curves(rosenbrock), STARTS, 60, 0.0, gain=0.5)
    many = least_squares(Curves(rosenbrock), STARTS, 60, 0.0, gain=1e-12)
    assert (few.steps <= many.steps).all()
    assert (few.steps < many.steps).any()
