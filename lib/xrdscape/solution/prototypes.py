"""Prototypes: known arrangements of sites with other elements on them, fitted to a pattern."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Composition, Element

from xrdscape.crystal.orbits import Orbits
from xrdscape.diffraction.kernels.mesh_kernel import Beam, Cell
from xrdscape.errors import StructureError
from xrdscape.optimisation.kernels.mesh_fit_kernel import Restraints, fit, scan
from xrdscape.solution.chemistry import Chemistry
from xrdscape.solution.evidence import Evidence
from xrdscape.solution.library import Library
from xrdscape.solution.substitution import mendeleev
from xrdscape.solution.templates import Template, template, without_symmetry

Exact = NDArray[np.float64]

SCALES = np.exp(np.linspace(-0.11, 0.11, 15))
"""Multiples of the expected cell's lengths that are tried: volumes within 33 %."""
VOLUME_SIGMA = 0.15
"""Standard deviation of the expected ln V, in fits: wide, for the pattern decides."""
LARGEST_MOVE = 0.6
"""Largest change of a displacement's parameter in one step, angstrom."""
MOST_FITS = 160


@dataclass(frozen=True)
class Effort:
    """The work that a search does, and what it does without, to see what that is worth.

    Args:
        fits: of prototypes at most.
        descents: from random starts, where no prototype explains the pattern.
        annealed: begin under blurs; otherwise on the pattern as it is.
        atoms: let them move.
        symmetric: keep the symmetry of the prototypes.
    """

    fits: int = MOST_FITS
    descents: int = 300
    annealed: bool = True
    atoms: bool = True
    symmetric: bool = True


SECOND_START = 1.5
"""A second scale is begun from where the scan is no worse there than this multiple of the best."""
ENDED, HOPEFUL = 60, 0.01
"""Number of descents that are taken to the pattern without blur, and the unexplained share under the last blur below
which more are."""
LARGE_CELL = 20
"""Atoms of a cell for which `Effort.fits` is meant."""
CHEMISTRY_WEIGHT = 1e-4
"""Unexplained share that a step along the Mendeleev numbers is worth in the order of the fits."""
Origin = Literal["prototype", "sequence", "swap"]
"""Origin of a candidate: an entry's own arrangement, random starts along its Wyckoff sequence, or another
candidate with two neighbours of the periodic table exchanged."""


