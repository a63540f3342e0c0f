"""Contents of a cell: the species on each site, without any geometry."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from pymatgen.core import Composition, Element, Structure


@dataclass(frozen=True)
class Contents:
    """The species on each site of a cell, in the order of the sites.

    Args:
        species: the elements on each site with their occupancies; plain elements, as `load_structure` gives them.
    """

    species: tuple[Composition, ...]

    @classmethod
    def of(cls, structure: Structure) -> "Contents":
        """Return the contents of a structure; its cell and its coordinates are not kept."""
        return cls(tuple(structure.species_and_occu))

    def __len__(self) -> int:
        return len(self.species)

    @cached_property
    def elements(self) -> tuple[str, ...]:
        """Symbols of the elements in alphabetical order."""
        return tuple(sorted({element.symbol for site in self.species for element in site}))

    @cached_property
    def occupancy(self) -> Float[np.ndarray, "sites elements"]:
        """Occupancy of each site by each element, in [0, 1]."""
        return np.array([[site[Element(e)] for e in self.elements] for site in self.species], dtype=np.float64)


def contents_of(crystal: "Structure | Contents") -> Contents:
    """Return the contents of a structure, or contents as they are."""
    return crystal if isinstance(crystal, Contents) else Contents.of(crystal)
