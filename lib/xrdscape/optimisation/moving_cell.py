"""Losses while only the cell moves.

Where an objective has a compiled loss, a sample goes from its lattice to its loss and back in one sweep, and no pattern
is kept. The results are those of `objective.loss(simulator.patterns(...), target)`; only the work is less.
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from xrdscape.diffraction.instrument import Instrument
from xrdscape.diffraction.pattern import Simulator, compiles
from xrdscape.diffraction.peaks import apply_first_order
from xrdscape.diffraction.reflection_peaks import lists_of
from xrdscape.diffraction.reflections import Reflections
from xrdscape.diffraction.structure_factors import GeometricalFactors
from xrdscape.optimisation.kernels import loss_kernel
from xrdscape.optimisation.kernels.arguments import Comparison, Results
from xrdscape.optimisation.objectives import Objective
from xrdscape.runtime.threads import over_samples


class _CompiledLoss(torch.autograd.Function):
    """Losses [B] of cells [B, 6]. The gradient is found on the way, and kept."""

    @staticmethod
    def forward(
        ctx: Any,
        lattice: Tensor,
        simulator: Simulator,
        reflections: Reflections,
        geometrical: GeometricalFactors,
        objective: Objective,
        target: Tensor,
    ) -> Tensor:
        results = _swept(lattice, simulator, reflections, geometrical, objective, target)
        ctx.gradient = results.gradient
        return torch.from_numpy(results.loss)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None, None, None]:
        # In numpy: an operation on so few numbers takes torch several times as long.
        return torch.from_numpy(ctx.gradient * gradient.numpy()[:, None]), None, None, None, None, None


def _swept(
    lattice: Tensor,
    simulator: Simulator,
    reflections: Reflections,
    geometrical: GeometricalFactors,
    objective: Objective,
    target: Tensor,
) -> Results:
    """Return losses [B] and their gradients [B, 6]."""
    (batch, count), cells = reflections.multiplicity.shape, lattice.detach().contiguous().numpy().astype(float)
    results = Results(np.empty(batch), np.empty((batch, 6)))
    over_samples(
        loss_kernel.losses, loss_kernel.losses_over, batch, count,
        comparison_of(objective, simulator.instrument, target.to(simulator.dtype)), cells,
        lists_of(reflections, geometrical), simulator.constants, results,
    )  # fmt: skip
    return results


def comparison_of(objective: Objective, instrument: Instrument, target: Float[Tensor, "n"]) -> Comparison:
    """Return what patterns are compared with, and how, as the compiled loops take it.

    Args:
        objective: one with a compiled loss.
        instrument: its grid, and its narrowest peak.
        target: in the precision of the patterns.
    """
    assert objective.kernel_id is not None, f"{objective.name} has no compiled loss"
    largest = instrument.n_steps if objective.max_shift is None else objective.max_shift
    return Comparison(
        objective.kernel_id, target.contiguous().numpy(), float(largest), instrument.least_fwhm_steps
    )


def moving_cell_loss(
    simulator: Simulator,
    lattice: Float[Tensor, "batch 6"],
    reflections: Reflections,
    geometrical: GeometricalFactors,
    objective: Objective,
    target: Float[Tensor, "n"],
) -> Float[Tensor, "batch"]:
    """Return the loss of each cell from prepared lists and factors, without checks: the inner loop of a descent.

    Args:
        simulator: its precision is that of the patterns.
        lattice: cells, differentiable.
        reflections, geometrical: `simulator.reflections` of these cells and `simulator.geometrical` of their atoms.
        objective, target: how each pattern is compared, and with what.
    """
    if objective.kernel_id is None or not compiles(lattice, geometrical):
        return objective.loss(simulator.patterns(lattice, reflections, geometrical), target)
    return apply_first_order(_CompiledLoss, lattice.double(), simulator, reflections, geometrical, objective, target)


def moving_cell_gradient(
    simulator: Simulator,
    lattice: Float[Tensor, "batch 6"],
    reflections: Reflections,
    geometrical: GeometricalFactors,
    objective: Objective,
    target: Float[Tensor, "n"],
) -> tuple[Float[Tensor, "batch"], Float[Tensor, "batch 6"]]:
    """Return `moving_cell_loss` and its gradient in the cell, in the cell's precision.

    Where they are compiled, autograd is not asked: it costs a small batch a tenth of its time.
    """
    if objective.kernel_id is None or not compiles(lattice, geometrical):
        lattice = lattice.detach().requires_grad_()
        losses = moving_cell_loss(simulator, lattice, reflections, geometrical, objective, target)
        (slopes,) = torch.autograd.grad(losses, lattice, torch.ones_like(losses))
        return losses.detach().to(lattice.dtype), slopes
    loss, gradient = _swept(lattice, simulator, reflections, geometrical, objective, target)
    return torch.from_numpy(loss).to(lattice.dtype), torch.from_numpy(gradient).to(lattice.dtype)
