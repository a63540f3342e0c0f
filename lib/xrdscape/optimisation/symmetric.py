"""Parameters that a crystal's symmetry leaves free, and no others: of the cell, of the coordinates, or of both.

The space group is known, as is which site it takes where; the values are not. A start that breaks the symmetry begins
at its projection.
"""

import math
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from jaxtyping import Float
from pymatgen.core import Structure
from torch import Tensor

from xrdscape.crystal.families import TIED, Family, project
from xrdscape.crystal.structures import to_tensors
from xrdscape.crystal.symmetry import Symmetry, displacement_projector, symmetric_coords
from xrdscape.errors import DescentError
from xrdscape.optimisation.parameters import CoordinateParameters, possible_cells


@dataclass(frozen=True)
class SymmetricCrystal:
    """A crystal moved along its free parameters alone; made by `of`, for its starts.

    The cell's are lengths relative to those of the start, and angles in radians; the coordinates' are multiples of an
    orthonormal basis of displacements, in fractional units.

    Args:
        lattice: of the starts, projected if the cell moves, [B, 6].
        frac_coords: of the starts, projected if the sites move, [B, N, 3].
        family: crystal family of the cell.
        free: basis of the displacements, [K, N, 3].
        moves_cell, moves_sites: what moves; the other stays as it was given.
    """

    lattice: Float[Tensor, "batch 6"]
    frac_coords: Float[Tensor, "batch sites 3"]
    family: Family
    free: Float[Tensor, "free sites 3"]
    moves_cell: bool
    moves_sites: bool

    @classmethod
    def of(
        cls,
        symmetry: Symmetry,
        lattice: Float[Tensor, "batch 6"],
        frac_coords: Float[Tensor, "batch sites 3"],
        moves_cell: bool = True,
        moves_sites: bool = True,
    ) -> "SymmetricCrystal":
        """Return the parameters of these starting models, which need not have the symmetry.

        Raises:
            DescentError: nothing is to be moved, or the symmetry leaves nothing to move.
        """
        free = torch.as_tensor(symmetry.free, dtype=lattice.dtype, device=lattice.device)
        if not (moves_cell or (moves_sites and len(free))):
            raise DescentError(
                f"Nothing to move: the cell stays, and the symmetry leaves {len(free)} coordinates free. "
                "Let the cell move, or use parameters that may break the symmetry."
            )
        cells = project(lattice, symmetry.family) if moves_cell else lattice
        sites = symmetric_coords(symmetry, frac_coords) if moves_sites else frac_coords
        return cls(cells, sites, symmetry.family, free, moves_cell, moves_sites and len(free) > 0)

    @cached_property
    def _tied(self) -> Float[Tensor, "parameters 6"]:
        """1 where a parameter of the cell moves a lattice parameter."""
        rows = TIED[self.family] if self.moves_cell else ()
        return torch.stack([self.lattice.new_zeros(6), *(self._at(row) for row in rows)])[1:]

    def _at(self, places: tuple[int, ...]) -> Tensor:
        return self.lattice.new_zeros(6).index_fill(0, torch.tensor(places, device=self.lattice.device), 1.0)

    @cached_property
    def _unit(self) -> Float[Tensor, "batch 6"]:
        return torch.cat([self.lattice[:, :3], torch.full_like(self.lattice[:, 3:], 180 / math.pi)], -1)

    def start(self, lattice: Tensor, frac_coords: Tensor) -> Tensor:
        """Return the parameters of the models that it was made for."""
        cell = (self.lattice / self._unit) @ (self._tied / self._tied.sum(-1, keepdim=True)).mT
        return torch.cat([cell, cell.new_zeros(len(cell), len(self.free) if self.moves_sites else 0)], -1)

    def crystal(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        tied, sites = self._tied, self.frac_coords
        lattice = self.lattice * (1 - tied.sum(0)) + (parameters[:, : len(tied)] @ tied) * self._unit
        if self.moves_sites:
            sites = sites + torch.einsum("bk,kni->bni", parameters[:, len(tied) :], self.free)
        return lattice, sites

    def limit(self, parameters: Tensor, move: Tensor) -> Tensor:
        return move

    def project(self, parameters: Tensor) -> Tensor:
        return parameters

    def possible(self, parameters: Tensor) -> Tensor:
        lattice, sites = self.crystal(parameters)
        return possible_cells(lattice) & torch.isfinite(sites).flatten(1).all(-1)

    def select(self, keep: Tensor) -> "SymmetricCrystal":
        return replace(self, lattice=self.lattice[keep], frac_coords=self.frac_coords[keep])


@dataclass(frozen=True)
class SymmetricCoordinates(CoordinateParameters):
    """Coordinates at a fixed cell, whose displacements from some that have a symmetry keep it. All three of a site are
    parameters, and every move is projected: so there may be none that are free.

    Args:
        origin: coordinates that have the symmetry [N, 3].
        projector: `displacement_projector` of them [3 N, 3 N].
    """

    origin: Float[Tensor, "sites 3"] = field(kw_only=True)
    projector: Float[Tensor, "all all"] = field(kw_only=True)

    @classmethod
    def of(cls, symmetry: Symmetry, lattice: Float[Tensor, "batch 6"]) -> "SymmetricCoordinates":
        """Return coordinates at these cells; sites are to begin where `symmetric_coords` puts them."""
        origin, projector = (torch.as_tensor(x, dtype=lattice.dtype) for x in (symmetry.offset, symmetry.projector))
        return cls(lattice, clamp=False, origin=origin, projector=projector)

    @classmethod
    def around(cls, crystal: Structure, symprec: float) -> "SymmetricCoordinates":
        """Return those of one crystal in any setting, which keep what it has of a symmetry within `symprec`; errors as
        `displacement_projector`."""
        lattice, frac_coords = to_tensors([crystal])
        projector = torch.as_tensor(displacement_projector(crystal, symprec)[0], dtype=lattice.dtype)
        return cls(lattice, clamp=False, origin=frac_coords[0], projector=projector)

    def project(self, parameters: Tensor) -> Tensor:
        moved = (parameters - self.origin).flatten(1) @ self.projector.mT
        return self.origin + moved.reshape(parameters.shape)

    def select(self, keep: Tensor) -> "SymmetricCoordinates":
        return replace(self, lattice=self.lattice[keep])
