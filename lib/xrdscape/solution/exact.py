"""PXRDnet's patterns exactly as they are made, and fits taken to them.

The particle mesh sums what coincides and ends smoothly; the patterns count the highest line of a bin, end sharply, have
a Gaussian whose width was drawn, and are pooled by their maximum. What the two differ by at a crystal is put to the
target, the mesh's fit goes on, and so forth: where it settles, the exact pattern is fitted with the mesh's derivatives.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import fftconvolve

from xrdscape.diffraction.finite_size import LENGTHS
from xrdscape.diffraction.kernels.mesh_kernel import TWO_PI, lines
from xrdscape.diffraction.nano_patterns import NANO_CONVENTIONS, NanoConvention, binned, size_filter
from xrdscape.diffraction.sticks import Sticks
from xrdscape.optimisation.kernels.mesh_fit_kernel import MOST_REFLECTIONS, fit
from xrdscape.solution.evidence import points_every
from xrdscape.solution.measurement import Measurement
from xrdscape.solution.prototypes import LARGEST_MOVE, Fit, Search
from xrdscape.solution.shape import pattern_of

Exact = NDArray[np.float64]

SIGMAS = 7
"""Widths of the Gaussian that are tried, evenly over those that a convention draws from."""
ROUNDS, STEPS = 2, 10
SAME_LINE = 2e-5
"""Lines nearer than this in Q, 1/angstrom, are one."""
NOT_WORTH = 30.0
"""Fits that leave this multiple of what the best leaves are not taken further, unless they leave less than `GOOD`."""
GOOD = 5e-3
MARGIN = 400
"""Fine bins beyond the points that count, for what reaches back from there."""


@dataclass(frozen=True, eq=False)
class ExactPattern:
    """How PXRDnet makes its patterns, and the one at hand.

    Args:
        convention: its rules.
        size_angstrom: of the crystallites, in its meaning.
        intensity: the pattern at the first points of the convention's axis [n].
    """

    convention: NanoConvention
    size_angstrom: float
    intensity: Exact

    def residual(self, search: Search, found: Fit) -> tuple[float, Exact]:
        """Return what a fit leaves of the pattern at the best scale and the best width of its Gaussian, and the pooled
        pattern at that scale [n]."""
        rules, count = self.convention, len(self.intensity)
        fine = binned(sticks_of_fit(search, found), rules.bins, rules.q_max_inv_angstrom)
        fine = fine[: count * rules.pool + MARGIN]
        if math.isfinite(self.size_angstrom):
            fine = fftconvolve(fine, size_filter(self.size_angstrom, rules), mode="same")
        best = (math.inf, np.zeros(count))
        for sigma in np.linspace(*rules.sigma_bins, SIGMAS):
            smooth = gaussian_filter1d(fine, sigma, mode="constant")[: count * rules.pool]
            pooled = np.maximum(smooth.reshape(count, rules.pool).max(1), 0)
            own = float(pooled @ pooled)
            scale = float(pooled @ self.intensity) / own if own > 0 else 0.0
            off = self.intensity - scale * pooled
            share = float(off @ off) / float(self.intensity @ self.intensity)
            if share < best[0]:
                best = (share, scale * pooled)
        return best


def sticks_of_fit(search: Search, found: Fit) -> Sticks:
    """Return the lines of a fit up to the sharp end of the reflections."""
    cell = found.cell
    reciprocal = TWO_PI * np.linalg.inv(cell.lattice).T
    q, height = lines(reciprocal, cell, search.beam, MOST_REFLECTIONS)
    order = np.argsort(q)
    q, height = q[order], height[order]
    group = np.concatenate([[0], np.cumsum(np.diff(q) > SAME_LINE)]) if len(q) else np.zeros(0, int)
    total = np.bincount(group, height)
    first = np.flatnonzero(np.diff(group, prepend=-1))
    return Sticks(q[first], total / max(total.max(initial=0), 1e-300))


def exactly(search: Search, fits: Iterable[Fit], exact: ExactPattern) -> Iterator[Fit]:
    """Yield fits taken to the pattern as it was made, the best first; their residuals are then those of `exact`.

    Args:
        search: that they belong to.
        fits: in the order of their residuals.
        exact: the pattern.
    """
    best = math.inf
    for found in fits:
        if found.residual > max(NOT_WORTH * best, GOOD):
            yield replace(found, residual=max(found.residual, exact.residual(search, found)[0]))
            continue
        taken = _taken(search, found, exact)
        best = min(best, taken.residual)
        yield taken


def _taken(search: Search, found: Fit, exact: ExactPattern) -> Fit:
    """Return a fit taken to the exact pattern."""
    target = search.evidence.stages[-1]
    evidence = search.evidence
    step = float(evidence.q_inv_angstrom[1] - evidence.q_inv_angstrom[0])
    places = slice(None, None, points_every(evidence.sigma_inv_angstrom, step))
    share, pattern = exact.residual(search, found)
    best = replace(found, residual=share)
    for _ in range(ROUNDS):
        model = pattern_of(search, found)
        scale = float(model @ pattern[places]) / max(float(model @ model), 1e-300)
        corrected = exact.intensity[places] - pattern[places] + scale * model
        moves = found.template.moves
        if not search.effort.atoms:
            moves = moves._replace(displacements=moves.displacements[:0])
        try:
            end = fit(
                found.cell, moves, search.beam, target._replace(values=np.ascontiguousarray(corrected)),
                search.restraints, STEPS, LARGEST_MOVE,
            )  # fmt: skip
        except np.linalg.LinAlgError:
            break
        found = replace(found, cell=found.cell._replace(lattice=end.lattice, frac=end.frac))
        share, pattern = exact.residual(search, found)
        if share < best.residual:
            better = share < 0.98 * best.residual
            best = replace(found, residual=share)
            if not better:
                break
        else:
            break
    return best


def exact_pattern(data: Measurement) -> ExactPattern | None:
    """Return how a pattern was made, where it was made as PXRDnet makes them; None otherwise."""
    if data.convention is None:
        return None
    size = data.thickness_angstrom / LENGTHS[data.convention]
    return ExactPattern(NANO_CONVENTIONS[data.convention], size, data.intensity)
