"""Rules for the size of a step: plain gradient descent, as published, or Adam; `begin` and `move` are pure."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from xrdscape.errors import DescentError


@runtime_checkable
class Rule(Protocol):
    """A rule that turns gradients into moves; each sample has a memory of its own."""

    def begin(self, parameters: Tensor) -> Tensor:
        """Return the memory [B, ...] before the first step."""

    def move(self, rate: float, gradient: Tensor, memory: Tensor, taken: Tensor) -> tuple[Tensor, Tensor]:
        """Return the move, like the gradient, and the memory after it; `taken` [B] counts the steps before this one."""


@dataclass(frozen=True)
class Plain:
    """The learning rate times the gradient (SI 1.4)."""

    def begin(self, parameters: Tensor) -> Float[Tensor, "batch 0"]:
        return parameters.new_zeros((len(parameters), 0))

    def move(self, rate: float, gradient: Tensor, memory: Tensor, taken: Tensor) -> tuple[Tensor, Tensor]:
        return -rate * gradient, memory


@dataclass(frozen=True)
class Adam:
    """Steps of about the learning rate, whatever the size of the gradient: its mean over its root mean square.

    Args:
        decay, decay_square: of the two running means, 0 to 1.

    Source: Kingma & Ba, arXiv:1412.6980, algorithm 1.
    """

    decay: float = 0.9
    decay_square: float = 0.99

    def __post_init__(self) -> None:
        if not (0 <= self.decay < 1 and 0 <= self.decay_square < 1):
            raise DescentError(f"Adam's decays lie between 0 and 1. Received {self.decay} and {self.decay_square}.")

    def begin(self, parameters: Tensor) -> Tensor:
        return torch.stack([torch.zeros_like(parameters)] * 2, 1)

    def move(self, rate: float, gradient: Tensor, memory: Tensor, taken: Tensor) -> tuple[Tensor, Tensor]:
        mean = self.decay * memory[:, 0] + (1 - self.decay) * gradient
        square = self.decay_square * memory[:, 1] + (1 - self.decay_square) * gradient**2
        count = (taken + 1).to(gradient.dtype).reshape(-1, *[1] * (gradient.dim() - 1))
        unbiased = mean / (1 - self.decay**count)
        size = (square / (1 - self.decay_square**count)).sqrt()
        return -rate * unbiased / (size + torch.finfo(size.dtype).tiny ** 0.5), torch.stack([mean, square], 1)


PLAIN = Plain()
