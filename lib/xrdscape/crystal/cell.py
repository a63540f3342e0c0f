"""Lattice parameters, lattice vectors and metric tensors.

Lattice parameters are always (a, b, c, alpha, beta, gamma) with lengths in angstrom and angles in degrees,
in the last axis of a tensor; any leading axes are batch axes.
"""

import math
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from xrdscape.errors import CellError

# A unit cell spanned by unit vectors has volume 1 when right-angled; below this it is flat to rounding error.
MIN_UNIT_VOLUME = 1e-3

# The angular part of the metric tensor, by rows: 1 on the diagonal, elsewhere the cosine of one of the three angles.
_DIAGONAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
_COSINES = (
    (0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0),
    (0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0),
    (0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0),
)


@lru_cache
def _angular_part(dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    return torch.tensor(_COSINES, dtype=dtype, device=device), torch.tensor(_DIAGONAL, dtype=dtype, device=device)


def metric(lattice: Float[Tensor, "*batch 6"]) -> Float[Tensor, "*batch 3 3"]:
    """Return the metric tensor G_ij = a_i . a_j in angstrom^2.

    Args:
        lattice: lattice parameters, angstrom and degrees.

    Returns:
        G, symmetric; positive definite exactly when the parameters close a cell.

    Source: eq:metric of the simulator chapter.
    """
    lengths = lattice[..., :3]
    cosines = torch.cos(torch.deg2rad(lattice[..., 3:]))
    which, diagonal = _angular_part(lattice.dtype, lattice.device)
    angular = cosines @ which + diagonal
    return lengths[..., :, None] * lengths[..., None, :] * angular.unflatten(-1, (3, 3))


def metric_tangents(
    lattice: Float[Tensor, "batch 6"], directions: Float[Tensor, "batch K 6"]
) -> Float[Tensor, "batch K 3 3"]:
    """Return the derivatives of the metric tensor along some directions of the lattice parameters."""
    lengths, angles = lattice[:, None, :3], torch.deg2rad(lattice[:, None, 3:])
    which, diagonal = _angular_part(lattice.dtype, lattice.device)
    angular = (torch.cos(angles) @ which + diagonal).unflatten(-1, (3, 3))
    d_angular = ((-torch.sin(angles) * torch.deg2rad(directions[..., 3:])) @ which).unflatten(-1, (3, 3))
    products = lengths[..., :, None] * lengths[..., None, :]
    change = directions[..., :3, None] * lengths[..., None, :]
    return (change + change.mT) * angular + products * d_angular


def reciprocal_metric(lattice: Float[Tensor, "*batch 6"]) -> Float[Tensor, "*batch 3 3"]:
    """Return the reciprocal metric tensor G* = G^-1 in 1/angstrom^2, so that 1/d^2 = h G* h for h = (h, k, l).

    Source: eq:reciprocal-metric of the simulator chapter.
    """
    return torch.linalg.inv_ex(metric(lattice)).inverse


def unit_volume(lattice: Float[Tensor, "*batch 6"]) -> Float[Tensor, "*batch"]:
    """Return the volume of the cell divided by abc, in [0, 1]; NaN where the three angles close no cell."""
    cosines = torch.cos(torch.deg2rad(lattice[..., 3:]))
    return torch.sqrt(1 - (cosines**2).sum(-1) + 2 * cosines.prod(-1))


def closes(lattice: Float[Tensor, "*batch 6"]) -> Tensor:
    """Return whether each set of parameters is finite, has positive lengths, and closes a cell with volume (bool
    [*batch])."""
    angles = lattice[..., 3:]
    finite = torch.isfinite(lattice).all(-1)
    sensible = (lattice[..., :3] > 0).all(-1) & (angles > 0).all(-1) & (angles < 180).all(-1)
    return finite & sensible & (unit_volume(lattice) > MIN_UNIT_VOLUME)


def check_lattice(lattice: Float[Tensor, "*batch 6"]) -> None:
    """Refuse lattice parameters that close no cell.

    Raises:
        CellError: naming the first offending cell and why it is impossible.
    """
    good = closes(lattice).reshape(-1)
    if bool(good.all()):
        return
    index = int((~good).nonzero()[0])
    a, b, c, alpha, beta, gamma = lattice.reshape(-1, 6)[index].tolist()
    received = f"a, b, c = {a:g}, {b:g}, {c:g} angstrom; alpha, beta, gamma = {alpha:g}, {beta:g}, {gamma:g} deg"
    if not all(map(math.isfinite, (a, b, c, alpha, beta, gamma))):
        reason = "a parameter is not a finite number"
    elif min(a, b, c) <= 0:
        reason = "lengths must be positive"
    else:
        reason = (
            "these angles close no cell: each must lie between 0 and 180 deg, be smaller than the sum of the other "
            "two, and all three must sum to less than 360 deg"
        )
    raise CellError(f"Impossible cell (number {index} of the batch): {reason}. Received {received}.")


def lattice_to_vectors(lattice: Float[Tensor, "*batch 6"]) -> Float[Tensor, "*batch 3 3"]:
    """Return the lattice vectors as rows (angstrom), a along x and b in the xy plane.

    Raises:
        CellError: if the parameters close no cell.
    """
    check_lattice(lattice)
    a, b, c = lattice[..., :3].unbind(-1)
    cos_alpha, cos_beta, cos_gamma = torch.cos(torch.deg2rad(lattice[..., 3:])).unbind(-1)
    sin_gamma = torch.sin(torch.deg2rad(lattice[..., 5]))
    zero = torch.zeros_like(a)
    c_y = (cos_alpha - cos_beta * cos_gamma) / sin_gamma
    c_z = unit_volume(lattice) / sin_gamma
    return torch.stack(
        [
            torch.stack([a, zero, zero], -1),
            torch.stack([b * cos_gamma, b * sin_gamma, zero], -1),
            torch.stack([c * cos_beta, c * c_y, c * c_z], -1),
        ],
        -2,
    )


def vectors_to_lattice(vectors: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 6"]:
    """Return the lattice parameters of lattice vectors given as rows, whatever their orientation.

    Raises:
        CellError: if the vectors span no volume.
    """
    lengths = torch.linalg.vector_norm(vectors, dim=-1)
    a, b, c = (vectors / lengths[..., None]).unbind(-2)
    cosines = torch.stack([(b * c).sum(-1), (a * c).sum(-1), (a * b).sum(-1)], -1)
    lattice = torch.cat([lengths, torch.rad2deg(torch.arccos(cosines))], -1)
    check_lattice(lattice)
    return lattice
