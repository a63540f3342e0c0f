"""A starting crystal refined against a measured pattern: graduated descents of the cell, then the whole profile.

The pattern alone is the judge: no reference structure is known here.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from pymatgen.core import Structure

from xrdscape.crystal.contents import Contents
from xrdscape.crystal.distortion import distort_lattice, generator
from xrdscape.crystal.families import Family, detect_family
from xrdscape.crystal.structures import CrystalLike, crystal_of, from_tensors, to_tensors
from xrdscape.diffraction.instrument import Instrument
from xrdscape.diffraction.pattern import Simulator, reflection_table
from xrdscape.errors import CellError, PatternError, StructureError
from xrdscape.optimisation.descent import Descent, Schedule, Stage, constant
from xrdscape.optimisation.graduated import graduated
from xrdscape.optimisation.loop import run_descent
from xrdscape.optimisation.objectives import OBJECTIVES
from xrdscape.optimisation.problem import Problem
from xrdscape.optimisation.rules import Adam
from xrdscape.optimisation.stopping import IMPOSSIBLE, NOT_FINITE, STOP_REASONS
from xrdscape.optimisation.symmetric import SymmetricCoordinates
from xrdscape.patterns.pattern import Pattern
from xrdscape.patterns.reading import read_pattern
from xrdscape.refinement.fit import Fit, fit_profile, fit_scale
from xrdscape.refinement.prepared import Prepared, prepare
from xrdscape.refinement.refinement import DescentPath, Refinement
from xrdscape.refinement.residual import Residual, residual
from xrdscape.refinement.settings import AUTOMATIC, FREE, FamilyChoice, Settings

TIGHT_ANGSTROM, LOOSE_ANGSTROM = 0.01, 0.1
"""Tolerances of the search for the start's symmetry: first what it has as written, so that a cell that is monoclinic
by a fifth of a degree may remain so; where it has none, what it nearly has, for a start is not yet accurate."""

WIDE_LEVEL, NARROW_LEVEL = 0.05, 0.02
"""Largest strain of the copies that restarts begin from: far ones with the whole blur, near ones with little."""

NARROW_BLUR_DEG = 1.0
"""First blur of a near restart: a cell of pseudosymmetry, say, is found only where peaks that split are seen to."""

ENOUGH = 0.999
"""Cosine similarity from which no restart is made: short of it, a cell of pseudosymmetry may do better."""

RECORD_EVERY = 10
"""Steps between two points of the path that the report shows."""

SITES_SCHEDULE = Schedule(1e-3, 600, check_every=100, tolerance=1e-6, rule=Adam())
"""Schedule of the coordinates: Adam's steps are a thousandth of the cell."""

_LOST = (STOP_REASONS[NOT_FINITE], STOP_REASONS[IMPOSSIBLE])


@dataclass(frozen=True)
class _Task:
    """The models, the pattern and the settings of a refinement; the same for every descent."""

    start: Structure
    prepared: Prepared
    family: Family | None
    settings: Settings
    progress: bool


@dataclass(frozen=True)
class _Candidate:
    """The end of a descent with its profile fitted."""

    crystal: Structure
    fit: Fit
    residual: Residual
    path: DescentPath

    @property
    def agreement(self) -> str:
        return f"cosine {self.residual.cosine:.4f}, Rwp {self.residual.Rwp:.1%}"


