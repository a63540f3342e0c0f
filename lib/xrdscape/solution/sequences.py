"""Wyckoff sequences of the library from random starts: the right group and sites, another geometry.

Most crystals that no prototype explains have entries of their formula type and group, whose coordinates are too far
from theirs. Starting those entries' sequences elsewhere finds some of them.
"""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from xrdscape.diffraction.kernels.mesh_kernel import Cell
from xrdscape.errors import StructureError
from xrdscape.optimisation.kernels.mesh_fit_kernel import least_ratio, scan
from xrdscape.solution.library import Library
from xrdscape.solution.prototypes import LAST, Fit, Leg, Search, kinds_of, relaxed
from xrdscape.solution.templates import Template, template

MOVES_ANGSTROM = (0.4, 2.0)
"""Bounds of the root mean square displacement of the atoms of a start."""
STRAIN = 0.08
"""Standard deviation of each strain of a start."""
SCREENED = 8
"""Starts that are scanned for each that is descended."""
SCALES = np.exp(np.linspace(-0.05, 0.05, 5))
NEAREST = 0.6
"""Share of the shortest distances below which a start is not scanned."""
NEAR_AT_END = 0.85
"""The same for ends: 98 % of true crystals pass."""
REPULSION = 0.5
HOPELESS = 0.25
"""Unexplained share under the widest blur above which a descent is given up."""
FIRST = (Leg(0, True, 6),)
LATER = (Leg(1, True, 7), Leg(LAST, True, 12))
GREED = 0.5
"""Share of the starts that goes to the sequences with the best fits so far; the rest goes round."""
TRIES = 12
VALUES, LEAST_SHARE = 60, 1e-4
"""Independent values that a pattern holds, about, and the share that noise leaves."""
MOST_STARTED = 2000
"""Descents at most, however small the cell."""
AFTERWARDS = 100
"""Descents that follow when one explains the pattern: there may be others."""


@dataclass(eq=False)
class Arm:
    """A sequence with elements on its sites, and the least unexplained share that it led to so far."""

    template: Template
    place: int
    best: float = math.inf


def sequences(search: Search, library: Library, most: int = 60) -> list[Arm]:
    """Return the Wyckoff sequences of the library's entries of the right type, the most frequent first, each with every
    assignment of the elements, for those that leave coordinates free.

    Args:
        search: for what.
        library: its chosen entries.
        most: how many.
    """
    of_type = library.of_type(search.counts)
    frequent: Counter[tuple[int, tuple[str, ...]]] = Counter()
    example: dict[tuple[int, tuple[str, ...]], int] = {}
    for place in of_type.chosen:
        orbits = library.orbits(int(place))
        kinds = kinds_of(orbits).numbers
        letters = ("".join(sorted(np.array(list(orbits.letters))[kinds == kind])) for kind in range(kinds.max() + 1))
        key = (orbits.number, tuple(sorted(letters)))
        frequent[key] += 1
        example.setdefault(key, int(place))
    arms: list[Arm] = []
    volume = math.exp(search.restraints.log_volume)
    for key, _ in frequent.most_common():
        try:
            known = template(kinds_of(library.orbits(example[key])))
        except StructureError:
            continue
        if not known.free_coords:
            continue
        cell = known.cell._replace(lattice=known.cell.lattice * (volume / known.volume) ** (1 / 3))
        for way in search.assignments(np.bincount(cell.species)):
            arms.append(Arm(replace(known, cell=cell._replace(species=way[cell.species])), example[key]))
    return arms[:most]


