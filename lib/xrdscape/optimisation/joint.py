"""The pattern as an energy: what a relaxation adds to CHGNet's, so that its atoms feel both at once."""

from collections.abc import Callable
from typing import Any

import torch
from numpy.typing import NDArray
from pymatgen.core import Structure

from xrdscape.crystal.structures import to_tensors
from xrdscape.errors import DescentError
from xrdscape.optimisation.fixed_cell import fixed_cell_loss
from xrdscape.optimisation.objectives import Objective
from xrdscape.optimisation.problem import Problem

Potential = Callable[[NDArray[Any]], tuple[float, NDArray[Any]]]
"""Energy in eV and its slope [N, 3] with the fractional coordinates [N, 3], in eV."""


def pattern_energy(problem: Problem, start: Structure, objective: Objective, ev_per_atom: float) -> Potential:
    """Return the potential N w loss of N atoms: a loss that falls by 1 is worth w to each, as CHGNet's energies are.

    Args:
        problem: the pattern to be explained.
        start: a starting model, whose cell stays.
        objective: what patterns are compared by.
        ev_per_atom: the weight w.

    Raises:
        DescentError: for a problem with weights, which this loss does not know.
    """
    if problem.weights is not None:
        raise DescentError(
            "A relaxation on energy and pattern weighs all points alike: give a problem without weights."
        )
    # In float64: BFGS learns the curvature from differences of forces.
    simulator, target = problem.simulator(torch.float64), problem.target
    loss, scale = fixed_cell_loss(simulator, to_tensors([start])[0], objective, target), ev_per_atom * len(start)

    def energy(frac_coords: NDArray[Any]) -> tuple[float, NDArray[Any]]:
        places = torch.tensor(frac_coords)[None].requires_grad_()
        value = loss(places).sum()
        (slope,) = torch.autograd.grad(value, places)
        return scale * value.item(), scale * slope[0].numpy()

    return energy
