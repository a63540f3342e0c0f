"""The reflections that can contribute: a list that is discrete once and valid while the cell moves within its reach.

Enumerating hkl has no gradient. Everything after it is differentiable at a fixed list, so the list is a superset:
all reflections that any cell within reach of the anchor could bring inside the limiting sphere. The current cell
decides, continuously in its parameters but for the edge itself, which of them count (`instrument.edge_weight`).
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from xrdscape.crystal.cell import check_lattice, metric, reciprocal_metric
from xrdscape.diffraction.structure_factors import GeometricalFactors
from xrdscape.errors import CellError

# Rounding slack on the sphere's radius, far above float64 rounding and far below the spacing of reflections.
RADIUS_SLACK = 1e-9


@dataclass(frozen=True)
class Reflections:
    """One list of reflections per cell of a batch, padded to equal length.

    Args:
        hkl: Miller indices of half the sphere, [B, M, 3]; padding repeats the sample's first reflection.
        multiplicity: [B, M]; 2 for a Friedel pair, 0 for padding.
        anchor: lattice parameters the list was made for, [B, 6].
        reach: largest stretch of the cell, relative to the anchor, for which the list is complete.
    """

    hkl: Float[Tensor, "batch reflections 3"]
    multiplicity: Float[Tensor, "batch reflections"]
    anchor: Float[Tensor, "batch 6"]
    reach: float

    @cached_property
    def products(self) -> Float[Tensor, "batch 9 reflections"]:
        """h_i h_j of each, in float64: times the reciprocal metric they sum to 1/d^2."""
        hkl = self.hkl.double().mT
        return (hkl[:, :, None] * hkl[:, None, :]).flatten(1, 2)

    @cached_property
    def frame(self) -> Float[Tensor, "batch 3 3"]:
        """C^-1 with the anchor's metric G = C C^T."""
        return torch.linalg.inv(torch.linalg.cholesky(metric(self.anchor.double())))

    @cached_property
    def _one(self) -> Float[Tensor, "3 3"]:
        return torch.eye(3, dtype=torch.float64, device=self.anchor.device)

    def select(self, keep: Tensor) -> "Reflections":
        """Return the lists of some samples only; `keep` indexes or masks the batch axis."""
        return Reflections(self.hkl[keep], self.multiplicity[keep], self.anchor[keep], self.reach)


def enumerate_reflections(
    lattice: Float[Tensor, "batch 6"],
    max_reciprocal_length: float,
    reach: float = 1.0,
    hkl_max: int | None = None,
    allow_empty: bool = False,
) -> Reflections:
    """Return all hkl whose 1/d is at most `reach * max_reciprocal_length`, one of each Friedel pair.

    Args:
        lattice: lattice parameters, [B, 6].
        max_reciprocal_length: radius of the limiting sphere, 1/angstrom.
        reach: 1 for a cell that stays; above 1, the list stays complete for any cell whose lattice vectors are
            those of `lattice` stretched by at most this factor in any direction.
        hkl_max: keep only |h|, |k|, |l| up to this (the paper's clipping for the MSE objective).
        allow_empty: give a cell without any reflection a list of padding instead of refusing it.

    Raises:
        CellError: for a cell that does not close, or one so small that no reflection lies within the sphere.

    The box |h| <= a R, |k| <= b R, |l| <= c R holds the sphere of radius R for any cell, oblique ones included,
    because h = a . g.
    """
    check_lattice(lattice)
    radius = reach * max_reciprocal_length * (1 + RADIUS_SLACK)
    hkl = _half_box(lattice, radius, hkl_max)
    length_squared = torch.einsum("mi,bij,mj->bm", hkl, reciprocal_metric(lattice.double()), hkl)
    inside = length_squared <= radius**2
    counts = inside.sum(-1)
    if not allow_empty and int(counts.min()) == 0:
        index = int(counts.argmin())
        raise CellError(
            f"Cell {tuple(lattice[index].tolist())} has no reflection with d above {1 / radius:.3f} angstrom. "
            "Use a shorter wavelength or a larger two_theta_max_deg."
        )
    # Reflections inside come first in each row; what follows up to the longest row is padding.
    order = torch.argsort(inside.to(torch.int8), dim=-1, descending=True, stable=True)[:, : max(1, int(counts.max()))]
    padding = torch.arange(order.shape[1], device=order.device) >= counts[:, None]
    order = torch.where(padding, order[:, :1], order)
    multiplicity = torch.where(padding, 0.0, 2.0).to(lattice.dtype)
    return Reflections(hkl[order].to(lattice.dtype), multiplicity, lattice.detach().clone(), reach)


