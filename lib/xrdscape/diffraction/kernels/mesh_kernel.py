"""Compiled loops of the particle mesh: reflections of a crystal spread on an even mesh of Q, with exact derivatives.

A reflection at Q gives its four nearest nodes the values of a cubic B-spline. Convolution with the shape of a peak is
then one product with a matrix that never changes. Derivatives are those of what is computed, not of its limit.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xrdscape.runtime.compiled import kept

Exact = NDArray[np.float64]
Whole = NDArray[np.int64]

TWO_PI = 2 * np.pi
LEAST_Q = 0.15
"""Reflections at smaller Q are behind the beam stop of any experiment, 1/angstrom."""
LARGEST_SINE_SQUARED = 0.9998
"""Backscattering: the Lorentz factor has no bound there."""
TAPER_REACH = 4.0
"""The taper's tail beyond the end, in its widths."""


class Cell(NamedTuple):
    """A crystal in its primitive cell: vectors as rows [3, 3] in angstrom, fractional coordinates [N, 3], the number
    of each site's species [N], and the operations of its group but for translations of the lattice, rotations [G, 3, 3]
    and translations [G, 3] on columns of fractional coordinates."""

    lattice: Exact
    frac: Exact
    species: Whole
    rotations: Exact
    translations: Exact


class Moves(NamedTuple):
    """Directions in which a crystal may move: symmetric strains of space [S, 3, 3] and displacements of the sites in
    fractional coordinates [K, N, 3]."""

    strains: Exact
    displacements: Exact


class Beam(NamedTuple):
    """Scatterers and what is recorded: form factors at even steps of Q from 0 [species, n] in electrons and that
    step in 1/angstrom, wavelength in angstrom, the end of the reflections in Q, and the width of the logistic taper
    there, both in 1/angstrom."""

    factors: Exact
    factor_step: float
    wavelength: float
    q_end: float
    taper: float


@kept(fastmath=True)
def unique_reflections(
    reciprocal: Exact, rotations: Exact, translations: Exact, q_end: float, most: int
) -> tuple[Exact, Exact]:
    """Return one hkl [M, 3] of each set of equivalent reflections up to `q_end`, and how many are in the set [M]; none
    that the group extinguishes.

    Args:
        reciprocal: 2 pi times the reciprocal vectors as rows [3, 3].
        rotations, translations: of the group, as of `Cell`.
        q_end: in 1/angstrom.
        most: how many at most; further ones are left out.
    """
    cell = np.linalg.inv(reciprocal).T * TWO_PI
    reach = np.empty(3, np.int64)
    for axis in range(3):
        reach[axis] = int(np.sqrt((cell[axis] ** 2).sum()) * q_end / TWO_PI)
    hkl = np.empty((most, 3))
    multiplicity = np.empty(most)
    found, order = 0, rotations.shape[0]
    for h in range(0, reach[0] + 1):
        for k in range(-reach[1] if h > 0 else 0, reach[1] + 1):
            for l_ in range(-reach[2] if h > 0 or k > 0 else 1, reach[2] + 1):
                squared = 0.0
                for axis in range(3):
                    part = h * reciprocal[0, axis] + k * reciprocal[1, axis] + l_ * reciprocal[2, axis]
                    squared += part * part
                if squared > q_end * q_end:
                    continue
                first, same, opposite = True, 0, False
                for g in range(order):
                    w = rotations[g]
                    a = h * w[0, 0] + k * w[1, 0] + l_ * w[2, 0]
                    b = h * w[0, 1] + k * w[1, 1] + l_ * w[2, 1]
                    c = h * w[0, 2] + k * w[1, 2] + l_ * w[2, 2]
                    if a == h and b == k and c == l_:
                        same += 1
                        phase = h * translations[g, 0] + k * translations[g, 1] + l_ * translations[g, 2]
                        if abs(phase - np.round(phase)) > 0.02:
                            first = False
                            break
                    if a == -h and b == -k and c == -l_:
                        opposite = True
                    if a < 0 or (a == 0 and (b < 0 or (b == 0 and c < 0))):
                        a, b, c = -a, -b, -c
                    if a > h or (a == h and (b > k or (b == k and c > l_))):
                        first = False
                        break
                if first and found < most:
                    hkl[found, 0], hkl[found, 1], hkl[found, 2] = h, k, l_
                    multiplicity[found] = order / same if opposite else 2 * order / same
                    found += 1
    return hkl[:found].copy(), multiplicity[:found].copy()