def refine(
    start: CrystalLike,
    pattern: Pattern | str | Path,
    *,
    family: FamilyChoice = Settings.family,
    atoms: bool = Settings.atoms,
    zero_shift: bool = Settings.zero_shift,
    blur_deg: float = Settings.blur_deg,
    restarts: int = Settings.restarts,
    seed: int = Settings.seed,
    anomalous: bool = Settings.anomalous,
    say: Callable[[str], None] | None = None,
    progress: bool = False,
) -> Refinement:
    """Return a starting crystal refined against a powder pattern: its cell and, if asked, its coordinates.

    >>> import xrdscape
    >>> crystal = xrdscape.load_structure("U2Ti")
    >>> start = crystal.copy()
    >>> _ = start.apply_strain(0.02)
    >>> done = xrdscape.refine(start, xrdscape.simulate(crystal))
    >>> [round(length, 3) for length in done.refined.lattice.abc]
    [4.789, 4.789, 2.802]

    Args:
        start: a structure, the path of a CIF or POSCAR file, or the name of a reference structure. Its elements and
            occupancies are taken as they are; its cell may be off by some per cent.
        pattern: measured or simulated, or the path of its file. Its radiation must be known. A background is
            subtracted if it may have one, and its peak profile is estimated if it has none.
        family: crystal family to keep the cell in; "auto" is that of the start, "free" none.
        atoms: descend the coordinates, too, at the cell found.
        zero_shift: refine an offset of the angles.
        blur_deg: full width of the first blur of both patterns.
        restarts: further descents at most, from strained copies, if that from the start explains too little.
        seed: of the strains.
        anomalous: add the anomalous dispersion f' and f'' of each element at the strongest emission line.
        say: receives messages on what is assumed and how it goes.
        progress: show a bar for each descent.

    Raises:
        PatternError: for a pattern that cannot be used, or one that no reflection of the start falls inside.
        StructureError, CellError: for a start that cannot be read or simulated.
        DescentError: for choices that make no refinement.
    """
    begin, say = time.monotonic(), say or _silent
    settings = Settings(family, atoms, zero_shift, blur_deg, restarts, seed, anomalous)
    read = crystal_of(start)
    crystal = read.structure
    prepared = prepare(pattern if isinstance(pattern, Pattern) else read_pattern(pattern))
    prepared = replace(prepared, instrument=replace(prepared.instrument, anomalous=anomalous))
    _refuse_blind(crystal, prepared)
    kept, remark = chosen_family(crystal, settings.family)
    for told in (*prepared.remarks, remark):
        say(told)
    task = _Task(crystal, prepared, kept, settings, progress)
    best, descents = _searched(task, say)
    remarks = [f"The start: {read.summary}.", *read.remarks, *prepared.remarks, remark]
    if settings.atoms:
        best = _with_sites(best, task)
        say(f"coordinates: {best.agreement}")
        remarks.append(
            "The coordinates were descended at the cell found, keeping the symmetry of the start; kept if Rwp fell."
        )
    start_fit = fit_scale(prepared, crystal, best.fit.instrument, best.fit.b_iso)
    return Refinement(
        start=crystal,
        refined=best.crystal,
        start_fit=start_fit,
        refined_fit=best.fit,
        before=residual(prepared, start_fit),
        after=best.residual,
        family=kept,
        path=best.path,
        descents=descents,
        seconds=time.monotonic() - begin,
        remarks=tuple(remarks),
        pattern=prepared,
        settings=settings,
        start_name=Path(read.origin).name,
    )


def _silent(message: str) -> None:
    """Do nothing with a message."""


def chosen_family(start: Structure, wanted: FamilyChoice) -> tuple[Family | None, str]:
    """Return the crystal family to keep the cell in, or None, and a sentence that says why."""
    if wanted == FREE:
        return None, "The cell was free: six parameters."
    if wanted != AUTOMATIC:
        return wanted, f"The cell was kept {wanted}, as asked."
    why = f"the start shows no symmetry within {LOOSE_ANGSTROM:g} Å"
    for tolerance in (TIGHT_ANGSTROM, LOOSE_ANGSTROM):
        try:
            family = detect_family(start, tolerance)
        except StructureError:
            why = "the start is not in the conventional cell of its symmetry"
            continue
        if family != "triclinic":
            return family, f"The cell was kept {family}, as the start is within {tolerance:g} Å."
    return None, f"The cell was free: {why}."


def _refuse_blind(start: Structure, prepared: Prepared) -> None:
    """Raise PatternError if no reflection of the start falls inside the pattern."""
    instrument = prepared.instrument.at_mean_wavelength()
    try:
        angles = reflection_table(start, instrument)["two_theta_deg"]
        blind = not (angles >= instrument.two_theta_min_deg).any()
    except CellError:
        blind = True
    if blind:
        raise PatternError(
            f"no reflection of the start falls between {instrument.two_theta_min_deg:g} and "
            f"{instrument.two_theta_max_deg:g} deg at {instrument.wavelength_angstrom:g} angstrom. Check the "
            "wavelength, the range and the cell, and that the first column is 2theta, not d or q."
        )


