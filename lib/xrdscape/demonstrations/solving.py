"""A search for one crystal, followed from its pattern to the list of candidates."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pymatgen.core import Structure

from xrdscape.diffraction.finite_size import SizeConvention
from xrdscape.diffraction.nano_patterns import nano_convention
from xrdscape.optimisation.kernels.mesh_fit_kernel import scan
from xrdscape.patterns.pattern import Pattern
from xrdscape.solution.candidates import structure_of_fit
from xrdscape.solution.library import Library, carried_library
from xrdscape.solution.prototypes import (
    LAST,
    SCALES,
    Fit,
    Leg,
    Search,
    Start,
    descents_worth,
    relaxed,
    schedule,
    starts,
)
from xrdscape.solution.shape import pattern_of
from xrdscape.solution.solution import Solution
from xrdscape.study.solving import allowed, asked_crystal, judged, pattern_asked

Exact = np.ndarray


@dataclass(frozen=True, eq=False)
class Followed:
    """Input of a search.

    Args:
        number, asked: of the crystal among those that are asked for.
        convention: of the pattern.
        name: of the crystal at its source.
        truth: its primitive cell.
        formula: contents of that.
        pattern: of its nanocrystals.
        library: without any formula that is asked for.
    """

    number: int
    asked: int
    convention: SizeConvention
    name: str
    truth: Structure
    formula: str
    pattern: Pattern
    library: Library


def followed_crystal(number: int, asked: int, size_angstrom: float, convention: SizeConvention) -> Followed:
    """Return what a search for one of the crystals that are asked for is given."""
    crystal, rules = asked_crystal(number, asked), nano_convention(convention)
    made = pattern_asked(number, asked, size_angstrom, convention, 0)
    angle = 2 * np.degrees(np.arcsin(made.q_inv_angstrom * rules.wavelength_angstrom / (4 * np.pi)))
    pattern = Pattern(angle, made.intensity, origin="simulated nanocrystals", q_inv_angstrom=made.q_inv_angstrom)
    return Followed(
        number, asked, convention, crystal.id, crystal.structure, crystal.structure.composition.formula, pattern,
        allowed("strict", asked)[0],
    )  # fmt: skip


def narrowing(task: Followed, solution: Solution) -> pd.DataFrame:
    """Return how a search narrows the library down.

    Returns:
        DataFrame: step, number, of what.
    """
    first = solution.candidates[0].candidate
    search: Search = first.search
    of_type = task.library.of_type(search.counts)
    places = of_type.arrangements().tolist()
    ways = sum(1 for _ in starts(search, task.library, places))
    rows = [
        ("Library", len(carried_library()), "known structures"),
        ("Left out", len(carried_library()) - len(task.library), "of a formula that is asked for"),
        ("Formula type", len(of_type), "with the same numbers of atoms in the primitive cell"),
        ("Templates", len(places), "different arrangements of sites among these"),
        ("Assignments", ways, "templates with the elements on their sites, each way of it"),
        ("Scan", min(ways, descents_worth(search)), "of these go on, by their fit under the widest blur"),
        (
            "Fits",
            solution.fits,
            "taken to the end, with those whose elements were exchanged and random starts",
        ),
        ("Candidates", len(solution.candidates), "different crystals in the answer"),
    ]
    return pd.DataFrame(rows, columns=["step", "number", "of what"])


@dataclass(frozen=True, eq=False)
class Stage:
    """The state of a descent at the end of one of its legs.

    Args:
        name: of the leg.
        blur: what the pattern is smoothed with further, 1/angstrom.
        q_inv_angstrom, measured, before, after: pattern under the blur, and the crystal's before and after the leg, at
            the best scale each [n].
        residual: unexplained share at the end.
        volume: of the cell at the end, angstrom^3.
    """

    name: str
    blur: float
    q_inv_angstrom: Exact
    measured: Exact
    before: Exact
    after: Exact
    residual: float
    volume: float


@dataclass(frozen=True, eq=False)
class Descent:
    """The way from a library's entry to the first candidate.

    Args:
        entry: name of the entry, and its own crystal.
        scales, shares: multiples of the expected cell's edges, and the unexplained share at each [n].
        stages: legs in turn.
        end: the crystal at the end.
    """

    entry: str
    own: Structure
    scales: Exact
    shares: Exact
    stages: Sequence[Stage]
    end: Structure


def descent_to_first(task: Followed, solution: Solution) -> Descent:
    """Return the way from the library's entry that the first candidate comes from to where least squares take it."""
    candidate = solution.candidates[0].candidate
    search, place = candidate.search, candidate.fit.place
    options = [_descended(search, start) for start in starts(search, task.library, [place])]
    start, stages, fit = min(options, key=lambda option: option[2].residual)
    cell = start.template.cell
    shares = scan(cell, len(search.elements), np.arange(len(search.elements))[None], search.beam,
                  search.evidence.stages[0], SCALES)[0]  # fmt: skip
    own = task.library.structure(place)
    return Descent(task.library.id(place), own, SCALES, shares, stages, structure_of_fit(search, fit))


def _descended(search: Search, start: Start) -> tuple[Start, list[Stage], Fit]:
    known = start.template
    cell = known.cell._replace(lattice=known.cell.lattice * start.starts[0])
    fit, stages = Fit(known, cell, start.residual, start.place, "prototype"), list[Stage]()
    legs = (*schedule(len(search.evidence.stages), known.free_coords > 0, search.effort), Leg(LAST, True, 12))
    for leg in legs:
        before = _scaled(search, fit, leg.stage)
        end = relaxed(search, known, fit.cell, [leg])
        fit = Fit(known, end.cell, end.residual, start.place, "prototype")
        stages.append(_stage(search, leg, fit, before))
    return start, stages, fit


def _stage(search: Search, leg: Leg, fit: Fit, before: Exact) -> Stage:
    evidence = search.evidence
    target = evidence.stages[leg.stage]
    whole = target.step / evidence.stages[LAST].step * evidence.sigma_inv_angstrom
    blur = float(np.sqrt(max(whole**2 - evidence.sigma_inv_angstrom**2, 0)))
    stride = round((len(evidence.intensity) - 1) / max(len(target.values) - 1, 1))
    q = evidence.q_inv_angstrom[::stride][: len(target.values)]
    name = "cell and atoms" if leg.atoms and fit.template.free_coords else "cell"
    volume = float(abs(np.linalg.det(fit.cell.lattice)))
    return Stage(name, blur, q, target.values, before, _scaled(search, fit, leg.stage), fit.residual, volume)


def _scaled(search: Search, fit: Fit, stage: int) -> Exact:
    values, model = search.evidence.stages[stage].values, pattern_of(search, fit, stage)
    return np.asarray(model * float(model @ values) / max(float(model @ model), 1e-300))


def judged_candidates(task: Followed, solution: Solution) -> pd.DataFrame:
    """Return the candidates of a search beside the truth.

    Returns:
        DataFrame: rank, group, prototype, r_nano, r_wp_squared (of sharp patterns, as PXRDnet judges), loose, strict.
    """
    structures = [row.structure for row in solution.candidates]
    marks = judged(structures, task.number, task.asked, task.convention)
    return pd.DataFrame({
        "rank": [row.rank for row in solution.candidates],
        "group": [row.space_group for row in solution.candidates],
        "prototype": [task.library.id(row.candidate.fit.place) for row in solution.candidates],
        "r_nano": [row.r_nano for row in solution.candidates],
        "r_wp_squared": marks["r_wp_squared"],
        "loose": [bool(value) for value in marks["loose"]],
        "strict": [bool(value) for value in marks["strict"]],
    })  # fmt: skip