def joined(
    which: Tensor, old: tuple[Reflections, GeometricalFactors], fresh: tuple[Reflections, GeometricalFactors]
) -> tuple[Reflections, GeometricalFactors]:
    """Return the lists of a batch and the geometric sums over sites that belong to them, those of some samples
    replaced.

    Args:
        which: the samples to replace (bool [B]).
        old: of all samples.
        fresh: of those to replace, in their order.
    """
    lists, new = old[0], fresh[0]
    # No longer than the longest list needs.
    lengths = (lists.multiplicity[~which] > 0).sum(-1)
    length = max(new.multiplicity.shape[-1], int(lengths.amax()) if len(lengths) else 1)

    def join(a: Tensor, b: Tensor, axis: int) -> Tensor:
        result = a.new_zeros([*a.shape[:axis], length, *a.shape[axis + 1 :]])
        shared = min(length, a.shape[axis])
        result.narrow(axis, 0, shared).copy_(a.narrow(axis, 0, shared))
        part = result.new_zeros([len(b), *result.shape[1:]])
        part.narrow(axis, 0, b.shape[axis]).copy_(b)
        result[which] = part
        return result

    hkl, multiplicity = join(lists.hkl, new.hkl, 1), join(lists.multiplicity, new.multiplicity, 1)
    # Padding repeats the sample's first reflection.
    hkl = torch.where((multiplicity > 0)[..., None], hkl, hkl[:, :1])
    anchor = lists.anchor.clone()
    anchor[which] = new.anchor
    geometrical = join(old[1][0], fresh[1][0], 2), join(old[1][1], fresh[1][1], 2)
    return Reflections(hkl, multiplicity, anchor, lists.reach), geometrical


def _half_box(lattice: Float[Tensor, "batch 6"], radius: float, hkl_max: int | None) -> Float[Tensor, "box 3"]:
    """Return the integer triples of the box around the sphere, one of each pair +-hkl, without (0, 0, 0); float64."""
    bounds = torch.floor(lattice[:, :3].double().amax(0) * radius).long()
    if hkl_max is not None:
        bounds = bounds.clamp(max=hkl_max)
    h, k, l = (torch.arange(-int(n), int(n) + 1, device=lattice.device) for n in bounds)  # noqa: E741
    box = torch.cartesian_prod(h[h >= 0], k, l)
    h, k, l = box.unbind(-1)  # noqa: E741
    positive = (h > 0) | ((h == 0) & (k > 0)) | ((h == 0) & (k == 0) & (l > 0))
    return box[positive].double()


def in_reach(reflections: Reflections, lattice: Float[Tensor, "batch 6"]) -> Tensor:
    """Return whether each list is complete for the given cells (bool [B]).

    With the anchor's metric G = C C^T, the largest stretch squared is the largest eigenvalue of A = C^-1 G' C^-T,
    at most 1 + |A - 1| in the Frobenius norm: a bound that costs no eigenvalues and errs on the safe side.
    """
    frame = reflections.frame
    relative = frame @ metric(lattice.detach().double()) @ frame.mT
    strain = torch.linalg.vector_norm(relative - reflections._one, dim=(-2, -1))
    return 1 + strain <= reflections.reach**2 * (1 + RADIUS_SLACK)