@dataclass(frozen=True, eq=False)
class Search:
    """Everything that all fits of one search share.

    Args:
        elements: of the crystal asked for, in alphabetical order.
        counts: how many atoms of each are in the primitive cell.
        evidence: the pattern.
        beam: what scatters, the elements in their order.
        restraints: expected volume and shortest distances.
        effort: how it goes about it.
    """

    elements: tuple[str, ...]
    counts: tuple[int, ...]
    evidence: Evidence
    beam: Beam
    restraints: Restraints
    effort: Effort = Effort()

    @classmethod
    def of(
        cls, composition: Composition, evidence: Evidence, chemistry: Chemistry, effort: Effort | None = None
    ) -> "Search":
        """Return the search for a primitive cell of this composition; errors as `form_factor_table`."""
        counted = sorted((element.symbol, round(count)) for element, count in composition.items())
        elements = tuple(symbol for symbol, _ in counted)
        restraints = Restraints(
            math.log(chemistry.volume(composition)), VOLUME_SIGMA, chemistry.shortest(elements), 0.0
        )
        return cls(
            elements, tuple(n for _, n in counted), evidence, evidence.beam(elements), restraints, effort or Effort()
        )

    def assignments(self, sizes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return every way to give elements to kinds of sites of these sizes [kinds]: their places [ways, kinds]."""
        ways = [way for way in permutations(range(len(sizes)))
                if all(self.counts[element] == size for element, size in zip(way, sizes, strict=True))]  # fmt: skip
        return np.array(ways, np.int64).reshape(-1, len(sizes))


@dataclass(frozen=True, eq=False)
class Start:
    """A template with elements on its sites, ready to be fitted.

    Args:
        template: whose cell has places in the list of elements as species.
        place: of the entry in the library that it comes from.
        starts: cells' scales to begin from, the best first, with the unexplained share there.
        residual: unexplained share at the best of these.
        chemistry: how far the entry's own elements are from these, by Mendeleev numbers.
    """

    template: Template
    place: int
    starts: tuple[float, ...]
    residual: float
    chemistry: float


@dataclass(frozen=True, eq=False)
class Fit:
    """A template where a fit left it.

    Args:
        template: that was fitted; its cell is the one where it began.
        cell: where it ended.
        residual: unexplained share of the pattern.
        place: of the entry in the library that it comes from.
        origin: how it was proposed.
    """

    template: Template
    cell: Cell
    residual: float
    place: int
    origin: Origin


def starts(search: Search, library: Library, places: Iterable[int]) -> Iterator[Start]:
    """Yield each entry at `places` with every assignment of the elements, after a scan of its size under the widest
    blur."""
    volume = math.exp(search.restraints.log_volume)
    numbers = [Element(element).Z for element in search.elements]
    for place in places:
        try:
            known = template(kinds_of(library.orbits(place)))
        except StructureError:
            continue
        ways = search.assignments(np.bincount(known.cell.species))
        cell = known.cell._replace(lattice=known.cell.lattice * (volume / known.volume) ** (1 / 3))
        found = scan(cell, ways.shape[1], ways, search.beam, search.evidence.stages[0], SCALES)
        own = np.unique(library.orbits(place).numbers)
        for way, shares in zip(ways, found, strict=True):
            best = _lowest(shares)
            chemistry = sum(abs(mendeleev(numbers[e]) - mendeleev(int(z))) for e, z in zip(way, own, strict=True))
            with_elements = replace(known, cell=cell._replace(species=way[cell.species]))
            if not search.effort.symmetric:
                with_elements = without_symmetry(with_elements)
            yield Start(with_elements, place, tuple(SCALES[best]), float(shares[best[0]]), chemistry)


def kinds_of(orbits: Orbits) -> Orbits:
    """Return orbits numbered by the place of their element in the list of the entry's own, by atomic number."""
    return replace(orbits, numbers=np.unique(orbits.numbers, return_inverse=True)[1])


def _lowest(shares: Exact) -> NDArray[np.int64]:
    """Return the places of the two lowest local minima, or of one where the other is much higher."""
    padded = np.concatenate([[np.inf], shares, [np.inf]])
    minima = np.flatnonzero((shares <= padded[:-2]) & (shares <= padded[2:]))
    minima = minima[np.argsort(shares[minima])][:2]
    return minima[shares[minima] <= SECOND_START * shares[minima[0]]]


@dataclass(frozen=True)
class Leg:
    """A part of a descent: the blur's number, whether atoms move, and how many steps at most."""

    stage: int
    atoms: bool
    steps: int


LAST = -1


def schedule(stages: int, atoms: bool, effort: Effort) -> tuple[Leg, ...]:
    """Return the legs of a descent before the last: 8 steps of the cell under the widest blur, 6 under the next, and 8
    of cell and atoms there and under each further blur."""
    if not effort.annealed:
        return (Leg(LAST, False, 14), Leg(LAST, True, 8))
    moving = tuple(Leg(stage, True, 8) for stage in range(1 if atoms else 2, stages - 1))
    return (Leg(0, False, 8), Leg(1, False, 6), *moving)


class Relaxed(NamedTuple):
    """The cell that a descent ended in, and the unexplained share there."""

    cell: Cell
    residual: float


def relaxed(search: Search, known: Template, cell: Cell, legs: Sequence[Leg], weight: float = 0.0) -> Relaxed:
    """Return where a cell ends that is fitted leg by leg.

    Args:
        search: the experiment and what is expected.
        known: how the cell may move.
        cell: where to begin.
        legs: what moves under which blur.
        weight: of atoms that are too near.
    """
    restraints, residual = search.restraints._replace(weight=weight), 1.0
    still = known.moves._replace(displacements=known.moves.displacements[:0])
    for leg in legs:
        moves = known.moves if leg.atoms and search.effort.atoms else still
        found = fit(cell, moves, search.beam, search.evidence.stages[leg.stage], restraints, leg.steps, LARGEST_MOVE)
        cell, residual = cell._replace(lattice=found.lattice, frac=found.frac), found.residual
    return Relaxed(cell, residual)


def prototypes(search: Search, library: Library, tell: Callable[[int, int], None] | None = None) -> list[Fit]:
    """Return fits of the library's entries of the right type: those that the scan likes best, and of these, those taken
    to the end that fit best under the blurs.

    Args:
        search: for what.
        library: its chosen entries.
        tell: told how many descents are done, and of how many.
    """
    candidates = list(starts(search, library, library.of_type(search.counts).arrangements().tolist()))
    candidates.sort(key=lambda start: start.residual + CHEMISTRY_WEIGHT * start.chemistry)
    chosen = candidates[: descents_worth(search)]
    blurred: list[Fit] = []
    for number, start in enumerate(chosen):
        blurred += _under_blurs(search, start)
        if tell:
            tell(number + 1, len(chosen) + ENDED)
    blurred.sort(key=lambda found: found.residual)
    ended: list[Fit] = []
    for number, found in enumerate(blurred):
        if number >= ENDED and found.residual > HOPEFUL:
            break
        with suppress(np.linalg.LinAlgError):
            end = relaxed(search, found.template, found.cell, (Leg(LAST, True, 12),))
            ended.append(replace(found, cell=end.cell, residual=end.residual))
        if tell:
            tell(len(chosen) + min(number + 1, ENDED), len(chosen) + ENDED)
    return ended


def descents_worth(search: Search) -> int:
    """Return how many descents a search makes: more for small cells, whose types have more entries and cost less."""
    return round(search.effort.fits * (LARGE_CELL / min(sum(search.counts), LARGE_CELL)) ** 0.7)


def _under_blurs(search: Search, start: Start) -> list[Fit]:
    """Return the better of a template's descents under one blur after the other, or none where that fails."""
    known, found = start.template, []
    legs = schedule(len(search.evidence.stages), known.free_coords > 0, search.effort)
    for scale in start.starts:
        with suppress(np.linalg.LinAlgError):
            end = relaxed(search, known, known.cell._replace(lattice=known.cell.lattice * scale), legs)
            found.append(Fit(known, end.cell, end.residual, start.place, "prototype"))
    return sorted(found, key=lambda end: end.residual)[:1]
