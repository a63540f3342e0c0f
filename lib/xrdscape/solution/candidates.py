"""The list that a search ends in: different crystals, the one first that explains the pattern best."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Element, Lattice, Structure

from xrdscape.optimisation.kernels.mesh_fit_kernel import least_ratio
from xrdscape.solution.geometry import fingerprint_of_elements
from xrdscape.solution.prototypes import LAST, Fit, Leg, Search, relaxed

Exact = NDArray[np.float64]

NEAR = 0.85
"""Shortest distances in units of the library's below which a candidate stands behind the others."""
ALIKE = 0.02
"""Candidates whose fingerprints differ nowhere by more than this share are one crystal."""
NEIGHBOURS_Z = 6
"""Elements nearer than this in atomic number scatter so much alike that both orders are worth showing."""
POLISH = (Leg(LAST, True, 20),)
SWAPPED_FITS = 5


@dataclass(frozen=True, eq=False)
class Candidate:
    """A crystal that may be behind the pattern.

    Args:
        fit: where it comes from.
        structure: its primitive cell.
        residual: unexplained share of the pattern.
        contact: least distance of two atoms over the shortest that the library knows for such a pair.
        alternative_to: rank of the candidate before it in the list from which it differs only by an exchange of
            neighbouring elements; None otherwise.
    """

    fit: Fit
    structure: Structure
    residual: float
    contact: float
    alternative_to: int | None = None

    @property
    def likely(self) -> bool:
        """Judgement that no two atoms are nearer than they hardly ever are."""
        return self.contact >= NEAR


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
    """Return different candidates, those with likely distances first, by what they leave unexplained.

    Args:
        search: that the fits belong to.
        fits: any number.
        most: how many candidates.
    """
    marked = []
    for fit in fits:
        cell = fit.cell
        contact = float(least_ratio(cell.lattice, cell.frac, cell.species, search.restraints.shortest))
        marked.append((contact < NEAR, fit.residual, contact, fit))
    marked.sort(key=lambda row: row[:2])
    kept: list[Candidate] = []
    prints: list[Exact] = []
    for _, _, contact, fit in marked:
        if len(kept) == most:
            break
        own = fingerprint_of_elements(fit.cell.lattice, fit.cell.frac, fit.cell.species, len(search.elements))
        if any(np.abs(own / other - 1).max() < ALIKE for other in prints):
            continue
        prints.append(own)
        kept.append(Candidate(fit, structure_of_fit(search, fit), fit.residual, contact))
    return kept
