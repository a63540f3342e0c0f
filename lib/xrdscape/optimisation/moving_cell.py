"""Losses while only the cell moves.

Where an objective has a compiled twin, a sample goes from its lattice to its loss and back in one sweep, and no pattern
is kept. The results are those of `objective.loss(simulator.patterns(...), target)`; only the work is less.
"""

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from xrdscape.diffraction.pattern import GeometricalFactors, Simulator, compiles, instrument_constants
from xrdscape.diffraction.peaks import apply_first_order, peak_constants
from xrdscape.diffraction.profile import Instrument
from xrdscape.diffraction.reflections import Reflections
from xrdscape.optimisation.kernels import loss_kernel
from xrdscape.optimisation.objectives import Objective
from xrdscape.runtime.threads import over_samples


class _CompiledLoss(torch.autograd.Function):
    """Losses [B] of cells [B, 6]. The gradient is found on the way, and kept."""

    @staticmethod
    def forward(ctx, lattice, *given):  # type: ignore[no-untyped-def]
        loss, ctx.gradient = _swept(lattice, *given)
        return torch.from_numpy(loss)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):  # type: ignore[no-untyped-def]
        # In numpy: an operation on so few numbers takes torch several times as long.
        return torch.from_numpy(ctx.gradient * gradient.numpy()[:, None]), *(None,) * 5


def _swept(
    lattice: Tensor,
    simulator: Simulator,
    reflections: Reflections,
    geometrical: GeometricalFactors,
    objective: Objective,
    target: Tensor,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Losses [B] and their gradients [B, 6]."""
    lists = reflections.hkl, reflections.multiplicity, *geometrical, *simulator.form_factor_table
    loss, gradient = np.empty(len(lattice)), np.empty((len(lattice), 6))
    over_samples(
        *(loss_kernel.losses, loss_kernel.losses_over, *reflections.multiplicity.shape),
        *(objective.kernel_id, target.to(simulator.dtype).contiguous().numpy()),
        *(search_constants(objective, simulator.instrument), lattice.detach().contiguous().numpy().astype(float)),
        *(t.contiguous().numpy() for t in lists),
        *(instrument_constants(simulator.instrument), *peak_constants(simulator.instrument, simulator.dtype)),
        *(loss, gradient),
    )
    return loss, gradient


def search_constants(objective: Objective, instrument: Instrument) -> tuple[float, float]:
    """Largest shift of the cross-correlation and width of the narrowest peak, in bins, as `loss_kernel` takes them."""
    largest = instrument.n_steps if objective.max_shift is None else objective.max_shift
    return float(largest), instrument.least_fwhm_deg / instrument.step_deg


def moving_cell_loss(
    simulator: Simulator,
    lattice: Float[Tensor, "batch 6"],
    reflections: Reflections,
    geometrical: GeometricalFactors,
    objective: Objective,
    target: Float[Tensor, "n"],
) -> Float[Tensor, "batch"]:
    """Loss of each cell from prepared lists and sums, without checks: the inner loop of a descent.

    Args:
        simulator: its precision is that of the patterns.
        lattice: cells, differentiable.
        reflections, sums: `simulator.reflections` of these cells and `simulator.sums` of their atoms.
        objective, target: what each pattern is compared with, and how.
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
    """`moving_cell_loss` and its gradient in the cell, in the cell's precision.

    Where they are compiled, autograd is not asked: it costs a small batch a tenth of its time.
    """
    given = reflections, geometrical, objective, target
    if objective.kernel_id is None or not compiles(lattice, geometrical):
        lattice = lattice.detach().requires_grad_()
        losses = moving_cell_loss(simulator, lattice, *given)
        (slopes,) = torch.autograd.grad(losses, lattice, torch.ones_like(losses))
        return losses.detach().to(lattice.dtype), slopes
    loss, gradient = _swept(lattice, simulator, *given)
    return torch.from_numpy(loss).to(lattice.dtype), torch.from_numpy(gradient).to(lattice.dtype)
