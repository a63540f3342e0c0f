"""Parameters that a crystal's symmetry leaves free, and no others: of the cell, of the coordinates, or of both.

The space group is known, as is which site it takes where; the values are not. A start that breaks the symmetry begins
at its projection.
"""

import math
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from pymatgen.core import Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer
from scipy.linalg import qr
from torch import Tensor

from xrdscape.crystal.cell import TIED, detect_family, project
from xrdscape.errors import DescentError, StructureError
from xrdscape.optimisation.parameters import CoordinateParameters, possible_cells

RANK = 1e-6
"""Columns of the projector shorter than this, once the others are taken off, are rounding."""


@dataclass(frozen=True)
class Symmetry:
    """What a space group asks of the sites of one crystal.

    Args:
        family: of its cell.
        coords: of any crystal of this symmetry, [N, 3]: its own, made exact.
        projector: displacements [N, 3], flattened, to those that keep the symmetry, [3 N, 3 N], fractional.
        free: an orthonormal basis of the latter, fractional, without shifts of the crystal as a whole, which no pattern
            shows; [K, N, 3].
    """

    family: str
    coords: NDArray[np.float64]
    projector: NDArray[np.float64]
    free: NDArray[np.float64]


def symmetry_of(structure: Structure, symprec: float = 0.01) -> Symmetry:
    """The symmetry of a crystal in its conventional cell.

    Args:
        structure: its coordinates tell which operation takes which site where.
        symprec: distance tolerance of the symmetry search by spglib, angstrom.

    Raises:
        StructureError: for a cell that is not the conventional one, or sites that do not map onto one another.
    """
    family = detect_family(structure, symprec)
    projector, exact = displacement_projector(structure, symprec)
    return Symmetry(family, exact, projector, _free(projector, len(exact)))


def displacement_projector(structure: Structure, symprec: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The mean over the space group of how it turns displacements [3 N, 3 N], and the sites' places made exact [N, 3].

    A displacement that the projector keeps breaks no symmetry.

    Args:
        structure: N sites, in any setting.
        symprec: distance tolerance of the symmetry search by spglib, angstrom.

    Raises:
        StructureError: for sites that do not map onto one another.
    """
    coords = structure.frac_coords
    n = len(coords)
    operations = SpacegroupAnalyzer(structure, symprec=symprec).get_symmetry_operations()
    projector, exact = np.zeros((n, 3, n, 3)), np.zeros((n, 3))
    for operation in operations:
        image = coords @ operation.rotation_matrix.T + operation.translation_vector
        there = _same_sites(structure, image, symprec)
        projector[there, :, np.arange(n), :] += operation.rotation_matrix / len(operations)
        # Shifted by whole cells to where the site lies that it falls upon.
        exact[there] += (image + np.round(coords[there] - image)) / len(operations)
    return projector.reshape(3 * n, 3 * n), exact


def _same_sites(structure: Structure, image: NDArray[np.float64], symprec: float) -> NDArray[np.int64]:
    """On which site each image falls."""
    apart = structure.lattice.get_all_distances(image, structure.frac_coords)
    kinds = np.array([str(site.species) for site in structure])
    apart[kinds[:, None] != kinds] = np.inf
    there = apart.argmin(1)
    # spglib's own tolerance is for each direction; a site may be off by some of it before and after the operation.
    if len(set(there.tolist())) < len(there) or apart.min(1).max() > 4 * symprec:
        raise StructureError(
            f"The symmetry of {structure.composition.reduced_formula} at symprec {symprec:g} angstrom does not take "
            "its sites onto one another. Use a smaller symprec."
        )
    return there


def _free(projector: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """An orthonormal basis of the projector's image without shifts of the whole, [K, n, 3]."""
    # The mean of a displacement that keeps the symmetry keeps it, too, so it can be taken off.
    columns = projector - np.tile(projector.reshape(n, 3, 3 * n).mean(0), (n, 1))
    # Pivoted, so that the columns of one orbit of sites stay among themselves.
    basis, triangle, _ = qr(columns, pivoting=True)
    rank = int((np.abs(np.diag(triangle)) > RANK).sum())
    return basis[:, :rank].T.reshape(rank, n, 3)


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
    family: str
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
        """For these starts, which need not have the symmetry.

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
        """Where it was made for; what is given is what it was made of."""
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
        """At these cells; sites are to begin where `symmetric_coords` puts them."""
        origin, projector = (torch.as_tensor(x, dtype=lattice.dtype) for x in (symmetry.coords, symmetry.projector))
        return cls(lattice, clamp=False, origin=origin, projector=projector)

    def project(self, parameters: Tensor) -> Tensor:
        moved = (parameters - self.origin).flatten(1) @ self.projector.mT
        return self.origin + moved.reshape(parameters.shape)

    def select(self, keep: Tensor) -> "SymmetricCoordinates":
        return replace(self, lattice=self.lattice[keep])


def symmetric_coords(symmetry: Symmetry, frac_coords: Float[Tensor, "batch sites 3"]) -> Float[Tensor, "batch sites 3"]:
    """Coordinates averaged over the operations: the nearest that have the symmetry, if sites are off by less than half
    a cell. Free coordinates of the crystal that the symmetry was found in do not enter."""
    known, projector = (
        torch.as_tensor(part, dtype=frac_coords.dtype, device=frac_coords.device)
        for part in (symmetry.coords, symmetry.projector)
    )
    off = frac_coords - known
    off = off - off.round()
    return known + (off.flatten(1) @ projector.mT).reshape(off.shape)
