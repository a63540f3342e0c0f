"""Coordinates that keep the symmetry of the start while they are descended."""

from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from pymatgen.core import Structure
from torch import Tensor

from xrdscape.recovery.parameterisation import CoordinateParameters
from xrdscape.recovery.symmetric import displacement_projector


@dataclass(frozen=True)
class SymmetricCoordinates(CoordinateParameters):
    """Coordinates at a fixed cell, in any setting, whose displacements from the start keep its symmetry.

    Args:
        origin: coordinates of the start [N, 3].
        projector: `displacement_projector` of it [3 N, 3 N].
    """

    origin: Float[Tensor, "sites 3"] = field(kw_only=True)
    projector: Float[Tensor, "all all"] = field(kw_only=True)

    def project(self, parameters: Tensor) -> Tensor:
        moved = (parameters - self.origin).flatten(1) @ self.projector.mT
        return self.origin + moved.reshape(parameters.shape)

    def select(self, keep: Tensor) -> "SymmetricCoordinates":
        return replace(self, lattice=self.lattice[keep])


def symmetric_coordinates(crystal: Structure, symprec: float, dtype: torch.dtype) -> SymmetricCoordinates:
    """The coordinates of one crystal at its cell; errors as `displacement_projector`."""
    projector, _ = displacement_projector(crystal, symprec)
    return SymmetricCoordinates(
        torch.tensor([crystal.lattice.parameters], dtype=dtype),
        clamp=False,
        origin=torch.tensor(crystal.frac_coords, dtype=dtype),
        projector=torch.tensor(projector, dtype=dtype),
    )
