"""The stopping rule of a descent: when a sample has converged, and the other ways in which it ends."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from xrdscape.errors import DescentError

RUNNING, CONVERGED, OUT_OF_STEPS, NOT_FINITE, IMPOSSIBLE = range(5)
"""Codes of the states of a sample, in the order of `STOP_REASONS`."""

StopReason = Literal["running", "converged", "out of steps", "loss not finite", "impossible cell"]
STOP_REASONS: tuple[StopReason, ...] = (
    "running",
    "converged",
    "out of steps",
    "loss not finite",
    "impossible cell",
)


class StoppingRule(NamedTuple):
    """The rule by which a sample has converged: its best loss fell by less than `tolerance` in `check_every` steps.

    Source: SI 1.4. StructSnap tests the loss summed over a batch; here each sample is tested, so that its outcome does
    not depend on the batch.
    """

    check_every: int
    tolerance: float

    def check(self) -> None:
        """Refuse a rule that could not be applied.

        Raises:
            DescentError: for an interval below 1 or a negative tolerance.
        """
        if self.check_every < 1 or self.tolerance < 0:
            raise DescentError(f"A stopping rule needs check_every >= 1 and tolerance >= 0. Received {self}.")


def tested(rule: StoppingRule, step: int, status: Tensor, mark: Tensor, best_loss: Tensor) -> tuple[Tensor, Tensor]:
    """Return status and mark [B] after the test for convergence, where one is due at this step.

    Args:
        rule: the interval and the tolerance.
        step: number of the step; the first mark is set at step 0.
        status: code of each sample's state [B].
        mark: best loss at the last test [B].
        best_loss: best loss so far [B].
    """
    if step == 0:
        return status, best_loss
    if step % rule.check_every:
        return status, mark
    settled = (status == RUNNING) & (mark - best_loss < rule.tolerance)
    return torch.where(settled, CONVERGED, status), best_loss
