"""Coordinates that keep the symmetry of the start while they are descended."""

import torch
from pymatgen.core import Structure

from xrdscape.crystal.symmetry import displacement_projector
from xrdscape.optimisation.symmetric import SymmetricCoordinates


def symmetric_coordinates(crystal: Structure, symprec: float, dtype: torch.dtype) -> SymmetricCoordinates:
    """The coordinates of one crystal at its cell; errors as `displacement_projector`."""
    projector, _ = displacement_projector(crystal, symprec)
    return SymmetricCoordinates(
        torch.tensor([crystal.lattice.parameters], dtype=dtype),
        clamp=False,
        origin=torch.tensor(crystal.frac_coords, dtype=dtype),
        projector=torch.tensor(projector, dtype=dtype),
    )
