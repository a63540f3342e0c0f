"""Step rules against torch's own optimisers."""

from collections.abc import Callable

import pytest
import torch
from tolerances import RULE

from xrdscape.errors import DescentError
from xrdscape.optimisation.rules import Adam, Plain, Rule


def followed(
    rule: Rule, start: torch.Tensor, gradient: Callable[[torch.Tensor], torch.Tensor], steps: int
) -> torch.Tensor:
    parameters, memory = start.clone(), rule.begin(start)
    for count in range(steps):
        move, memory = rule.move(0.05, gradient(parameters), memory, torch.full((len(start),), count))
        parameters = parameters + move
    return parameters


@pytest.mark.parametrize(
    ("rule", "optimiser"),
    [
        (Plain(), lambda p: torch.optim.SGD([p], lr=0.05)),
        (Adam(), lambda p: torch.optim.Adam([p], lr=0.05, betas=(0.9, 0.99), eps=1e-30)),
        (Adam(0.5, 0.9), lambda p: torch.optim.Adam([p], lr=0.05, betas=(0.5, 0.9), eps=1e-30)),
    ],
)
def test_rules_are_those_of_torch(rule: Rule, optimiser: Callable[[torch.Tensor], torch.optim.Optimizer]) -> None:
    start = torch.tensor([[1.0, -2.0, 0.5], [3.0, 0.1, -0.7]], dtype=torch.float64)
    scale = torch.tensor([1.0, 30.0, 0.01], dtype=torch.float64)
    theirs = start.clone().requires_grad_()
    stepper = optimiser(theirs)
    for _ in range(40):
        stepper.zero_grad()
        (scale * theirs**2).sum().backward()
        stepper.step()
    ours = followed(rule, start, lambda p: 2 * scale * p, 40)
    torch.testing.assert_close(ours, theirs.detach(), rtol=RULE, atol=RULE)


def test_a_gradient_of_zero_moves_nothing() -> None:
    start = torch.ones(2, 3)
    assert torch.equal(followed(Adam(), start, torch.zeros_like, 3), start)


def test_impossible_decays_are_refused() -> None:
    with pytest.raises(DescentError, match="decays lie between 0 and 1"):
        Adam(decay=1.0)
