"""Compiled least squares of one crystal against a smoothed pattern, in the strains and displacements that its symmetry
allows: Levenberg-Marquardt with the pattern's scale eliminated.

Thousands of crystals are fitted within a second or two, which leaves no time for a tensor library's calls.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xrdscape.diffraction.kernels.mesh_kernel import (
    LARGEST_SINE_SQUARED,
    LEAST_Q,
    TAPER_REACH,
    TWO_PI,
    Beam,
    Cell,
    Exact,
    Moves,
    spline,
    spread,
    unique_reflections,
)
from xrdscape.runtime.compiled import kept

MOST_REFLECTIONS = 6000
REACH = 1.12
"""Reflections are listed up to this multiple of the end, so that strains may bring them into range."""
LISTED_STRAIN = 0.1
"""Strain (Frobenius norm) after which reflections are listed anew."""
DAMPING, EASED, STRAINED, GIVEN_UP, TRIES = 1e-2, 0.2, 5.0, 1e4, 4
LEAST_DAMPING, LEAST_CURVATURE = 1e-6, 1e-4
LARGEST_STRAIN = 0.04
"""Largest strain of one step."""
SETTLED, FLOOR = 1e-5, 0.02
"""A fit stops when a step gains less than this share of its cost, or of this floor."""
VOLUME_WEIGHT = 2e-3
"""Weight of ((ln V - ln V0) / sigma)^2 beside the pattern's share of unexplained squares, between 0 and 1."""


class Target(NamedTuple):
    """A pattern to be explained: values at the points [n], and the matrix from the mesh's nodes to them [n, nodes];
    both times the root of the points' weights. With the mesh: first node and step in Q, 1/angstrom."""

    values: Exact
    kernel: Exact
    first_node: float
    step: float


class Restraints(NamedTuple):
    """Expectations beside the pattern: ln of the volume in angstrom^3, its standard deviation, the shortest
    distances of species [species, species] in angstrom, and the weight of their violation."""

    log_volume: float
    log_volume_sigma: float
    shortest: Exact
    weight: float


class Fitted(NamedTuple):
    """The end of a fit: lattice [3, 3], fractional coordinates [N, 3], share of the target's squares that stay
    unexplained at the best scale, that scale, and how many patterns it took."""

    lattice: Exact
    frac: Exact
    residual: float
    scale: float
    patterns: int


@kept(fastmath=True)
def scan(cell: Cell, kinds: int, assignments: NDArray[np.int64], beam: Beam, target: Target,
         scales: Exact) -> Exact:  # fmt: skip
    """Return the unexplained share of a crystal under each assignment of species to its kinds of sites, at several
    multiples of its cell's lengths [assignments, scales].

    Args:
        cell: its species are kinds of sites, 0 to `kinds` - 1.
        kinds: how many there are.
        assignments: the species, a row of `beam.factors`, of each kind [assignments, kinds].
        beam, target: the experiment.
        scales: multiples.
    """
    reciprocal = TWO_PI * np.linalg.inv(cell.lattice).T
    end = beam.q_end + TAPER_REACH * beam.taper
    hkl, multiplicity = unique_reflections(
        reciprocal, cell.rotations, cell.translations, end * scales.max(), MOST_REFLECTIONS
    )
    count, nodes = hkl.shape[0], target.kernel.shape[1]
    length, real, imaginary = np.empty(count), np.zeros((count, kinds)), np.zeros((count, kinds))
    for m in range(count):
        squared = 0.0
        for axis in range(3):
            part = (hkl[m, 0] * reciprocal[0, axis] + hkl[m, 1] * reciprocal[1, axis]
                    + hkl[m, 2] * reciprocal[2, axis])  # fmt: skip
            squared += part * part
        length[m] = np.sqrt(squared)
        for j in range(cell.frac.shape[0]):
            phase = TWO_PI * (hkl[m, 0] * cell.frac[j, 0] + hkl[m, 1] * cell.frac[j, 1] + hkl[m, 2] * cell.frac[j, 2])
            real[m, cell.species[j]] += np.cos(phase)
            imaginary[m, cell.species[j]] += np.sin(phase)
    found = np.empty((len(assignments), len(scales)))
    meshes = np.empty((nodes, len(assignments)))
    value, change = np.empty(4), np.empty(4)
    power = (target.values * target.values).sum()
    for i in range(len(scales)):
        meshes[:] = 0.0
        for m in range(count):
            q = length[m] / scales[i]
            s = q * beam.wavelength / (2 * TWO_PI)
            s2 = s * s
            if q > end or q < LEAST_Q or s2 > LARGEST_SINE_SQUARED:
                continue
            strength = multiplicity[m] / (1 + np.exp((q - beam.q_end) / beam.taper))
            strength *= (2 - 4 * s2 * (1 - s2)) / (s2 * np.sqrt(1 - s2))
            offset = (q - target.first_node) / target.step
            node = int(np.floor(offset))
            spline(offset - node, target.step, value, change)
            place = q / beam.factor_step
            low = min(int(place), beam.factors.shape[1] - 2)
            part = place - low
            for a in range(len(assignments)):
                x, y = 0.0, 0.0
                for kind in range(kinds):
                    e = assignments[a, kind]
                    factor = beam.factors[e, low] * (1 - part) + beam.factors[e, low + 1] * part
                    x += factor * real[m, kind]
                    y += factor * imaginary[m, kind]
                intensity = strength * (x * x + y * y)
                for p in range(4):
                    if 0 <= node - 1 + p < nodes:
                        meshes[node - 1 + p, a] += intensity * value[p]
        patterns = np.dot(target.kernel, meshes)
        for a in range(len(assignments)):
            own, both = (patterns[:, a] * patterns[:, a]).sum(), (patterns[:, a] * target.values).sum()
            found[a, i] = 1 - both * both / own / power if own > 0 and both > 0 else 1.0
    return found


