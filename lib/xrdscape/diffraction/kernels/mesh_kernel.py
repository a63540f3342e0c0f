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
            for l in range(-reach[2] if h > 0 or k > 0 else 1, reach[2] + 1):  # noqa: E741
                squared = 0.0
                for axis in range(3):
                    part = h * reciprocal[0, axis] + k * reciprocal[1, axis] + l * reciprocal[2, axis]
                    squared += part * part
                if squared > q_end * q_end:
                    continue
                first, same, opposite = True, 0, False
                for g in range(order):
                    w = rotations[g]
                    a = h * w[0, 0] + k * w[1, 0] + l * w[2, 0]
                    b = h * w[0, 1] + k * w[1, 1] + l * w[2, 1]
                    c = h * w[0, 2] + k * w[1, 2] + l * w[2, 2]
                    if a == h and b == k and c == l:
                        same += 1
                        phase = h * translations[g, 0] + k * translations[g, 1] + l * translations[g, 2]
                        if abs(phase - np.round(phase)) > 0.02:
                            first = False
                            break
                    if a == -h and b == -k and c == -l:
                        opposite = True
                    if a < 0 or (a == 0 and (b < 0 or (b == 0 and c < 0))):
                        a, b, c = -a, -b, -c
                    if a > h or (a == h and (b > k or (b == k and c > l))):
                        first = False
                        break
                if first and found < most:
                    hkl[found, 0], hkl[found, 1], hkl[found, 2] = h, k, l
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
def spread(hkl: Exact, multiplicity: Exact, reciprocal: Exact, cell: Cell, moves: Moves, beam: Beam,
           first_node: float, step: float, out: Exact) -> None:  # fmt: skip
    """Write the intensities of a crystal spread on the mesh to row 0 of `out` [1 + S + K, nodes], and to the rows after
    it their derivatives in the strains and displacements, where the array has rows for them.

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
    n, nodes, kinds = cell.frac.shape[0], out.shape[1], beam.factors.shape[0]
    strains, shifts = moves.strains.shape[0], moves.displacements.shape[0]
    derive = out.shape[0] > 1
    factor, slope = np.empty(kinds), np.empty(kinds)
    cosine, sine, turn = np.empty(n), np.empty(n), np.empty(n)
    value, change = np.empty(4), np.empty(4)
    g = np.empty(3)
    for m in range(hkl.shape[0]):
        h, k, l = hkl[m, 0], hkl[m, 1], hkl[m, 2]  # noqa: E741
        for axis in range(3):
            g[axis] = h * reciprocal[0, axis] + k * reciprocal[1, axis] + l * reciprocal[2, axis]
        q = np.sqrt(g[0] * g[0] + g[1] * g[1] + g[2] * g[2])
        if q > beam.q_end + TAPER_REACH * beam.taper or q < LEAST_Q:
            continue
        s = q * beam.wavelength / (2 * TWO_PI)
        s2 = s * s
        if s2 > LARGEST_SINE_SQUARED:
            continue
        fade = 1 / (1 + np.exp((q - beam.q_end) / beam.taper))
        fade_slope = -fade * (1 - fade) / beam.taper
        # Lorentz and polarisation, (1 + cos^2 2 theta) / (sin^2 theta cos theta).
        cos = np.sqrt(1 - s2)
        above, below = 2 - 4 * s2 * (1 - s2), s2 * cos
        lorentz = above / below
        lorentz_slope = ((8 * s2 - 4) / below - above / (below * below) * (cos - s2 / (2 * cos))) * 2 * s2 / q
        place = q / beam.factor_step
        low = min(int(place), beam.factors.shape[1] - 2)
        for e in range(kinds):
            slope[e] = (beam.factors[e, low + 1] - beam.factors[e, low]) / beam.factor_step
            factor[e] = beam.factors[e, low] + slope[e] * (place - low) * beam.factor_step
        real, imaginary, real_slope, imaginary_slope = 0.0, 0.0, 0.0, 0.0
        for j in range(n):
            phase = TWO_PI * (h * cell.frac[j, 0] + k * cell.frac[j, 1] + l * cell.frac[j, 2])
            cosine[j], sine[j] = np.cos(phase), np.sin(phase)
            e = cell.species[j]
            real += factor[e] * cosine[j]
            imaginary += factor[e] * sine[j]
            real_slope += slope[e] * cosine[j]
            imaginary_slope += slope[e] * sine[j]
        strength = multiplicity[m] * fade * lorentz
        squared = real * real + imaginary * imaginary
        intensity = strength * squared
        offset = (q - first_node) / step
        node = int(np.floor(offset))
        spline(offset - node, step, value, change)
        node -= 1
        for p in range(4):
            if 0 <= node + p < nodes:
                out[0, node + p] += intensity * value[p]
        if not derive:
            continue
        by_q = multiplicity[m] * (fade_slope * lorentz + fade * lorentz_slope) * squared
        by_q += strength * 2 * (real * real_slope + imaginary * imaginary_slope)
        for a in range(strains):
            e = moves.strains[a]
            stretch = 0.0
            for i in range(3):
                stretch += g[i] * (e[i, 0] * g[0] + e[i, 1] * g[1] + e[i, 2] * g[2])
            for p in range(4):
                if 0 <= node + p < nodes:
                    out[1 + a, node + p] -= stretch / q * (by_q * value[p] + intensity * change[p])
        if shifts:
            for j in range(n):
                turn[j] = 2 * TWO_PI * strength * factor[cell.species[j]] * (imaginary * cosine[j] - real * sine[j])
            for b in range(shifts):
                d = moves.displacements[b]
                total = 0.0
                for j in range(n):
                    total += turn[j] * (h * d[j, 0] + k * d[j, 1] + l * d[j, 2])
                for p in range(4):
                    if 0 <= node + p < nodes:
                        out[1 + strains + b, node + p] += total * value[p]
