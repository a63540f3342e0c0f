"""Lines that hide others: fits that suppose that two lines share a bin, of which the pattern counts the higher alone.

A pattern made as PXRDnet makes them loses a line wherever a higher one has its bin. Where that line is strong, a
descent that adds the two ends elsewhere, and the crystal is a narrow hole of the exact pattern that no descent finds.
But which lines may share a bin can be listed: those that a small strain brings together. Each such pair is tried: a
descent of the exact pattern that keeps the two together, and then one that does not.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xrdscape.diffraction.kernels.mesh_kernel import TWO_PI, Cell
from xrdscape.solution.exact import ExactPattern, descended, lines_of, strong_lines
from xrdscape.solution.prototypes import Fit, Search

Exact = NDArray[np.float64]

STRONGEST = 80
"""Lines of which two may share a bin."""
FARTHEST = 0.02
"""Strain at most that brings a pair together."""
TRIED, ROUNDS = 6, 3
"""Pairs that are tried at a time, and how often another is sought beside those that were found."""
WITHIN = (0.15, -0.35)
"""Distances of the two lines of a pair that are tried, in bins: equal ones would be one line, which counts in full."""
PARTS = (0.0, 0.25, -0.25, 0.5, -0.5)
STEPS = 10
HOPELESS = 0.03
"""Unexplained share of fits for which no pair is tried."""
GAIN = 0.8
"""Share of what was left that a pair must leave at most."""
SAME, PARALLEL = 0.35, 0.995
"""Distance in bins within which a second pair is where a first has come together, and the square of the cosine between
the strains of the two above which they are asked for that."""


class Pair(NamedTuple):
    """Two lines by one reflection of each [3]."""

    one: Exact
    other: Exact


def with_hidden_lines(search: Search, found: Fit, exact: ExactPattern, enough: float) -> Fit:
    """Return a fit that leaves less of the exact pattern because strong lines share bins, or the same one.

    Args:
        search: that the fit belongs to.
        found: taken to the exact pattern.
        exact: the pattern.
        enough: unexplained share below which nothing is tried.
    """
    held: list[Pair] = []
    for _ in range(ROUNDS):
        if not enough < found.residual < HOPELESS:
            break
        best, with_pair = found, None
        for pair in _pairs(search, found, exact, held)[:TRIED]:
            for within in WITHIN:
                end = _together(search, found, exact, [*held, pair], within)
                if end is not None and end.residual < best.residual:
                    best, with_pair = end, pair
            if best.residual < enough:
                break
        if with_pair is None or best.residual > GAIN * found.residual:
            break
        found, held = best, [*held, with_pair]
    return found


def _together(search: Search, found: Fit, exact: ExactPattern, pairs: list[Pair], within: float) -> Fit | None:
    """Return the end of descents that first keep pairs of lines together."""
    strains = found.template.moves.strains
    bin_width = exact.convention.q_max_inv_angstrom / exact.convention.bins

    def held(cell: Cell) -> tuple[Exact, Exact]:
        off, slopes = zip(*(_apart(pair, cell, strains) for pair in pairs), strict=True)
        return np.array(slopes), np.array(off) - within * bin_width

    try:
        end = descended(search, found, exact, held, STEPS)
        return descended(search, _on_grid(search, end, exact, pairs), exact)
    except np.linalg.LinAlgError:
        return None


def _on_grid(search: Search, found: Fit, exact: ExactPattern, pairs: list[Pair]) -> Fit:
    """Return a fit at the size, of some a part of a bin away, where the bins hide what they should."""
    reciprocal = TWO_PI * np.linalg.inv(found.cell.lattice).T
    step = (
        exact.convention.q_max_inv_angstrom / exact.convention.bins / float(np.linalg.norm(pairs[-1].one @ reciprocal))
    )
    sizes = [found.cell._replace(lattice=found.cell.lattice * (1 + part * step)) for part in PARTS]
    left = [exact.compared(lines_of(search, cell, exact).bins).share for cell in sizes]
    return replace(found, cell=sizes[int(np.argmin(left))], residual=min(left))


def _apart(pair: Pair, cell: Cell, strains: Exact) -> tuple[float, Exact]:
    """Return how far the lines of a pair are apart in Q, and the derivatives of that in the strains [S]."""
    reciprocal = TWO_PI * np.linalg.inv(cell.lattice).T
    (q1, d1), (q2, d2) = (_place(hkl @ reciprocal, strains) for hkl in (pair.one, pair.other))
    return q2 - q1, d2 - d1


def _place(wave: Exact, strains: Exact) -> tuple[float, Exact]:
    q = float(np.linalg.norm(wave))
    return q, -np.einsum("i,sij,j->s", wave, strains, wave) / q


def _pairs(search: Search, found: Fit, exact: ExactPattern, held: list[Pair]) -> list[Pair]:
    """Return pairs of strong lines that a small strain brings together, those first of which the weaker is highest."""
    cell, strains = found.cell, found.template.moves.strains
    hkl, q, height = strong_lines(search, cell, STRONGEST)
    wave = hkl @ (TWO_PI * np.linalg.inv(cell.lattice).T)
    slope = -np.einsum("mi,sij,mj->ms", wave, strains, wave) / q[:, None]
    one, other = np.triu_indices(len(q), 1)
    across, apart = slope[other] - slope[one], q[other] - q[one]
    turn = np.linalg.norm(across, axis=1)
    needed = np.abs(apart) / np.maximum(turn, 1e-9)
    near = np.flatnonzero((needed < FARTHEST) & (turn > 1e-3))
    near = near[np.argsort(-np.minimum(height[one[near]], height[other[near]]))]
    near_enough = SAME * exact.convention.q_max_inv_angstrom / exact.convention.bins
    kept = [_apart(pair, cell, strains) for pair in held]
    chosen: list[Pair] = []
    for place in near:
        own = float(apart[place]), across[place]
        if any(_comes_with(own, known, near_enough) for known in kept):
            continue
        kept.append(own)
        chosen.append(Pair(hkl[one[place]], hkl[other[place]]))
        if len(chosen) == TRIED:
            break
    return chosen


def _comes_with(own: tuple[float, Exact], other: tuple[float, Exact], near_enough: float) -> bool:
    """Return whether a pair comes together where another does: how far they are apart, and the derivatives of that."""
    (off, slope), (off_there, slope_there) = own, other
    square = float(slope_there @ slope_there)
    along = float(slope @ slope_there)
    parallel = along**2 > PARALLEL * square * float(slope @ slope)
    return parallel and abs(off - off_there * along / square) < near_enough
