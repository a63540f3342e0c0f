"""Crystals from a pattern and a chemical formula: the whole way, from what the user has to a list of candidates."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from pymatgen.core import Composition

from xrdscape.diffraction.finite_size import SizeConvention
from xrdscape.errors import LibraryError
from xrdscape.patterns.pattern import Pattern
from xrdscape.patterns.scan import AxisName
from xrdscape.solution.candidates import ranked, swaps
from xrdscape.solution.chemistry import Chemistry
from xrdscape.solution.exact import LEFT_BY_NOISE, exact_pattern, exactly
from xrdscape.solution.given import given_pattern
from xrdscape.solution.hidden import with_hidden_lines
from xrdscape.solution.library import Library, carried_library, formula_of
from xrdscape.solution.measurement import Measurement, measurement
from xrdscape.solution.prototypes import LAST, Effort, Fit, Leg, Search, prototypes, relaxed
from xrdscape.solution.sequences import from_random_starts
from xrdscape.solution.shape import shaped
from xrdscape.solution.solution import Solution
from xrdscape.solution.verdict import explained_below

Phase = Literal["prototypes", "peak shape", "random starts", "candidates"]
Progress = Callable[[Phase, int, int], None]
"""Called with a phase of a search, how many of its steps are done, and of how many."""

SWAPPED, POLISHED, SHAPED_BY, REFITTED, SHAPE_ROUNDS = 5, 20, 4, 40, 2
"""Numbers of the best fits that are tried with neighbouring elements exchanged, polished, fit the shape, and are fitted
again under another shape, which is done so many times."""
WITH_HIDDEN_LINES = 2
"""Number of different fits in which strong lines may hide others, where noise does not explain what the best leaves."""
POLISH = (Leg(LAST, True, 20),)
MOST_ATOMS = 52
"""Atoms in the primitive cell."""
MOST_UNITS = 5
"""Numbers of formula units that are tried, the most frequent in the library first."""


def solve(
    formula: str,
    pattern: Pattern | str | Path,
    *,
    library: Library | None = None,
    without: Iterable[str] = (),
    candidates: int = 10,
    formula_units: int | None = None,
    axis: AxisName | None = None,
    wavelength_angstrom: float | Sequence[float] | None = None,
    size_angstrom: float | None = None,
    sigma_inv_angstrom: float | None = None,
    convention: SizeConvention | None = None,
    effort: Effort | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Solution:
    """Return crystals of a formula that explain a powder pattern, the best first, or that none does.

    Known structures of the same formula type lend their arrangements of sites; each is fitted to the pattern with its
    symmetry kept, under ever less blur. Where none explains the pattern, random starts along the Wyckoff sequences of
    such structures are tried.

    >>> import numpy as np, xrdscape
    >>> from xrdscape.diffraction.nano_patterns import NANO_CONVENTIONS, nano_pattern
    >>> convention = NANO_CONVENTIONS["paper"]
    >>> made = nano_pattern(xrdscape.load_structure("LiMnIr2"), 100.0, convention, np.random.default_rng(0))
    >>> angle = 2 * np.degrees(np.arcsin(made.q_inv_angstrom * 1.5406 / (4 * np.pi)))
    >>> pattern = xrdscape.Pattern(angle, made.intensity, q_inv_angstrom=made.q_inv_angstrom)
    >>> found = xrdscape.solve("LiMnIr2", pattern, without=["LiMnIr2"], size_angstrom=100.0, convention="paper")
    >>> found.solved, found.candidates[0].space_group
    (True, 'Fm-3m')

    Args:
        formula: what the primitive cell holds, such as "Ba4 Ti4 O12"; or a formula unit, such as "BaTiO3", of which
            several numbers in the cell are tried.
        pattern: over 2theta with its wavelength, over Q, or the path of a file with one.
        library: of known structures; the one that the package brings if left out.
        without: reduced formulas whose entries are left out of it.
        candidates: how many at most.
        formula_units: in the primitive cell, where it is known.
        axis: of a file's positions, as of `read_pattern`.
        wavelength_angstrom: instead of the pattern's own; K-alpha 1 and 2 where both are in the beam. A pattern over Q
            needs none.
        size_angstrom: of the crystallites, in the meaning of the convention; fitted if left out.
        sigma_inv_angstrom: standard deviation of what else smooths the peaks; fitted if left out.
        convention: "paper" or "reference-code" for a pattern made as PXRDnet makes them.
        effort: how much to do.
        seed: of the random starts.
        progress: told how far the search is.

    Raises:
        LibraryError: for a formula that cannot be used.
        PatternError: for a pattern that cannot be used.
        StructureError: an element has no form factor.
    """
    began, effort = time.perf_counter(), effort or Effort()
    settings = {
        "candidates": candidates, "formula_units": formula_units, "axis": axis, "size_angstrom": size_angstrom,
        "wavelength_angstrom": wavelength_angstrom, "sigma_inv_angstrom": sigma_inv_angstrom, "convention": convention,
        "fits_at_most": effort.fits, "descents": effort.descents, "seed": seed,
    }  # fmt: skip
    wanted = formula_of(formula)
    known = (carried_library() if library is None else library).without(without)
    given = given_pattern(pattern, axis, wavelength_angstrom)
    data = measurement(given, size_angstrom, sigma_inv_angstrom, convention)
    found = solve_measurement(
        _cells(wanted, formula_units, known), data, known, candidates=candidates, effort=effort, seed=seed,
        progress=progress,
    )  # fmt: skip
    return replace(found, asked=formula, without=tuple(without), pattern_name=given.name, settings=settings,
                   seconds=time.perf_counter() - began)  # fmt: skip


def solve_measurement(
    cells: Sequence[Composition],
    data: Measurement,
    library: Library,
    chemistry: Chemistry | None = None,
    candidates: int = 10,
    effort: Effort | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Solution:
    """Return what `solve` does, for a pattern and a library made ready.

    Args:
        cells: contents of the primitive cell to be tried, in this order, until one explains the pattern.
        data: the pattern.
        library: its chosen entries.
        chemistry: learnt from these.
        candidates, effort, seed, progress: as of `solve`.
    """
    sizes, effort = chemistry or Chemistry(library), effort or Effort()
    tell = progress or (lambda phase, done, of: None)
    tried: list[Tried] = []
    for contents in cells:
        data, found = _by_prototypes(contents, data, library, sizes, effort, tell)
        tried.append(found)
        if _explained(found, data):
            break
    else:
        for place, found in enumerate(tried):
            if not effort.descents:
                break
            tried[place] = _by_random_starts(found, data, library, seed, tell)
            if _explained(tried[place], data):
                break
    together = sorted(
        (candidate for found in tried for candidate in ranked(found.search, found.fits, candidates)),
        key=lambda candidate: candidate.weighted,
    )[:candidates]
    tell("candidates", 1, 1)
    return Solution.of(together, data, sum(len(found.fits) for found in tried), library, cells[: len(tried)])


class Tried(NamedTuple):
    """A content of the cell that was tried: its search, and all fits."""

    search: Search
    fits: list[Fit]


def _explained(found: Tried, data: Measurement) -> bool:
    """Return whether a fit explains the pattern, with distances that are likely."""
    best = ranked(found.search, found.fits, 1)
    return bool(best) and best[0].likely and best[0].residual < explained_below(data)


def _by_prototypes(
    contents: Composition, data: Measurement, library: Library, sizes: Chemistry, effort: Effort, tell: Progress
) -> tuple[Measurement, Tried]:
    """Return the measurement with the shape of its peaks fitted, and fits of prototypes."""
    search = Search.of(contents, data.evidence(), sizes, effort)
    fits = prototypes(search, library, lambda done, of: tell("prototypes", done, of))
    if data.unknown and fits:
        for number in range(SHAPE_ROUNDS):
            tell("peak shape", number, SHAPE_ROUNDS)
            data = shaped(data, search, sorted(fits, key=_by_residual)[:SHAPED_BY])
            search = Search.of(contents, data.evidence(), sizes, effort)
            fits = list(_again(search, sorted(fits, key=_by_residual)[:REFITTED], POLISH))
    return data, Tried(search, _polished(search, data, fits))


def _by_random_starts(found: Tried, data: Measurement, library: Library, seed: int, tell: Progress) -> Tried:
    """Return the fits of prototypes, and those from random starts with them."""
    # Of several contents of the cell, the shape may have been fitted anew since.
    search = replace(found.search, evidence=data.evidence())
    enough = explained_below(data)
    fits = from_random_starts(
        search, library, np.random.default_rng(seed), enough / 2, lambda done, of: tell("random starts", done, of)
    )
    return Tried(search, [*found.fits, *_polished(search, data, fits)])


def _polished(search: Search, data: Measurement, fits: list[Fit]) -> list[Fit]:
    """Return fits of which the best were taken to the end, and tried with neighbouring elements exchanged."""
    exact = exact_pattern(data)

    def to_the_end(some: list[Fit]) -> list[Fit]:
        some = sorted(_again(search, some, POLISH), key=_by_residual)
        return some if exact is None else list(exactly(search, some, exact))

    fits = sorted(fits, key=_by_residual)
    best = sorted(to_the_end(fits[:POLISHED]), key=_by_residual)
    if exact is not None and best and best[0].residual > LEFT_BY_NOISE:
        different = [candidate.fit for candidate in ranked(search, best, WITH_HIDDEN_LINES)]
        best += [with_hidden_lines(search, fit, exact, LEFT_BY_NOISE) for fit in different]
        best.sort(key=_by_residual)
    return [*best, *to_the_end(swaps(search, best[:SWAPPED])), *fits[POLISHED:]]


def _again(search: Search, fits: Iterable[Fit], legs: Sequence[Leg]) -> Iterator[Fit]:
    """Yield fits that go on under a search, or as they are where that fails."""
    for fit in fits:
        try:
            end = relaxed(search, fit.template, fit.cell, legs)
            yield replace(fit, cell=end.cell, residual=end.residual)
        except np.linalg.LinAlgError:
            yield fit


def _by_residual(fit: Fit) -> float:
    return fit.residual


def _cells(wanted: Composition, units: int | None, library: Library) -> list[Composition]:
    """Return the contents of the primitive cell to be tried.

    Raises:
        LibraryError: there are too many atoms in all of them.
    """
    counts = [round(count) for count in wanted.values()]
    if units is not None:
        if units < 1:
            raise LibraryError(f"The number of formula units is at least 1. Received {units}.")
        tried = [wanted * units]
    elif math.gcd(*counts) > 1:
        tried = [wanted]
    else:
        tried = [wanted * number for number in _frequent_units(counts, library)]
    fitting = [cell for cell in tried if cell.num_atoms <= MOST_ATOMS]
    if not fitting:
        raise LibraryError(
            f"{wanted.formula} makes cells of {tried[0].num_atoms:g} atoms, and a search takes at most {MOST_ATOMS}. "
            "Give the contents of the primitive cell."
        )
    return fitting


def _frequent_units(counts: list[int], library: Library) -> list[int]:
    """Return numbers of formula units, those first that entries of this formula type most often have."""
    most = max(1, MOST_ATOMS // sum(counts))
    found = [(len(library.of_type([count * number for count in counts])), number) for number in range(1, most + 1)]
    frequent = [number for seen, number in sorted(found, key=lambda pair: (-pair[0], pair[1])) if seen]
    return frequent[:MOST_UNITS] or [1]
