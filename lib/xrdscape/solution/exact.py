"""PXRDnet's patterns exactly as they are made, and fits taken to them.

The particle mesh sums what coincides and ends smoothly. The patterns count the highest line of a bin alone, end
sharply, have a Gaussian whose width was drawn, and are pooled by their maximum. Here a fit's cost is that of the
pattern as it was made; its derivatives are those of the mesh with the lines that count. Only, a line stays where it is
within its bin: moved to the bin's centre, cells would fit on a staircase.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft

from xrdscape.diffraction.finite_size import LENGTHS
from xrdscape.diffraction.kernels.mesh_kernel import TWO_PI, Cell, Moves, spread, unique_reflections
from xrdscape.diffraction.nano_patterns import NANO_CONVENTIONS, NanoConvention, size_filter
from xrdscape.optimisation.kernels.mesh_fit_kernel import MOST_REFLECTIONS
from xrdscape.solution.evidence import mesh_kernel
from xrdscape.solution.measurement import Measurement
from xrdscape.solution.prototypes import Fit, Search

Exact = NDArray[np.float64]

STEPS, TRIES = 16, 8
DAMPING, EASED, STRAINED = 1e-3, 0.3, 8.0
LEAST_CURVATURE = 1e-8
"""Share of the largest curvature that the damping takes a parameter to have at least."""
LARGEST_STRAIN, LARGEST_MOVE_ANGSTROM = 0.01, 0.2
"""Bounds of one step."""
SETTLED = 5e-3
"""A fit stops when a step gains less than this share of what is left."""
BACKSCATTERED_DEG = 150.0
"""Conventions with lines beyond this 2 theta."""
SMALL_STRAINS = tuple(sign * size for size in (0.001, 0.002, 0.004, 0.007) for sign in (1.0, -1.0))
SAME_LINE = 2e-5
"""Lines nearer than this in Q, 1/angstrom, are one."""
NEIGHBOURS = 4
"""Lines on each side of one that may hide it."""
NOT_WORTH = 30.0
"""Fits that leave this multiple of what the best leaves are not taken further, unless they leave less than `GOOD`, or
less than the second where the best leaves no more than noise."""
GOOD = 5e-3, 1.5e-3
LEFT_BY_NOISE = 1e-4
"""Unexplained share that noise leaves at most."""


class Lines(NamedTuple):
    """Lines of a crystal: hkl [M, 3], their multiplicity where they count and 0 where a higher one has their bin [M],
    and the heights in the bins."""

    hkl: Exact
    counted: Exact
    bins: Exact


class Compared(NamedTuple):
    """A crystal beside the pattern: what it leaves, the Gaussian's width in bins, the scale, and the difference [n]."""

    share: float
    sigma: float
    scale: float
    off: Exact