@kept(fastmath=True)
def repulsion(lattice: Exact, frac: Exact, species: NDArray[np.int64], moves: Moves, restraints: Restraints,
              square: Exact, slope: Exact) -> float:  # fmt: skip
    """Return weight / N times the sum of (1 - d / d_shortest)^2 over pairs that are too near, and write half its
    gradient [P] and its Gauss-Newton matrix [P, P] in strains and displacements."""
    square[:], slope[:] = 0.0, 0.0
    n, strains, shifts = frac.shape[0], moves.strains.shape[0], moves.displacements.shape[0]
    total, weight = 0.0, restraints.weight / n
    row = np.empty(strains + shifts)
    apart, x, along = np.empty(3), np.empty(3), np.empty(3)
    for i in range(n):
        for j in range(i, n):
            least = restraints.shortest[species[i], species[j]]
            for axis in range(3):
                apart[axis] = frac[i, axis] - frac[j, axis]
                apart[axis] -= np.round(apart[axis])
            for a in range(-1, 2):
                for b in range(-1, 2):
                    for c in range(-1, 2):
                        if i == j and (a < 0 or (a == 0 and (b < 0 or (b == 0 and c <= 0)))):
                            continue
                        for axis in range(3):
                            x[axis] = ((apart[0] + a) * lattice[0, axis] + (apart[1] + b) * lattice[1, axis]
                                       + (apart[2] + c) * lattice[2, axis])  # fmt: skip
                        squared = x[0] * x[0] + x[1] * x[1] + x[2] * x[2]
                        if squared >= least * least:
                            continue
                        d = np.sqrt(squared) + 1e-6
                        short = 1 - d / least
                        total += weight * short * short
                        for s in range(strains):
                            e = moves.strains[s]
                            row[s] = 0.0
                            for axis in range(3):
                                row[s] -= (
                                    x[axis] * (e[axis, 0] * x[0] + e[axis, 1] * x[1] + e[axis, 2] * x[2]) / d / least
                                )
                        for k in range(shifts):
                            for axis in range(3):
                                along[axis] = moves.displacements[k, i, axis] - moves.displacements[k, j, axis]
                            row[strains + k] = 0.0
                            for axis in range(3):
                                row[strains + k] -= x[axis] / d / least * (
                                    along[0] * lattice[0, axis] + along[1] * lattice[1, axis]
                                    + along[2] * lattice[2, axis])  # fmt: skip
                        for p in range(strains + shifts):
                            slope[p] += weight * short * row[p]
                            for r in range(strains + shifts):
                                square[p, r] += weight * row[p] * row[r]
    return total


@kept(fastmath=True)
def least_ratio(lattice: Exact, frac: Exact, species: NDArray[np.int64], shortest: Exact) -> float:
    """Return the least distance of two atoms over what is the shortest for their species [species, species]; at most
    9."""
    n, best = frac.shape[0], 81.0
    apart = np.empty(3)
    for i in range(n):
        for j in range(i, n):
            least = shortest[species[i], species[j]]
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
                        best = min(best, squared / (least * least))
    return np.sqrt(best)


