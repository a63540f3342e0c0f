"""Distances in crystals: the shortest of each pair of elements, and a fingerprint of how sites are arranged."""

import numpy as np
from numpy.typing import NDArray

from xrdscape.solution.kernels.geometry_kernel import Exact, nearest, pair_shortest

NEIGHBOURS = 6
"""Distances that a fingerprint holds for each ordered pair of species."""


def shortest_by_pair(lattice: Exact, frac: Exact, species: NDArray[np.int64], kinds: int) -> Exact:
    """Return the shortest distance of each pair of species in angstrom [kinds, kinds]; 99 where there is none near."""
    return np.asarray(pair_shortest(lattice, frac, species, kinds))


def fingerprint(lattice: Exact, frac: Exact, species: NDArray[np.int64], kinds: int) -> Exact:
    """Return how sites are arranged, whatever the size: a number of values that depends on the kinds alone.

    The cell is scaled to one unit of volume a site. For each ordered pair of species, the mean over the sites of the
    first of its `NEIGHBOURS` shortest distances to sites of the second; the species in an order that their numbers of
    sites and their own distances give, so that two elements of equal count may change places.
    """
    unit = lattice / (abs(np.linalg.det(lattice)) / len(frac)) ** (1 / 3)
    values = np.asarray(nearest(unit, frac, species, kinds, NEIGHBOURS))
    counts = np.bincount(species, minlength=kinds)
    order = sorted(range(kinds), key=lambda s: (counts[s], *np.round(values[s, s], 2)))
    return values[np.ix_(order, order)].ravel()


def fingerprint_of_elements(lattice: Exact, frac: Exact, species: NDArray[np.int64], kinds: int) -> Exact:
    """Return the same in angstrom and in the order of the species: of this crystal, not of its arrangement."""
    return np.asarray(nearest(lattice, frac, species, kinds, NEIGHBOURS)).ravel()
