"""The list that a search ends in: different crystals, the one first that explains the pattern best."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Element, Lattice, Structure

from xrdscape.optimisation.kernels.mesh_fit_kernel import least_ratio
from xrdscape.solution.geometry import NEIGHBOURS, fingerprint_of_elements
from xrdscape.solution.prototypes import LAST, Fit, Leg, Search, relaxed

Exact = NDArray[np.float64]

NEAR, TOO_NEAR = 0.85, 0.1
"""Shortest distances in units of the library's below which a candidate stands behind the others."""
SHORT_LIST, PLACES_OF_PROTOTYPES, PLACES_OF_A_SEQUENCE = 10, 3, 2
"""First candidates in which some places are kept for prototypes, how many, and places of one Wyckoff sequence."""
NO_WORSE, NO_WORSE_SHARE = 1.5, 2e-5
"""Multiple of what a description leaves, and share on top, up to which a simpler one of that crystal replaces it."""
ALIKE, ALIKE_ON_SAME_SITES = 0.02, 0.08
"""Candidates whose fingerprints differ nowhere by more than this share are one crystal; on the same sites of one group,
by more than the second."""
Occupation = tuple[int, tuple[tuple[str, int], ...]]
NEIGHBOURS_Z = 6
"""Elements nearer than this in atomic number scatter so much alike that both orders are worth showing."""
POLISH = (Leg(LAST, True, 20),)


@dataclass(frozen=True, eq=False)
class Candidate:
    """A crystal that may be behind the pattern.

    Args:
        fit: where it comes from.
        search: that the fit belongs to.
        contact: least distance of two atoms over the shortest that the library knows for such a pair.
        alternative_to: rank of the candidate before it in the list from which it differs only by an exchange of
            neighbouring elements; None otherwise.
    """

    fit: Fit
    search: Search
    contact: float
    alternative_to: int | None = None

    @property
    def residual(self) -> float:
        """Unexplained share of the pattern."""
        return self.fit.residual

    @property
    def weighted(self) -> float:
        """The same, ten times as much for each `TOO_NEAR` that atoms are nearer than `NEAR`."""
        return self.fit.residual * 10 ** (max(NEAR - self.contact, 0) / TOO_NEAR)

    @property
    def likely(self) -> bool:
        """Judgement that no two atoms are much nearer than they hardly ever are."""
        return self.contact >= NEAR - TOO_NEAR

    @cached_property
    def structure(self) -> Structure:
        """Its primitive cell."""
        return structure_of_fit(self.search, self.fit)


def structure_of_fit(search: Search, fit: Fit) -> Structure:
    """Return a fit's crystal in its primitive cell."""
    return Structure(Lattice(fit.cell.lattice), [search.elements[s] for s in fit.cell.species], fit.cell.frac % 1)


def swaps(search: Search, fits: Iterable[Fit]) -> list[Fit]:
    """Return the best fits with two elements exchanged that scatter much alike, fitted again."""
    numbers = [Element(element).Z for element in search.elements]
    pairs = [(a, b) for a, b in combinations(range(len(numbers)), 2)
             if abs(numbers[a] - numbers[b]) <= NEIGHBOURS_Z and search.counts[a] == search.counts[b]]  # fmt: skip
    found = []
    for fit in fits:
        for a, b in pairs:
            other = np.arange(len(numbers))
            other[[a, b]] = b, a
            cell = fit.cell._replace(species=other[fit.cell.species])
            try:
                end = relaxed(search, fit.template, cell, (Leg(LAST, True, 8),))
            except np.linalg.LinAlgError:
                continue
            found.append(Fit(fit.template, end.cell, end.residual, fit.place, "swap"))
    return found