@kept(fastmath=True)
def fit(cell: Cell, moves: Moves, beam: Beam, target: Target, restraints: Restraints, steps: int,
        largest_move: float) -> Fitted:  # fmt: skip
    """Return the least squares nearby.

    Args:
        cell: where to begin.
        moves: strains and displacements that may change.
        beam, target: the experiment.
        restraints: volume and distances.
        steps: at most.
        largest_move: of one step, in the displacements' units.
    """
    strains, shifts = moves.strains.shape[0], moves.displacements.shape[0]
    count, power = strains + shifts, (target.values * target.values).sum()
    lattice, frac, listed = cell.lattice.copy(), cell.frac.copy(), cell.lattice.copy()
    reciprocal = TWO_PI * np.linalg.inv(lattice).T
    hkl, multiplicity = unique_reflections(
        reciprocal, cell.rotations, cell.translations, beam.q_end * REACH, MOST_REFLECTIONS
    )
    mesh = np.empty((target.kernel.shape[1], 1 + count))
    close, close_slope = np.zeros((count, count)), np.zeros(count)
    new_close, new_close_slope = np.zeros((count, count)), np.zeros(count)
    trace = np.zeros(count)
    for a in range(strains):
        trace[a] = moves.strains[a, 0, 0] + moves.strains[a, 1, 1] + moves.strains[a, 2, 2]
    by_volume = VOLUME_WEIGHT / restraints.log_volume_sigma**2
    spread(hkl, multiplicity, reciprocal, cell, moves, beam, target.first_node, target.step, mesh)
    patterns = np.dot(target.kernel, mesh).T.copy()
    scale = (patterns[0] * target.values).sum() / max((patterns[0] * patterns[0]).sum(), 1e-300)
    rest = scale * patterns[0] - target.values
    bigger = np.log(abs(np.linalg.det(lattice))) - restraints.log_volume
    cost = (rest * rest).sum() / power + by_volume * bigger**2
    if restraints.weight > 0:
        cost += repulsion(lattice, frac, cell.species, moves, restraints, close, close_slope)
    damping, made = DAMPING, 1
    for _ in range(steps):
        # The scale follows: derivatives across the pattern itself.
        unit = patterns[0] / np.sqrt(max((patterns[0] * patterns[0]).sum(), 1e-300))
        slopes = scale * patterns[1:]
        slopes = slopes - np.outer(np.dot(slopes, unit), unit)
        square = np.dot(slopes, slopes.T) / power + close + by_volume * np.outer(trace, trace)
        gradient = np.dot(slopes, rest) / power + close_slope + by_volume * bigger * trace
        better = False
        new_cost = cost
        for _try in range(TRIES):
            damped = square.copy()
            for p in range(count):
                damped[p, p] += damping * (square[p, p] + LEAST_CURVATURE)
            move = -np.linalg.solve(damped, gradient)
            over = 1.0
            for p in range(count):
                over = max(over, abs(move[p]) / (LARGEST_STRAIN if p < strains else largest_move))
            move /= over
            stretch = np.eye(3)
            for a in range(strains):
                stretch += move[a] * moves.strains[a]
            new_lattice, new_frac = np.dot(lattice, stretch), frac.copy()
            for k in range(shifts):
                new_frac += move[strains + k] * moves.displacements[k]
            reciprocal = TWO_PI * np.linalg.inv(new_lattice).T
            strained = np.dot(np.linalg.inv(listed), new_lattice) - np.eye(3)
            if (strained * strained).sum() > LISTED_STRAIN**2:
                hkl, multiplicity = unique_reflections(
                    reciprocal, cell.rotations, cell.translations, beam.q_end * REACH, MOST_REFLECTIONS
                )
                listed = new_lattice.copy()
            there = Cell(new_lattice, new_frac, cell.species, cell.rotations, cell.translations)
            spread(hkl, multiplicity, reciprocal, there, moves, beam, target.first_node, target.step, mesh)
            new_patterns = np.dot(target.kernel, mesh).T.copy()
            made += 1
            own = (new_patterns[0] * new_patterns[0]).sum()
            new_scale = (new_patterns[0] * target.values).sum() / max(own, 1e-300)
            new_rest = new_scale * new_patterns[0] - target.values
            new_bigger = np.log(abs(np.linalg.det(new_lattice))) - restraints.log_volume
            new_cost = (new_rest * new_rest).sum() / power + by_volume * new_bigger**2
            if restraints.weight > 0:
                new_cost += repulsion(
                    new_lattice, new_frac, cell.species, moves, restraints, new_close, new_close_slope
                )
            if new_cost < cost:
                better = True
                break
            damping *= STRAINED
            if damping > GIVEN_UP:
                break
        if not better:
            break
        gained = cost - new_cost
        lattice, frac, patterns, scale, rest = new_lattice, new_frac, new_patterns, new_scale, new_rest
        bigger, cost, damping = new_bigger, new_cost, max(damping * EASED, LEAST_DAMPING)
        close[:], close_slope[:] = new_close, new_close_slope
        if gained < SETTLED * max(cost, FLOOR):
            break
    return Fitted(lattice, frac, (rest * rest).sum() / power, scale, made)
