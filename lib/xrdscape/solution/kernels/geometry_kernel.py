"""Compiled loops over pairs of atoms of a crystal."""

import numpy as np
from numpy.typing import NDArray

from xrdscape.runtime.compiled import kept

Exact = NDArray[np.float64]
FAR = 99.0


@kept()
def pair_shortest(lattice: Exact, frac: Exact, species: NDArray[np.int64], kinds: int) -> Exact:
    """Return the shortest distance of each pair of species [kinds, kinds], among the nearest images of each pair of
    atoms and their 26 neighbours."""
    out = np.full((kinds, kinds), FAR)
    n, apart = len(frac), np.empty(3)
    for i in range(n):
        for j in range(i, n):
            for axis in range(3):
                apart[axis] = frac[i, axis] - frac[j, axis]
                apart[axis] -= np.round(apart[axis])
            for a in range(-1, 2):
                for b in range(-1, 2):
                    for c in range(-1, 2):
                        if i == j and a == 0 and b == 0 and c == 0:
                            continue
                        squared = 0.0
                        for axis in range(3):
                            x = ((apart[0] + a) * lattice[0, axis] + (apart[1] + b) * lattice[1, axis]
                                 + (apart[2] + c) * lattice[2, axis])  # fmt: skip
                            squared += x * x
                        d = np.sqrt(squared)
                        s, t = species[i], species[j]
                        if d < out[s, t]:
                            out[s, t] = out[t, s] = d
    return out


@kept()
def nearest(lattice: Exact, frac: Exact, species: NDArray[np.int64], kinds: int, count: int) -> Exact:
    """Return the mean over the atoms of one species of their `count` shortest distances to another, in rising order,
    [kinds, kinds, count]; two cells far in each direction."""
    n = len(frac)
    total, sites = np.zeros((kinds, kinds, count)), np.zeros(kinds)
    apart = np.empty(3)
    for i in range(n):
        best = np.full((kinds, count), FAR)
        for j in range(n):
            for axis in range(3):
                apart[axis] = frac[i, axis] - frac[j, axis]
                apart[axis] -= np.round(apart[axis])
            for a in range(-2, 3):
                for b in range(-2, 3):
                    for c in range(-2, 3):
                        if i == j and a == 0 and b == 0 and c == 0:
                            continue
                        squared = 0.0
                        for axis in range(3):
                            x = ((apart[0] + a) * lattice[0, axis] + (apart[1] + b) * lattice[1, axis]
                                 + (apart[2] + c) * lattice[2, axis])  # fmt: skip
                            squared += x * x
                        d, row = np.sqrt(squared), best[species[j]]
                        if d < row[count - 1]:
                            place = count - 1
                            while place > 0 and row[place - 1] > d:
                                row[place] = row[place - 1]
                                place -= 1
                            row[place] = d
        total[species[i]] += best
        sites[species[i]] += 1
    for s in range(kinds):
        total[s] /= max(sites[s], 1)
    return total