@kept(fastmath=True)
def spline(u: float, step: float, values: Exact, slopes: Exact) -> None:
    """Write the cubic B-spline's values at the four nodes around a place, and their derivatives in it."""
    v = 1 - u
    values[0], values[3] = v * v * v / 6, u * u * u / 6
    values[1], values[2] = (3 * u * u * u - 6 * u * u + 4) / 6, (3 * v * v * v - 6 * v * v + 4) / 6
    slopes[0], slopes[3] = -v * v / 2 / step, u * u / 2 / step
    slopes[1], slopes[2] = (9 * u * u - 12 * u) / 6 / step, (12 * v - 9 * v * v) / 6 / step


@kept(fastmath=True)
def phase_tables(hkl: Exact, frac: Exact) -> tuple[Exact, Exact, Whole]:
    """Return cos and sin of 2 pi m x for each site's coordinates and m from minus the largest index to it, [3, N, m],
    and the places of m = 0 [3]: products of them give the phases of all reflections."""
    most = np.zeros(3, np.int64)
    for m in range(hkl.shape[0]):
        for axis in range(3):
            most[axis] = max(most[axis], abs(int(hkl[m, axis])))
    width = 2 * most.max() + 1
    cosine, sine = np.empty((3, frac.shape[0], width)), np.empty((3, frac.shape[0], width))
    for axis in range(3):
        for j in range(frac.shape[0]):
            once_cos, once_sin = np.cos(TWO_PI * frac[j, axis]), np.sin(TWO_PI * frac[j, axis])
            c, s, zero = 1.0, 0.0, most[axis]
            for m in range(zero + 1):
                cosine[axis, j, zero + m], sine[axis, j, zero + m] = c, s
                cosine[axis, j, zero - m], sine[axis, j, zero - m] = c, -s
                c, s = c * once_cos - s * once_sin, s * once_cos + c * once_sin
    return cosine, sine, most


@kept(fastmath=True)
def moved_sites(displacements: Exact) -> Whole:
    """Return the first site that each displacement [K, N, 3] moves, and the one after the last, [K, 2]."""
    found = np.zeros((displacements.shape[0], 2), np.int64)
    for b in range(displacements.shape[0]):
        first, last = displacements.shape[1], 0
        for j in range(displacements.shape[1]):
            if displacements[b, j, 0] != 0 or displacements[b, j, 1] != 0 or displacements[b, j, 2] != 0:
                first, last = min(first, j), j + 1
        found[b, 0], found[b, 1] = first, last
    return found


