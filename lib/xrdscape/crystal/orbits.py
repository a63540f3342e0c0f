"""Crystals by their orbits: a space group, a cell, and one site of each set of equivalent ones with its element."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from xrdscape.crystal.primitive_groups import Exact, PrimitiveGroup, primitive_group
from xrdscape.errors import StructureError

SAME_SITE = 2e-3
"""Images of a site nearer than this in fractional coordinates are one."""


@dataclass(frozen=True)
class Orbits:
    """A crystal's asymmetric unit in the standard setting of its group.

    Args:
        number: of the space group.
        parameters: a, b, c in angstrom and angles in degrees of the conventional cell [6].
        numbers: atomic number of each orbit, or any other label of what sits there [n].
        letters: Wyckoff letter of each orbit, such as "a".
        coords: of one site of each orbit, by the conventional cell [n, 3].
    """

    number: int
    parameters: Exact
    numbers: NDArray[np.int64]
    letters: str
    coords: Exact

    @property
    def group(self) -> PrimitiveGroup:
        """The space group."""
        return primitive_group(self.number)

    @cached_property
    def expanded(self) -> "Expansion":
        """All sites of the primitive cell."""
        return expand(self.group, self.coords)


@dataclass(frozen=True)
class Expansion:
    """Sites of a primitive cell, orbit by orbit.

    Args:
        frac: exact fractional coordinates [N, 3].
        orbit: number of each site's orbit [N].
        operation: number of the operation that brings the orbit's first site there [N].
        projectors: of displacements of each orbit's first site, in fractional coordinates, to those that its site
            symmetry allows [orbits, 3, 3].
    """

    frac: Exact
    orbit: NDArray[np.int64]
    operation: NDArray[np.int64]
    projectors: Exact


def expand(group: PrimitiveGroup, coords: Exact) -> Expansion:
    """Return the sites of the primitive cell from one of each orbit [n, 3] by the conventional cell.

    Raises:
        StructureError: a site is so near to a special position that its images neither coincide nor stay apart.
    """
    first = coords @ np.linalg.inv(group.centring)
    frac, orbit, operation, projectors = [], [], [], []
    for place, x in enumerate(first):
        images = group.rotations @ x + group.translations
        apart = images[:, None] - images[None]
        apart -= np.round(apart)
        same = (np.abs(apart) < SAME_SITE).all(-1)
        fixing = group.rotations[same[0]]
        projector = fixing.mean(0)
        # The exact special position: the mean of the images that fall upon the first site.
        home = images[same[0]] + np.round(x - images[same[0]])
        exact = home.mean(0)
        kept = np.flatnonzero(same.argmax(1) == np.arange(len(images)))
        if len(kept) * same[0].sum() != len(images):
            raise StructureError("A site's images under its space group neither coincide nor stay apart.")
        frac.append(group.rotations[kept] @ exact + group.translations[kept])
        orbit += [place] * len(kept)
        operation += kept.tolist()
        projectors.append(projector)
    whole = np.concatenate(frac)
    return Expansion(whole - np.floor(whole), np.array(orbit), np.array(operation), np.array(projectors))
