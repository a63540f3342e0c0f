"""Prototypes: known arrangements of sites with other elements on them, fitted to a pattern."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
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
from xrdscape.solution.templates import Template, template

Exact = NDArray[np.float64]

SCALES = np.exp(np.linspace(-0.11, 0.11, 15))
"""Multiples of the expected cell's lengths that are tried: volumes within 33 %."""
VOLUME_SIGMA = 0.15
"""Standard deviation of the expected ln V, in fits: wide, for the pattern decides."""
LARGEST_MOVE = 0.6
"""Largest change of a displacement's parameter in one step, angstrom."""
MOST_FITS = 160
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
    """

    elements: tuple[str, ...]
    counts: tuple[int, ...]
    evidence: Evidence
    beam: Beam
    restraints: Restraints

    @classmethod
    def of(cls, composition: Composition, evidence: Evidence, chemistry: Chemistry) -> "Search":
        """Return the search for a primitive cell of this composition; errors as `form_factor_table`."""
        counted = sorted((element.symbol, round(count)) for element, count in composition.items())
        elements = tuple(symbol for symbol, _ in counted)
        restraints = Restraints(
            math.log(chemistry.volume(composition)), VOLUME_SIGMA, chemistry.shortest(elements), 0.0
        )
        return cls(elements, tuple(n for _, n in counted), evidence, evidence.beam(elements), restraints)

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
            chemistry = sum(
                abs(_mendeleev(search.elements[e]) - _mendeleev(int(z))) for e, z in zip(way, own, strict=True)
            )
            with_elements = cell._replace(species=way[cell.species])
            yield Start(
                replace(known, cell=with_elements), place, tuple(SCALES[best]), float(shares[best[0]]), chemistry
            )


def kinds_of(orbits: Orbits) -> Orbits:
    """Return orbits numbered by the place of their element in the list of the entry's own, by atomic number."""
    return replace(orbits, numbers=np.unique(orbits.numbers, return_inverse=True)[1])


def _lowest(shares: Exact) -> NDArray[np.int64]:
    """Return the places of the two lowest local minima, or of the one that there is."""
    padded = np.concatenate([[np.inf], shares, [np.inf]])
    minima = np.flatnonzero((shares <= padded[:-2]) & (shares <= padded[2:]))
    return minima[np.argsort(shares[minima])][:2]


@cache
def _mendeleev(element: str | int) -> float:
    return float((Element(element) if isinstance(element, str) else Element.from_Z(element)).mendeleev_no)


def descend(search: Search, start: Start) -> Fit:
    """Return the best fit of a template, under one blur after the other: first of the cell, then of atoms as well."""
    known, best = start.template, None
    legs = schedule(len(search.evidence.stages), known.free_coords > 0)
    for scale in start.starts:
        cell = known.cell._replace(lattice=known.cell.lattice * scale)
        found = relaxed(search, known, cell, legs)
        if best is None or found.residual < best.residual:
            best = found
    assert best is not None
    return Fit(known, best.cell, best.residual, start.place, "prototype")


@dataclass(frozen=True)
class Leg:
    """A part of a descent: the blur's number, whether atoms move, and how many steps at most."""

    stage: int
    atoms: bool
    steps: int


LAST = -1


def schedule(stages: int, atoms: bool) -> tuple[Leg, ...]:
    """Return the legs of a descent: 8 steps of the cell under the widest blur, 6 under the next, 8 of cell and atoms
    there and under each further blur, and 12 of both on the pattern as it is."""
    moving = tuple(Leg(stage, True, 8) for stage in range(1 if atoms else 2, stages - 1))
    return (Leg(0, False, 8), Leg(1, False, 6), *moving, Leg(LAST, True, 12))


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
        moves = known.moves if leg.atoms else still
        found = fit(cell, moves, search.beam, search.evidence.stages[leg.stage], restraints, leg.steps, LARGEST_MOVE)
        cell, residual = cell._replace(lattice=found.lattice, frac=found.frac), found.residual
    return Relaxed(cell, residual)


def prototypes(
    search: Search, library: Library, most: int = MOST_FITS, tell: Callable[[int], None] | None = None
) -> Iterator[Fit]:
    """Yield fits of the library's entries of the right type, those first that the scan likes best.

    Args:
        search: for what.
        library: its chosen entries.
        most: how many fits.
        tell: told how many there will be.
    """
    candidates = list(starts(search, library, library.of_type(search.counts).arrangements().tolist()))
    candidates.sort(key=lambda start: start.residual + CHEMISTRY_WEIGHT * start.chemistry)
    if tell:
        tell(len(candidates[:most]))
    for start in candidates[:most]:
        try:
            yield descend(search, start)
        except np.linalg.LinAlgError:
            continue