def ranked(search: Search, fits: Iterable[Fit], most: int) -> list[Candidate]:
    """Return different candidates by what they leave unexplained, more of it where atoms are too near.

    Of descriptions of one crystal, that with fewer parameters stands for it unless it leaves clearly more; but the best
    with two elements exchanged is another crystal, however near. Where random starts crowd the list, some places are
    kept for prototypes, which are right more often at the same fit.

    Args:
        search: that the fits belong to.
        fits: any number.
        most: how many candidates.
    """
    marked = sorted((_marked(search, fit) for fit in fits), key=lambda candidate: candidate.weighted)
    kept: list[Candidate] = []
    prints: list[tuple[Exact, Occupation]] = []
    proven, of_sequence = 0, Counter[int]()
    for candidate in marked:
        of_prototype = candidate.fit.origin != "sequence"
        if len(kept) >= most and proven >= PLACES_OF_PROTOTYPES:
            break
        if not of_prototype and (len(kept) >= most or of_sequence[id(candidate.fit.template)] == PLACES_OF_A_SEQUENCE):
            continue
        cell = candidate.fit.cell
        own = fingerprint_of_elements(cell.lattice, cell.frac, cell.species, len(search.elements))
        sites = _occupation(candidate.fit)
        alike = (n for n, (other, there) in enumerate(prints) if _alike(own, other, sites == there))
        twin = next((n for n in alike if n or not _exchanged(own, prints[0][0])), None)
        if twin is None:
            kept.append(candidate)
            prints.append((own, sites))
            proven += of_prototype
            of_sequence[id(candidate.fit.template)] += 1
        elif _simpler(candidate, kept[twin]):
            kept[twin] = candidate
    short = _within(kept, min(most, SHORT_LIST))
    return [*short, *(candidate for candidate in kept if candidate not in short)][:most]


def _alike(one: Exact, other: Exact, same_sites: bool) -> bool:
    return bool(np.abs(one / other - 1).max() < (ALIKE_ON_SAME_SITES if same_sites else ALIKE))


def _exchanged(one: Exact, other: Exact) -> bool:
    """Return whether distances are rather those of another crystal after two elements have changed places."""
    kinds = round(math.sqrt(len(one) / NEIGHBOURS))
    first, second = one.reshape(kinds, kinds, NEIGHBOURS), other.reshape(kinds, kinds, NEIGHBOURS)
    off = np.abs(first / second - 1).max()
    for a, b in combinations(range(kinds), 2):
        order = np.arange(kinds)
        order[[a, b]] = b, a
        if np.abs(first[np.ix_(order, order)] / second - 1).max() < off:
            return True
    return False


def _occupation(fit: Fit) -> Occupation:
    """Return the space group of a fit, and the Wyckoff letters with the species on them."""
    orbits = fit.template.orbits
    first = np.flatnonzero(np.diff(orbits.expanded.orbit, prepend=-1))
    return orbits.number, tuple(sorted(zip(orbits.letters, fit.cell.species[first].tolist(), strict=True)))


def _within(kept: list[Candidate], most: int) -> list[Candidate]:
    """Return the first candidates, and prototypes from further down in place of the last from random starts."""
    inside, beyond = kept[:most], [candidate for candidate in kept[most:] if candidate.fit.origin != "sequence"]
    places = min(PLACES_OF_PROTOTYPES, most // 2) - sum(candidate.fit.origin != "sequence" for candidate in inside)
    for candidate in beyond[: max(places, 0)]:
        last = max(n for n, other in enumerate(inside) if other.fit.origin == "sequence")
        inside = [*inside[:last], *inside[last + 1 :], candidate]
    return inside


def _marked(search: Search, fit: Fit) -> Candidate:
    cell = fit.cell
    contact = float(least_ratio(cell.lattice, cell.frac, cell.species, search.restraints.shortest))
    return Candidate(fit, search, contact)


def _simpler(candidate: Candidate, kept: Candidate) -> bool:
    fewer = candidate.fit.template.parameters < kept.fit.template.parameters
    return fewer and candidate.weighted <= NO_WORSE * kept.weighted + NO_WORSE_SHARE
