"""Answers without the pattern: what chemistry alone, or chance, knows of a crystal."""

import numpy as np
from pymatgen.core import Composition, Structure

from xrdscape.errors import StructureError
from xrdscape.solution.chemistry import Chemistry
from xrdscape.solution.library import Library
from xrdscape.solution.substitution import assigned, chemical_distance

Named = tuple[Structure, str]
"""A structure, and the name of the entry whose arrangement it has."""


def nearest_chemistry(
    contents: Composition, library: Library, chemistry: Chemistry, most: int, generator: np.random.Generator
) -> list[Named]:
    """Return entries of the formula type whose elements are nearest to those asked for, with these on their sites, at
    the volume that is expected.

    Args:
        contents: of the primitive cell.
        library, chemistry: what is known.
        most: how many.
        generator: not used; the order is that of Mendeleev numbers.
    """
    del generator
    known = [(chemical_distance(contents, library, int(place)), int(place)) for place in _of_type(contents, library)]
    return _first([place for _, place in sorted(known)], contents, library, chemistry, most)


def random_entries(
    contents: Composition, library: Library, chemistry: Chemistry, most: int, generator: np.random.Generator
) -> list[Named]:
    """Return random entries of the formula type, with the same arguments."""
    places = [int(place) for place in generator.permutation(_of_type(contents, library))]
    return _first(places, contents, library, chemistry, most)


def _of_type(contents: Composition, library: Library) -> np.ndarray:
    return library.of_type([round(count) for count in contents.values()]).arrangements()


def _first(places: list[int], contents: Composition, library: Library, chemistry: Chemistry, most: int) -> list[Named]:
    found: list[Named] = []
    for place in places:
        try:
            found.append((assigned(contents, library, place, chemistry.volume(contents)), library.id(place)))
        except StructureError:
            continue
        if len(found) == most:
            break
    return found
