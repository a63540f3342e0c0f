"""Facts on the candidates of a solution: what each is, where it comes from, and which other one it resembles."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import spglib
from pymatgen.core import Composition, Element, Structure

from xrdscape.solution.candidates import NEIGHBOURS_Z
from xrdscape.solution.geometry import NEIGHBOURS, fingerprint_of_elements, shortest_by_pair
from xrdscape.solution.library import Library
from xrdscape.solution.packing import CARRIED
from xrdscape.solution.solution import Ranked, Solution

SYMPREC_ANGSTROM = 0.01
"""Within which a candidate's symmetry is sought, for the list and for its CIF."""
LOOSE_ANGSTROM = 0.1
"""Within which a higher symmetry is told of: a pattern of nanocrystals hardly shows less."""
EXCHANGED_ALIKE = 0.1
"""Largest relative difference of the fingerprints of two candidates of one arrangement, elements exchanged."""
BOUND_FACTOR = 1.5
"""Distances up to this multiple of the shortest that the library knows for a pair are told of."""


@dataclass(frozen=True)
class Distance:
    """The shortest distance of a pair of elements in angstrom, and that over the shortest that the library knows."""

    pair: tuple[str, str]
    angstrom: float
    ratio: float


@dataclass(frozen=True, eq=False)
class Facts:
    """A candidate in words and numbers.

    Args:
        rank: from 1.
        file: name of its CIF.
        structure: its primitive cell.
        formula: reduced.
        cell_contents: of the primitive cell.
        space_group: short symbol of the group found within `SYMPREC_ANGSTROM`.
        space_group_number: of it.
        fitted_group: short symbol of the group that the fit kept.
        loose_group: short symbol of the group found within `LOOSE_ANGSTROM`, where it is higher.
        r_wp_squared, r_nano: as of `Ranked`.
        prototype: the library's name of the entry that it comes from.
        prototype_source: what that entry is to be called by.
        prototype_formula: of that entry.
        shared_by: how many entries of the library have that arrangement of sites.
        volume_angstrom3: of the primitive cell.
        contact: least distance over the shortest that the library knows for the pair.
        origin: how it was proposed.
        alternative_to: rank of a candidate before it with neighbouring elements exchanged, or None.
        parameters: free ones of the fit: cell and coordinates.
        distances: the shortest of each pair of elements, as far as atoms touch.
    """

    rank: int
    file: str
    structure: Structure
    formula: str
    cell_contents: str
    space_group: str
    space_group_number: int
    fitted_group: str
    loose_group: str
    r_wp_squared: float
    r_nano: float
    prototype: str
    prototype_source: str
    prototype_formula: str
    shared_by: int
    volume_angstrom3: float
    contact: float
    origin: str
    alternative_to: int | None
    parameters: int
    distances: tuple[Distance, ...]


def facts_of(solution: Solution) -> list[Facts]:
    """Return the facts on each candidate, in their order."""
    digits = max(2, len(str(len(solution.candidates))))
    return [_facts(row, solution, digits) for row in solution.candidates]


def _facts(row: Ranked, solution: Solution, digits: int) -> Facts:
    structure, fit, library = row.structure, row.candidate.fit, solution.library
    formula = structure.composition.reduced_formula
    symbol, number = group_found(structure) or (row.space_group, fit.template.orbits.number)
    loose = group_found(structure, LOOSE_ANGSTROM)
    source = library.source(fit.place)
    return Facts(
        rank=row.rank,
        file=f"{row.rank:0{digits}d}-{formula}.cif",
        structure=structure,
        formula=formula,
        cell_contents=structure.composition.formula,
        space_group=symbol,
        space_group_number=number,
        fitted_group=row.space_group,
        loose_group=loose[0] if loose and loose[1] > number else symbol,
        r_wp_squared=row.r_wp_squared,
        r_nano=row.r_nano,
        prototype=library.id(fit.place),
        prototype_source=CARRIED.get(source, source),
        prototype_formula=library.formula(fit.place),
        shared_by=sharing(library, fit.place),
        volume_angstrom3=float(structure.volume),
        contact=row.candidate.contact,
        origin=fit.origin,
        alternative_to=row.candidate.alternative_to or _exchanged(row, solution.candidates[: row.rank - 1]),
        parameters=fit.template.parameters,
        distances=tuple(_distances(row)),
    )


def group_found(structure: Structure, symprec_angstrom: float = SYMPREC_ANGSTROM) -> tuple[str, int] | None:
    """Return the short symbol and the number of the space group within a tolerance, or None."""
    numbers = [site.specie.Z for site in structure]
    cell = structure.lattice.matrix.tolist(), structure.frac_coords.tolist(), numbers
    try:
        found = spglib.get_symmetry_dataset(cell, symprec=symprec_angstrom)
    except spglib.SpglibError:
        return None
    return None if found is None else (str(found.international), int(found.number))


def sharing(library: Library, place: int) -> int:
    """Return how many chosen entries of a library have the arrangement of sites of one of them."""
    numbers = library.data["arrangement"]
    return int((numbers[library.chosen] == numbers[place]).sum())


def resolvable(row: Ranked) -> int:
    """Return how many peaks have room beside each other in the pattern: its range over their width at half height."""
    evidence = row.candidate.search.evidence
    width = math.hypot(2.355 * evidence.sigma_inv_angstrom, 5.566 / evidence.thickness_angstrom)
    end = min(float(evidence.q_inv_angstrom[-1]), evidence.q_end_inv_angstrom)
    return max(1, round((end - float(evidence.q_inv_angstrom[0])) / width))


def _distances(row: Ranked) -> Iterable[Distance]:
    """Yield the shortest distance of each pair of elements that touch, the shortest first in units of the library's."""
    search, cell = row.candidate.search, row.candidate.fit.cell
    elements, shortest = search.elements, search.restraints.shortest
    own = shortest_by_pair(cell.lattice, cell.frac, cell.species, len(elements))
    found = [
        Distance((elements[i], elements[j]), float(own[i, j]), float(own[i, j] / shortest[i, j]))
        for i in range(len(elements))
        for j in range(i, len(elements))
    ]
    near = sorted((pair for pair in found if pair.ratio < BOUND_FACTOR), key=lambda pair: pair.ratio)
    return near or sorted(found, key=lambda pair: pair.ratio)[:1]


def _exchanged(row: Ranked, before: Iterable[Ranked]) -> int | None:
    """Return the rank of a candidate before this one that is it with two neighbouring elements exchanged, or None."""
    numbers = [Element(element).Z for element in row.candidate.search.elements]
    counts = row.candidate.search.counts
    own = _print(row)
    for other in before:
        if other.candidate.search.counts != counts:
            continue
        for a, b in combinations(range(len(numbers)), 2):
            if counts[a] != counts[b] or abs(numbers[a] - numbers[b]) > NEIGHBOURS_Z:
                continue
            order = np.arange(len(numbers))
            order[[a, b]] = b, a
            if np.abs(own[np.ix_(order, order)] / _print(other) - 1).max() < EXCHANGED_ALIKE:
                return other.rank
    return None


def _print(row: Ranked) -> np.ndarray:
    cell, kinds = row.candidate.fit.cell, len(row.candidate.search.elements)
    values = fingerprint_of_elements(cell.lattice, cell.frac, cell.species, kinds)
    return values.reshape(kinds, kinds, NEIGHBOURS)


def contents_text(cells: Iterable[Composition]) -> str:
    """Return contents of cells as text."""
    return ", ".join(cell.formula for cell in cells)
