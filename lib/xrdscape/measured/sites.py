"""Coordinates that keep the symmetry of the start while they are descended."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from pymatgen.core import Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer
from torch import Tensor

from xrdscape.measured.pattern import Values


@dataclass(frozen=True)
class SymmetricCoordinates:
    """Fractional coordinates at a fixed cell, whose displacements from the start keep its symmetry.

    Args:
        lattice: the fixed lattice parameters [B, 6].
        origin: coordinates of the start [N, 3].
        projector: `displacement_projector` of it [3 N, 3 N].
    """

    lattice: Float[Tensor, "batch 6"]
    origin: Float[Tensor, "sites 3"]
    projector: Float[Tensor, "all all"]
    moves_cell = False
    moves_sites = True

    def start(self, lattice: Tensor, frac_coords: Tensor) -> Tensor:
        return frac_coords

    def crystal(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        return self.lattice, parameters

    def limit(self, parameters: Tensor, move: Tensor) -> Tensor:
        return move

    def project(self, parameters: Tensor) -> Tensor:
        moved = (parameters - self.origin).flatten(1) @ self.projector.mT
        return self.origin + moved.reshape(parameters.shape)

    def possible(self, parameters: Tensor) -> Tensor:
        return torch.isfinite(parameters).flatten(1).all(-1)

    def select(self, keep: Tensor) -> "SymmetricCoordinates":
        return replace(self, lattice=self.lattice[keep])


def symmetric_coordinates(crystal: Structure, symprec: float, dtype: torch.dtype) -> SymmetricCoordinates:
    """The coordinates of one crystal at its cell."""
    return SymmetricCoordinates(
        torch.tensor([crystal.lattice.parameters], dtype=dtype),
        torch.tensor(crystal.frac_coords, dtype=dtype),
        torch.tensor(displacement_projector(crystal, symprec), dtype=dtype),
    )


def displacement_projector(crystal: Structure, symprec: float) -> Values:
    """The mean over the space group of how it turns displacements [3 N, 3 N]: what it keeps breaks no symmetry.

    Args:
        crystal: N sites, in any setting.
        symprec: distance within which sites are equivalent, angstrom.
    """
    operations = SpacegroupAnalyzer(crystal, symprec=symprec).get_symmetry_operations()
    places, n = crystal.frac_coords, len(crystal)
    projector = np.zeros((n, 3, n, 3))
    for operation in operations:
        images = operation.operate_multi(places)
        apart = images[:, None] - places[None]
        apart = np.linalg.norm((apart - np.round(apart)) @ crystal.lattice.matrix, axis=-1)
        for site, image in enumerate(apart.argmin(1)):
            projector[image, :, site, :] += operation.rotation_matrix
    return projector.reshape(3 * n, 3 * n) / len(operations)