def _searched(task: _Task, say: Callable[[str], None]) -> tuple[_Candidate, int]:
    """Return the best of the descents from the start and, if that explains too little, of the restarts; and how many
    descents were made."""
    best = _best_of([task.start], task)
    say(f"descent from the start: {best.agreement}")
    restarts = task.settings.restarts
    if best.residual.cosine >= ENOUGH or not restarts:
        return best, 1
    best = _restarted(best, task)
    say(f"{restarts} restart{'s' if restarts > 1 else ''} from strained copies: at best {best.agreement}")
    return best, 1 + restarts


def _restarted(found: _Candidate, task: _Task) -> _Candidate:
    """Return the least Rwp of what was found and of restarts: near the find, near the start and farther from it."""
    start, settings = task.start, task.settings

    def copies(crystal: Structure, level: float, which: range) -> list[Structure]:
        name = start.composition.reduced_formula
        draws = [generator(name, "lattice", level, number, settings.seed) for number in which]
        return [distort_lattice(crystal, level, draw) for draw in draws]

    thirds = [range(first, settings.restarts, 3) for first in range(3)]
    near = [*copies(found.crystal, NARROW_LEVEL, thirds[0]), *copies(start, NARROW_LEVEL, thirds[1])]
    little_blur = replace(settings, blur_deg=min(NARROW_BLUR_DEG, settings.blur_deg))
    rounds = ((near, replace(task, settings=little_blur)), (copies(start, WIDE_LEVEL, thirds[2]), task))
    others = [_best_of(some, how) for some, how in rounds if some]
    return min([found, *others], key=lambda candidate: candidate.residual.Rwp)


def _best_of(starts: Sequence[Structure], task: _Task) -> _Candidate:
    """Descend from all models, take the end of least loss, and fit its profile."""
    prepared, settings = task.prepared, task.settings
    instrument = prepared.instrument.at_mean_wavelength()
    weights = None if prepared.weights is None else torch.tensor(prepared.weights)
    problem = Problem(torch.tensor(prepared.net), instrument, Contents.of(task.start), weights)
    result = graduated(
        problem,
        *to_tensors(starts),
        OBJECTIVES["cosine"],
        task.family,
        settings.narrowing,
        progress=task.progress,
        record_every=RECORD_EVERY,
    )
    # One that lost its way early was last judged with a blur, so too kindly.
    lost = torch.tensor([reason in _LOST for reason in result.stop_reason])
    best = int(torch.where(lost, torch.inf, result.loss).argmin())
    trace = result.trajectory
    assert trace is not None
    path = DescentPath(trace.steps.numpy(), trace.loss[:, best].double().numpy(), settings.narrowing)
    crystal = starts[0]
    if not lost[best]:
        crystal = from_tensors(task.start, result.lattice[best].double(), result.frac_coords[best].double())
    return _fitted(crystal, prepared.instrument, 0.0, path, task)


def _fitted(crystal: Structure, instrument: Instrument, b_iso: float, path: DescentPath, task: _Task) -> _Candidate:
    """Return a crystal with cell and profile refined, beginning with this profile."""
    fit = fit_profile(task.prepared, crystal, instrument, b_iso, task.family, task.settings.zero_shift)
    refined = from_tensors(crystal, torch.tensor(fit.lattice), torch.tensor(crystal.frac_coords))
    return _Candidate(refined, fit, residual(task.prepared, fit), path)


def _with_sites(found: _Candidate, task: _Task) -> _Candidate:
    """Descend the coordinates at the cell found and fit the profile again; return what explains more."""
    prepared, fit = task.prepared, found.fit
    simulator = Simulator(found.crystal, fit.instrument, b_iso=fit.b_iso)
    stage = Stage(simulator, torch.tensor(prepared.intensity - fit.background))
    if prepared.weights is not None:
        weights = torch.tensor(prepared.weights)
        stage = replace(stage, target=stage.target * weights, weights=weights)
    descent = Descent(constant(stage), OBJECTIVES["cosine"], SITES_SCHEDULE)
    sites = SymmetricCoordinates.around(found.crystal, LOOSE_ANGSTROM)
    result = run_descent(descent, sites, *to_tensors([found.crystal]), progress=task.progress)
    moved = from_tensors(found.crystal, result.lattice[0], result.frac_coords[0])
    again = _fitted(moved, fit.instrument, fit.b_iso, found.path, task)
    return min(found, again, key=lambda candidate: candidate.residual.Rwp)