@kept(fastmath=True)
def spread(hkl: Exact, multiplicity: Exact, reciprocal: Exact, cell: Cell, moves: Moves, beam: Beam,
           first_node: float, step: float, out: Exact) -> None:  # fmt: skip
    """Write the intensities of a crystal spread on the mesh to column 0 of `out` [nodes, 1 + S + K], and to the columns
    after it their derivatives in the strains and displacements, where the array has columns for them.

    Args:
        hkl, multiplicity: from `unique_reflections`.
        reciprocal: 2 pi times the reciprocal vectors as rows [3, 3].
        cell: its coordinates and species are used.
        moves: directions of the derivatives.
        beam: form factors and range.
        first_node, step: the mesh in Q, 1/angstrom.
        out: overwritten.
    """
    out[:] = 0.0
    n, nodes, kinds = cell.frac.shape[0], out.shape[0], beam.factors.shape[0]
    strains, shifts = moves.strains.shape[0], moves.displacements.shape[0]
    derive, columns = out.shape[1] > 1, out.shape[1]
    cos_table, sin_table, zero = phase_tables(hkl, cell.frac)
    moved = moved_sites(moves.displacements)
    factor, slope = np.empty(kinds), np.empty(kinds)
    cosine, sine = np.empty(n), np.empty(n)
    value, change = np.empty(4), np.empty(4)
    # Of a reflection: how its intensity and its place change with each parameter.
    rise, shift = np.zeros(columns), np.zeros(columns)
    g = np.empty(3)
    for m in range(hkl.shape[0]):
        h, k, l_ = hkl[m, 0], hkl[m, 1], hkl[m, 2]
        for axis in range(3):
            g[axis] = h * reciprocal[0, axis] + k * reciprocal[1, axis] + l_ * reciprocal[2, axis]
        q = np.sqrt(g[0] * g[0] + g[1] * g[1] + g[2] * g[2])
        if q > beam.q_end + TAPER_REACH * beam.taper or q < LEAST_Q:
            continue
        s = q * beam.wavelength / (2 * TWO_PI)
        s2 = s * s
        if s2 > LARGEST_SINE_SQUARED:
            continue
        fade = 1 / (1 + np.exp((q - beam.q_end) / beam.taper))
        # Lorentz and polarisation, (1 + cos^2 2 theta) / (sin^2 theta cos theta).
        cos = np.sqrt(1 - s2)
        above, below = 2 - 4 * s2 * (1 - s2), s2 * cos
        lorentz = above / below
        place = q / beam.factor_step
        low = min(int(place), beam.factors.shape[1] - 2)
        for e in range(kinds):
            slope[e] = (beam.factors[e, low + 1] - beam.factors[e, low]) / beam.factor_step
            factor[e] = beam.factors[e, low] + slope[e] * (place - low) * beam.factor_step
        real, imaginary, real_slope, imaginary_slope = 0.0, 0.0, 0.0, 0.0
        at_h, at_k, at_l = zero[0] + int(h), zero[1] + int(k), zero[2] + int(l_)
        for j in range(n):
            c1, s1 = cos_table[0, j, at_h], sin_table[0, j, at_h]
            c2, s2_ = cos_table[1, j, at_k], sin_table[1, j, at_k]
            c3, s3 = cos_table[2, j, at_l], sin_table[2, j, at_l]
            c12, s12 = c1 * c2 - s1 * s2_, s1 * c2 + c1 * s2_
            c, s = c12 * c3 - s12 * s3, s12 * c3 + c12 * s3
            cosine[j], sine[j] = c, s
            e = cell.species[j]
            real += factor[e] * c
            imaginary += factor[e] * s
            real_slope += slope[e] * c
            imaginary_slope += slope[e] * s
        strength = multiplicity[m] * fade * lorentz
        squared = real * real + imaginary * imaginary
        intensity = strength * squared
        offset = (q - first_node) / step
        node = int(np.floor(offset))
        spline(offset - node, step, value, change)
        node -= 1
        if node < 0 or node + 3 >= nodes:
            continue
        if not derive:
            for p in range(4):
                out[node + p, 0] += intensity * value[p]
            continue
        fade_slope = -fade * (1 - fade) / beam.taper
        lorentz_slope = ((8 * s2 - 4) / below - above / (below * below) * (cos - s2 / (2 * cos))) * 2 * s2 / q
        by_q = multiplicity[m] * (fade_slope * lorentz + fade * lorentz_slope) * squared
        by_q += strength * 2 * (real * real_slope + imaginary * imaginary_slope)
        rise[0], shift[0] = intensity, 0.0
        for a in range(strains):
            e_ = moves.strains[a]
            stretch = 0.0
            for i in range(3):
                stretch += g[i] * (e_[i, 0] * g[0] + e_[i, 1] * g[1] + e_[i, 2] * g[2])
            rise[1 + a], shift[1 + a] = -stretch / q * by_q, -stretch / q * intensity
        for b in range(shifts):
            d = moves.displacements[b]
            total = 0.0
            for j in range(moved[b, 0], moved[b, 1]):
                turn = factor[cell.species[j]] * (imaginary * cosine[j] - real * sine[j])
                total += turn * (h * d[j, 0] + k * d[j, 1] + l_ * d[j, 2])
            rise[1 + strains + b] = 2 * TWO_PI * strength * total
        for p in range(4):
            at, with_change = value[p], change[p]
            for column in range(columns):
                out[node + p, column] += rise[column] * at + shift[column] * with_change
