"""Rise of the loss around the reference structure as atoms are displaced: what a pattern shows of them."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from pymatgen.core import Structure

from xrdscape.crystal.structures import load_structure, to_tensors
from xrdscape.crystal.symmetry import symmetry_of
from xrdscape.optimisation.objectives import Objective
from xrdscape.study.problems import problem_of


def without_free_coordinates(names: Sequence[str]) -> frozenset[str]:
    """Return the names of the crystals whose space group fixes every site."""
    return frozenset(name for name in names if not len(symmetry_of(load_structure(name)).free))


def powers(losses: Mapping[str, pd.DataFrame], names: Collection[str]) -> tuple[float, float]:
    """Return the least and greatest power of the displacement with which the losses of some crystals rise, from two
    smallest ones.

    Args:
        losses: by name, as `losses_beside` gives them.
        names: crystals that count.
    """
    slopes = [
        np.log(rows["loss"][1] / rows["loss"][0]) / np.log(rows["displacement"][1] / rows["displacement"][0])
        for name, rows in losses.items()
        if name in names
    ]
    return min(slopes), max(slopes)


def losses_beside(
    reference: Structure, objective: Objective, displacements: Sequence[float], directions: int, seed: int
) -> pd.DataFrame:
    """Return the mean loss, less that of the reference structure, of crystals displaced at random by a given amount.

    A displacement has the same pattern as those that the operations of the space group turn it into. Where no
    coordinate is free these add up to nothing, so no intensity can change with the displacement itself, but with its
    square; and a loss that is square in the intensities with its fourth power.

    Args:
        reference: the reference structure.
        objective: what patterns are compared by.
        displacements: root mean square over the atoms, angstrom.
        directions: how many random ones, Gaussian in the displacement of each atom.
        seed: of the directions.

    Returns:
        DataFrame displacement, loss: one row a displacement.
    """
    rng = np.random.default_rng(seed)
    moved = rng.normal(size=(directions, len(reference), 3))
    # A shift of the whole crystal changes nothing.
    moved -= moved.mean(1, keepdims=True)
    moved /= np.sqrt((moved**2).sum((1, 2), keepdims=True) / len(reference))
    fractions = torch.from_numpy(moved @ np.linalg.inv(reference.lattice.matrix))
    problem = problem_of(reference, hkl_max=objective.hkl_max)
    simulator, target = problem.simulator(torch.float64), problem.target
    lattice, sites = to_tensors([reference])
    least = objective.loss(simulator(lattice, sites), target)
    cells = lattice.expand(directions, -1)
    losses = [
        (objective.loss(simulator(cells, sites + size * fractions), target) - least).mean().item()
        for size in displacements
    ]
    return pd.DataFrame({"displacement": list(displacements), "loss": losses})