@dataclass(frozen=True, eq=False)
class ExactPattern:
    """A pattern made as PXRDnet makes them, with the rules.

    Args:
        convention: its rules.
        size_angstrom: of the crystallites, in its meaning.
        intensity: the pattern at the first points of the convention's axis [n].
    """

    convention: NanoConvention
    size_angstrom: float
    intensity: Exact

    def compared(self, bins: Exact, any_width: bool = True) -> Compared:
        """Return heights in fine bins beside the pattern, at the best scale and the best width of the Gaussian.

        Args:
            bins: heights.
            any_width: otherwise the middle of the widths stands for all.
        """
        rules, count = self.convention, len(self.intensity)
        length = next_fast_len(2 * rules.bins)
        if math.isfinite(self.size_angstrom):
            filtered = size_filter(self.size_angstrom, rules)
            whole = irfft(rfft(bins, length) * _transform(self.size_angstrom, rules, length), length)
            bins = whole[(len(filtered) - 1) // 2 :][: rules.bins]
        wave, frequency = rfft(bins, length), TWO_PI * np.arange(length // 2 + 1) / length

        def at(sigma: float) -> Compared:
            smooth = irfft(wave * np.exp(-0.5 * (sigma * frequency) ** 2), length)[: count * rules.pool]
            pooled = np.maximum(smooth.reshape(count, rules.pool).max(1), 0)
            own = float(pooled @ pooled)
            scale = float(pooled @ self.intensity) / own if own > 0 else 0.0
            off = scale * pooled - self.intensity
            return Compared(float(off @ off) / float(self.intensity @ self.intensity), sigma, scale, off)

        low, high = rules.sigma_bins
        if not any_width:
            return at((low + high) / 2)
        three = [at(sigma) for sigma in (low, (low + high) / 2, high)]
        left, middle, right = (found.share for found in three)
        bend = left - 2 * middle + right
        if bend > 0:
            place = np.clip((left - right) / (2 * bend), -1, 1)
            three.append(at((low + high) / 2 + float(place) * (high - low) / 2))
        return min(three, key=lambda found: found.share)


@lru_cache(16)
def _transform(size_angstrom: float, rules: NanoConvention, length: int) -> NDArray[np.complex128]:
    return rfft(size_filter(size_angstrom, rules), length)


def exact_pattern(data: Measurement) -> ExactPattern | None:
    """Return how a pattern was made, where it was made as PXRDnet makes them; None otherwise."""
    if data.convention is None:
        return None
    size = data.thickness_angstrom / LENGTHS[data.convention]
    return ExactPattern(NANO_CONVENTIONS[data.convention], size, data.intensity)


class Grouped(NamedTuple):
    """Sets of equivalent reflections, and the lines that those of equal Q make.

    hkl [M, 3], multiplicity [M], square of the structure factor [M] and Q in 1/angstrom [M] of the sets, their heights
    [M], the line of each [M], and the lines' heights [L].
    """

    hkl: Exact
    multiplicity: Exact
    square: Exact
    q: Exact
    height: Exact
    line: NDArray[np.int64]
    total: Exact


def _grouped(search: Search, cell: Cell, like: Grouped | None = None) -> Grouped:
    """Return the lines of a cell; with the structure factors of another where it is only a small strain away."""
    beam, reciprocal = search.beam, TWO_PI * np.linalg.inv(cell.lattice).T
    if like is None:
        hkl, multiplicity = unique_reflections(
            reciprocal, cell.rotations, cell.translations, beam.q_end, MOST_REFLECTIONS
        )
        q = np.linalg.norm(hkl @ reciprocal, axis=1)
        square = _squared_factors(q, hkl, cell, search)
    else:
        hkl, multiplicity, square = like.hkl, like.multiplicity, like.square
        q = np.linalg.norm(hkl @ reciprocal, axis=1)
    height = _heights(q, multiplicity * square, search)
    order = np.argsort(q, kind="stable")
    line = np.empty(len(q), np.int64)
    line[order] = np.cumsum(np.diff(q[order], prepend=-1.0) > SAME_LINE) - 1
    total = np.asarray(np.bincount(line, height), dtype=np.float64)
    return Grouped(hkl, multiplicity, square, q, height, line, total)


def lines_of(
    search: Search, cell: Cell, exact: ExactPattern, on_grid: bool = True, like: Grouped | None = None
) -> Lines:
    """Return the lines of a cell up to the sharp end of the reflections, and which of them count.

    Args:
        search: the elements and their form factors.
        cell: the crystal.
        exact: the rules.
        on_grid: the highest of a bin counts; otherwise, those that have no higher one within half a bin, which does not
            change when all lines move together.
        like: lines of a cell nearly the same, whose structure factors are taken.
    """
    rules = exact.convention
    hkl, multiplicity, _, q, height, line, total = _grouped(search, cell, like)
    place = np.empty(len(total))
    place[line] = q * (rules.bins / rules.q_max_inv_angstrom)
    inside = (place < rules.bins) & (total > 0)
    if on_grid:
        bins = np.minimum(place, rules.bins - 1).astype(np.int64)
        highest = np.zeros(rules.bins)
        np.maximum.at(highest, bins[inside], total[inside])
        wins = inside & (total >= highest[bins])
    else:
        wins = inside & ~_hidden(place, np.where(inside, total, 0.0))
    return Lines(hkl, multiplicity * wins[line], _shared(place[line] - 0.5, height * wins[line], rules.bins))


def _hidden(place: Exact, total: Exact) -> NDArray[np.bool_]:
    """Return which lines, in rising order of place in bins, have a higher neighbour within half a bin."""
    hidden = np.zeros(len(place), np.bool_)
    for step in range(1, NEIGHBOURS + 1):
        near = place[step:] - place[:-step] < 0.5
        higher = total[step:] > total[:-step]
        hidden[:-step] |= near & higher
        hidden[step:] |= near & ~higher
    return hidden


def strong_lines(search: Search, cell: Cell, most: int) -> tuple[Exact, Exact, Exact]:
    """Return the highest lines of a cell: hkl of a reflection of each [L, 3], Q in 1/angstrom [L], and height [L]."""
    found = _grouped(search, cell)
    strongest = np.argsort(-found.total)[:most]
    strongest = strongest[found.total[strongest] > 0]
    first = np.empty(len(found.total), np.int64)
    first[found.line] = np.arange(len(found.line))
    return found.hkl[first[strongest]].astype(np.float64), found.q[first[strongest]], found.total[strongest]


def _shared(place: Exact, height: Exact, bins: int) -> Exact:
    """Return heights shared between the two bins beside their places: where a bin's line really is, is not known."""
    inside = (place >= 0) & (place < bins - 1)
    low = place[inside].astype(np.int64)
    part = place[inside] - low
    ends = np.concatenate([low, low + 1]), np.concatenate([height[inside] * (1 - part), height[inside] * part])
    return np.asarray(np.bincount(*ends, minlength=bins), dtype=np.float64)


def _squared_factors(q: Exact, hkl: Exact, cell: Cell, search: Search) -> Exact:
    """Return the square of the structure factor of each set of equivalent reflections [M]."""
    beam = search.beam
    factors = np.array([np.interp(q, beam.factor_step * np.arange(len(row)), row) for row in beam.factors])
    phase = np.exp(1j * TWO_PI * (hkl @ cell.frac.T))
    return np.abs(np.einsum("nm,mn->m", factors[cell.species], phase)) ** 2


def _heights(q: Exact, squares: Exact, search: Search) -> Exact:
    """Return the intensity of each set of equivalent reflections; 0 beyond the end [M]."""
    beam = search.beam
    s2 = (q * beam.wavelength / (2 * TWO_PI)) ** 2
    seen = (q <= beam.q_end) & (s2 < 1)
    s2 = np.where(seen, s2, 0.5)
    lorentz = (2 - 4 * s2 * (1 - s2)) / (s2 * np.sqrt(1 - s2))
    return np.where(seen, lorentz * squares, 0.0)


def exactly(search: Search, fits: Iterable[Fit], exact: ExactPattern) -> Iterator[Fit]:
    """Yield fits taken to the pattern as it was made; their residuals are then what they leave of that.

    Args:
        search: that they belong to.
        fits: in the order of their residuals.
        exact: the pattern.
    """
    best = math.inf
    for found in fits:
        if found.residual > max(NOT_WORTH * best, GOOD[best < LEFT_BY_NOISE]):
            yield replace(found, residual=exact.compared(lines_of(search, found.cell, exact).bins).share)
            continue
        taken = _taken(search, found, exact)
        best = min(best, taken.residual)
        yield taken


def _taken(search: Search, found: Fit, exact: ExactPattern) -> Fit:
    """Return the least squares of the exact pattern nearby."""
    cell = found.cell
    if exact.convention.two_theta_max_deg > BACKSCATTERED_DEG:
        cell = _across(search, cell, found.template.moves.strains, exact)
    return descended(search, replace(found, cell=cell), exact)


Held = Callable[[Cell], tuple[Exact, Exact]]
"""Quantities that a descent keeps: their derivatives in the strains [K, S], and how far they are off [K]."""


def descended(search: Search, found: Fit, exact: ExactPattern, held: Held | None = None, steps: int = STEPS) -> Fit:
    """Return the end of a Levenberg-Marquardt descent to the exact pattern.

    Args:
        search: that the fit belongs to.
        found: where to begin.
        exact: the pattern.
        held: what it keeps to, if anything; then the first step goes there, whatever that leaves of the pattern, and
            lines hide others wherever the bins begin.
        steps: at most.
    """
    moves, cell = found.template.moves, found.cell
    if not search.effort.atoms:
        moves = moves._replace(displacements=moves.displacements[:0])
    strains = len(moves.strains)
    lines = lines_of(search, cell, exact, held is None)
    here, damping = exact.compared(lines.bins), DAMPING
    bound = math.inf if held else here.share
    power = float(exact.intensity @ exact.intensity)
    largest = np.concatenate([
        np.full(strains, LARGEST_STRAIN), np.full(len(moves.displacements), LARGEST_MOVE_ANGSTROM)
    ])  # fmt: skip
    for _ in range(steps):
        slopes = _slopes(search, cell, lines, moves, exact, here.off + exact.intensity)
        square, gradient = slopes.T @ slopes / power, slopes.T @ here.off / power
        diagonal = np.maximum(square.diagonal(), LEAST_CURVATURE * square.diagonal().max(initial=1e-300))
        kept = held(cell) if held else None
        better = False
        for _try in range(TRIES):
            move = _step(square + np.diag(damping * diagonal), gradient, kept)
            move /= max(1.0, float((np.abs(move) / largest).max(initial=0)))
            there = cell._replace(
                lattice=cell.lattice @ (np.eye(3) + np.tensordot(move[:strains], moves.strains, 1)),
                frac=cell.frac + np.tensordot(move[strains:], moves.displacements, 1),
            )
            new_lines = lines_of(search, there, exact, held is None)
            new = exact.compared(new_lines.bins)
            if new.share < bound:
                better = True
                break
            damping *= STRAINED
        if not better:
            break
        gained = bound - new.share
        cell, lines, here, bound, damping = there, new_lines, new, new.share, damping * EASED
        if gained < SETTLED * here.share:
            break
    return replace(found, cell=cell, residual=here.share)


def _step(square: Exact, gradient: Exact, kept: tuple[Exact, Exact] | None) -> Exact:
    """Return the step to the least of a quadratic form, among those that bring what is kept where it belongs."""
    if kept is None:
        return np.asarray(-np.linalg.solve(square, gradient), dtype=np.float64)
    slopes, off = kept
    rows = np.zeros((len(off), len(gradient)))
    rows[:, : slopes.shape[1]] = slopes
    free = np.linalg.solve(square, np.column_stack([gradient, rows.T]))
    pull = np.linalg.lstsq(rows @ free[:, 1:], off - rows @ free[:, 0], rcond=1e-10)[0]
    return np.asarray(-free[:, 0] - free[:, 1:] @ pull, dtype=np.float64)


def _across(search: Search, cell: Cell, strains: Exact, exact: ExactPattern) -> Cell:
    """Return a cell after small strains, one after the other, that leave less of the pattern.

    Near backscattering a line grows without bound before it leaves the pattern, which no descent crosses.
    """
    like = _grouped(search, cell._replace(lattice=cell.lattice * (1 + max(SMALL_STRAINS))))
    best = exact.compared(lines_of(search, cell, exact, like=like).bins, any_width=False).share
    for strain in strains:
        start = cell
        for size in SMALL_STRAINS:
            there = start._replace(lattice=start.lattice @ (np.eye(3) + size * strain))
            share = exact.compared(lines_of(search, there, exact, like=like).bins, any_width=False).share
            if share < best:
                best, cell = share, there
    return cell


def _slopes(search: Search, cell: Cell, lines: Lines, moves: Moves, exact: ExactPattern, pattern: Exact) -> Exact:
    """Return the derivatives of a cell's exact pattern [n] in strains and displacements, across the pattern itself
    [n, P]."""
    evidence = search.evidence
    target = evidence.stages[-1]
    q = evidence.q_inv_angstrom
    kernel = mesh_kernel(
        float(q[0]), float(q[1] - q[0]), len(exact.intensity), evidence.thickness_angstrom,
        evidence.sigma_inv_angstrom, target.step, (target.kernel.shape[1] - 6) * target.step,
    )  # fmt: skip
    mesh = np.empty((kernel.shape[1], 1 + len(moves.strains) + len(moves.displacements)))
    reciprocal = TWO_PI * np.linalg.inv(cell.lattice).T
    spread(lines.hkl, lines.counted, reciprocal, cell, moves, search.beam, target.first_node, target.step, mesh)
    patterns = kernel @ mesh
    patterns *= float(patterns[:, 0] @ pattern) / max(float(patterns[:, 0] @ patterns[:, 0]), 1e-300)
    unit = patterns[:, 0] / max(float(np.linalg.norm(patterns[:, 0])), 1e-300)
    slopes = patterns[:, 1:]
    return slopes - np.outer(unit, unit @ slopes)
