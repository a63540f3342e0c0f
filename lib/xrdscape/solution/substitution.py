"""The elements asked for on the sites of a known structure, by chemistry alone."""

from functools import cache
from itertools import permutations

import numpy as np
from pymatgen.core import Composition, Element, Lattice, Structure

from xrdscape.solution.library import Library


@cache
def mendeleev(number: int) -> float:
    """Return the Mendeleev number of an element: neighbours are alike in their chemistry."""
    return float(Element.from_Z(number).mendeleev_no)


def best_assignment(contents: Composition, library: Library, place: int) -> tuple[float, dict[int, Element]]:
    """Return the least sum of differences in Mendeleev numbers between an entry's elements and those that take their
    sites, and these by the atomic numbers of the entry's; counts of atoms must agree, and do for entries of the type.
    """
    own = {element.Z: round(count) for element, count in library.composition(place).items()}
    best: tuple[float, dict[int, Element]] = (np.inf, {})
    for order in permutations(contents):
        if any(round(contents[new]) != own[old] for old, new in zip(own, order, strict=True)):
            continue
        apart = sum(abs(mendeleev(old) - mendeleev(new.Z)) for old, new in zip(own, order, strict=True))
        if apart < best[0]:
            best = (apart, dict(zip(own, order, strict=True)))
    return best


def chemical_distance(contents: Composition, library: Library, place: int) -> float:
    """Return the distance of `best_assignment`."""
    return best_assignment(contents, library, place)[0]


def assigned(contents: Composition, library: Library, place: int, volume: float) -> Structure:
    """Return an entry with the elements asked for at their nearest, and its cell at a volume in angstrom^3; errors as
    `crystal.orbits.expand`."""
    known, (_, by_number) = library.structure(place), best_assignment(contents, library, place)
    scale = (volume / known.volume) ** (1 / 3)
    species = [by_number[site.specie.Z] for site in known]
    return Structure(Lattice(known.lattice.matrix * scale), species, known.frac_coords)
