"""Work that the reflections of a cell are, from its volume alone, before any of it begins."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from xrdscape.crystal.cell import metric
from xrdscape.errors import CellError

LARGEST_BOX = 30_000_000
"""Triples h, k, l that are looked through: 24 bytes each, and some copies of them, fill 4 GB."""

LARGEST_PHASES = 100_000_000
"""Sites times reflections: four numbers of 8 bytes each fill 3 GB and take about ten seconds."""


def refuse_size(
    lattice: Float[Tensor, "batch 6"], sites: int, max_reciprocal_length: float, hkl_max: int | None = None
) -> None:
    """Refuse cells whose reflections within a sphere are more than memory holds.

    Args:
        lattice: lattice parameters.
        sites: of each cell.
        max_reciprocal_length: radius of the limiting sphere, 1/angstrom.
        hkl_max: largest index, where it is limited.

    Raises:
        CellError: too many reflections.
    """
    indices = torch.floor(lattice[:, :3].double() * max_reciprocal_length)
    indices = indices if hkl_max is None else indices.clamp(max=hkl_max)
    box = (2 * indices + 1).prod(-1) / 2
    volume = torch.linalg.det(metric(lattice.double())).clamp_min(0).sqrt()
    count = torch.minimum(2 / 3 * math.pi * max_reciprocal_length**3 * volume, box)
    work = torch.maximum(box / LARGEST_BOX, count * sites / LARGEST_PHASES)
    if not bool((work > 1).any()):
        return
    worst = int(work.argmax())
    a, b, c = (float(length) for length in lattice[worst, :3])
    raise CellError(
        f"a cell of {a:g} x {b:g} x {c:g} angstrom with {sites} sites has about {float(count[worst]):.2g} reflections "
        f"in this range, {float(work[worst]):.2g} times as many as fit. Use a longer wavelength, a smaller "
        "two_theta_max_deg or the primitive cell."
    )