def from_random_starts(
    search: Search, library: Library, generator: np.random.Generator, enough: float = 0.0,
    tell: Callable[[int, int], None] | None = None,
) -> list[Fit]:  # fmt: skip
    """Return fits of sequences from random starts.

    Args:
        search: for what; its effort says how many descents.
        library: its chosen entries.
        generator: of the starts.
        enough: unexplained share of a fit after which only `AFTERWARDS` descents follow.
        tell: told how much of the work is done, and of how much, in descents.
    """
    arms, found = sequences(search, library), list[Fit]()
    spent, most = 0.0, float(search.effort.descents if arms else 0)
    number = 0
    while spent < most and number < MOST_STARTED:
        arm = _next(arms, number, generator)
        spent, number = spent + work_of(arm.template), number + 1
        fit = _descended(search, arm, generator)
        if fit is not None:
            if fit.residual < enough and not any(other.residual < enough for other in found):
                most = min(most, spent + AFTERWARDS)
            found.append(fit)
            arm.best = min(arm.best, fit.residual)
        if tell:
            tell(int(spent), int(most))
    return found


def work_of(known: Template) -> float:
    """Return the work of a descent of a template, in those of one of 20 sites with 15 parameters."""
    return len(known) / 20 * (0.4 + known.parameters / 25)


def _next(arms: list[Arm], number: int, generator: np.random.Generator) -> Arm:
    """Return the next sequence to start from: round and round, and between that one of those that fit best."""
    if number >= len(arms) and generator.random() < GREED:
        tried = sorted((arm for arm in arms if math.isfinite(arm.best)), key=_worth)
        if tried:
            return tried[min(int(generator.geometric(0.2)) - 1, len(tried) - 1)]
    return arms[number % len(arms)]


def _worth(arm: Arm) -> float:
    """Return the information criterion of a sequence's best fit: what it leaves, and what its parameters cost."""
    return VALUES * math.log(arm.best + LEAST_SHARE) + arm.template.parameters * math.log(VALUES)


def _descended(search: Search, arm: Arm, generator: np.random.Generator) -> Fit | None:
    """Return the end of a descent from the best of some random starts; None where it is no crystal."""
    start = _screened(search, arm.template, generator)
    if start is None:
        return None
    try:
        first = relaxed(search, arm.template, start, FIRST, REPULSION)
        if first.residual > HOPELESS:
            return None
        found = relaxed(search, arm.template, first.cell, LATER, REPULSION)
    except np.linalg.LinAlgError:
        return None
    near = least_ratio(found.cell.lattice, found.cell.frac, found.cell.species, search.restraints.shortest)
    return None if near < NEAR_AT_END else Fit(arm.template, found.cell, found.residual, arm.place, "sequence")


def _screened(search: Search, known: Template, generator: np.random.Generator) -> Cell | None:
    """Return the best of some random starts under the widest blur; None where all have atoms too near."""
    best, least = None, math.inf
    made = 0
    for _ in range(SCREENED * TRIES):
        cell = _moved(known, generator)
        if least_ratio(cell.lattice, cell.frac, cell.species, search.restraints.shortest) < NEAREST:
            continue
        ways = np.arange(len(search.elements))[None]
        shares = scan(cell, len(search.elements), ways, search.beam, search.evidence.stages[0], SCALES)[0]
        if shares.min() < least:
            least = float(shares.min())
            best = cell._replace(lattice=cell.lattice * SCALES[shares.argmin()])
        made += 1
        if made == SCREENED:
            break
    return best


def _moved(known: Template, generator: np.random.Generator) -> Cell:
    """Return a template's cell after random displacements and strains that keep its symmetry and its volume."""
    size = generator.uniform(*MOVES_ANGSTROM) * math.sqrt(len(known) / known.free_coords)
    shift = np.tensordot(generator.normal(0, size, known.free_coords), known.moves.displacements, 1)
    strain = np.tensordot(generator.normal(0, STRAIN, len(known.moves.strains)), known.moves.strains, 1)
    lattice = known.cell.lattice @ (np.eye(3) + strain)
    lattice *= (known.volume / abs(np.linalg.det(lattice))) ** (1 / 3)
    return known.cell._replace(lattice=lattice, frac=known.cell.frac + shift)
