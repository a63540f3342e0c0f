"""Site symmetry: what a space group asks of the sites of a crystal, without the values that it leaves free."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from pymatgen.core import Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer
from scipy.linalg import qr
from torch import Tensor

from xrdscape.crystal.families import Family, detect_family
from xrdscape.errors import StructureError

RANK = 1e-6
"""Columns of the projector shorter than this, once the others are taken off, are rounding."""


@dataclass(frozen=True)
class Symmetry:
    """The constraints of a space group on the sites of a crystal, without any value that it leaves free.

    Coordinates x [3 N] have the symmetry exactly where projector @ x + offset = x. The offset holds what is fixed:
    translations of the operations, and in which cell each image lies.

    Args:
        family: of the cell.
        offset: the coordinates nearest to 0 that have the symmetry, [N, 3]: those that are free are 0 in it.
        projector: displacements [N, 3], flattened, to those that keep the symmetry, [3 N, 3 N], fractional.
        free: an orthonormal basis of the latter, fractional, without shifts of the crystal as a whole, which no pattern
            shows; [K, N, 3].
    """

    family: Family
    offset: NDArray[np.float64]
    projector: NDArray[np.float64]
    free: NDArray[np.float64]


def symmetry_of(structure: Structure, symprec: float = 0.01) -> Symmetry:
    """Return the symmetry of a crystal in its conventional cell, without the values that it leaves free.

    Args:
        structure: its coordinates tell which operation takes which site where.
        symprec: distance tolerance of the symmetry search by spglib, angstrom.

    Raises:
        StructureError: for a cell that is not the conventional one, or sites that do not map onto one another.
    """
    family = detect_family(structure, symprec)
    projector, exact = displacement_projector(structure, symprec)
    offset = exact - (projector @ exact.ravel()).reshape(exact.shape)
    return Symmetry(family, offset, projector, _free(projector, len(exact)))


def displacement_projector(structure: Structure, symprec: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean over the space group of how it turns displacements [3 N, 3 N], and exact coordinates [N, 3].

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
    """Return the number of the site that each image falls on."""
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
    """Return an orthonormal basis of the projector's image without shifts of the whole, [K, n, 3]."""
    # The mean of a displacement that keeps the symmetry keeps it, too, so it can be taken off.
    columns = projector - np.tile(projector.reshape(n, 3, 3 * n).mean(0), (n, 1))
    # Pivoted, so that the columns of one orbit of sites stay among themselves.
    basis, triangle, _ = qr(columns, pivoting=True)
    rank = int((np.abs(np.diag(triangle)) > RANK).sum())
    return basis[:, :rank].T.reshape(rank, n, 3)


def symmetric_coords(symmetry: Symmetry, frac_coords: Float[Tensor, "batch sites 3"]) -> Float[Tensor, "batch sites 3"]:
    """Return the nearest coordinates that have the symmetry: the mean over the operations.

    Args:
        symmetry: of the sites.
        frac_coords: each site in the cell that the symmetry counts it in (see `unwrapped`); [B, N, 3].
    """
    offset, projector = (
        torch.as_tensor(part, dtype=frac_coords.dtype, device=frac_coords.device)
        for part in (symmetry.offset, symmetry.projector)
    )
    moved = (frac_coords - offset).flatten(1) @ projector.mT
    return offset + moved.reshape(frac_coords.shape)


def unwrapped(frac_coords: NDArray[np.float64], beside: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return coordinates [N, 3] shifted by whole cells to where each is nearest to the site `beside` it [N, 3]."""
    return frac_coords - np.round(frac_coords - beside)
