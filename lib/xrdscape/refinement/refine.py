"""A starting crystal refined against a measured pattern: graduated descents of the cell, then the whole profile.

The pattern alone is the judge: no truth is known here.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pymatgen.core import Structure

from xrdscape.crystal.contents import Contents
from xrdscape.crystal.distortion import distort_lattice, generator
from xrdscape.crystal.families import FAMILIES, Family, detect_family
from xrdscape.crystal.structures import from_tensors, to_tensors
from xrdscape.diffraction.pattern import Simulator, reflection_table
from xrdscape.errors import CellError, DescentError, PatternError, StructureError
from xrdscape.optimisation.descent import Descent, Schedule, Stage, constant
from xrdscape.optimisation.graduated import Narrowing, graduated
from xrdscape.optimisation.loop import run_descent
from xrdscape.optimisation.objectives import OBJECTIVES
from xrdscape.optimisation.problem import Problem
from xrdscape.optimisation.rules import Adam
from xrdscape.optimisation.stopping import IMPOSSIBLE, NOT_FINITE, STOP_REASONS
from xrdscape.patterns.measured import Values
from xrdscape.patterns.prepare import Prepared
from xrdscape.refinement.fit import Fit, Shape, fit_profile, fit_scale, shaped
from xrdscape.refinement.residual import Residual, residual
from xrdscape.refinement.sites import symmetric_coordinates

TIGHT_ANGSTROM, LOOSE_ANGSTROM = 0.01, 0.1
"""Tolerances of the search for the start's symmetry: first what it has as written, so that a cell that is monoclinic
by a fifth of a degree may remain so; where it has none, what it nearly has, for a start is not yet accurate."""

WIDE_LEVEL, NARROW_LEVEL = 0.05, 0.02
"""Largest strain of the copies that further tries start from: far ones with the whole blur, near ones with little."""

WIDEST_BLUR_DEG = 180.0
"""Any wider than all angles is a slip."""

NARROW_BLUR_DEG = 1.0
"""First blur of a near try: a cell of pseudosymmetry, say, is found only where peaks that split are seen to."""

ENOUGH = 0.999
"""Cosine similarity from which no further try is made: short of it, a cell of pseudosymmetry may do better."""

RECORD_EVERY = 10
"""Steps between two points of the path that the report shows."""

SITES_SCHEDULE = Schedule(1e-3, 600, check_every=100, tolerance=1e-6, rule=Adam())
"""For the coordinates: Adam's steps are a thousandth of the cell."""

_LOST = (STOP_REASONS[NOT_FINITE], STOP_REASONS[IMPOSSIBLE])

AUTOMATIC: Final = "auto"
FREE: Final = "free"


@dataclass(frozen=True)
class Settings:
    """How to refine.

    Args:
        family: of crystals that the cell is kept in; "auto" is that of the start, "free" none.
        blur_deg: width of the first blur.
        tries: descents at most: from the start, then from strained copies of it if that explains too little.
        atoms: descend the coordinates, too, at the cell found.
        zero_shift: fit an offset of the angles.
        seed: of the copies.
    """

    family: Family | Literal["auto", "free"] = AUTOMATIC
    # As recommended for simulated patterns. On ten measured ones the width matters little: of 273 starts strained by 2
    # to 20 % the first try brought 186, 184 and 183 within 0.5 % of the published cell from 10, 20 and 30 deg (by an
    # estimate of the background that followed less of a broad one).
    blur_deg: float = Narrowing.widest_deg
    tries: int = 8
    atoms: bool = False
    zero_shift: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.family not in (AUTOMATIC, FREE, *FAMILIES):
            raise DescentError(
                f"unknown crystal family {self.family!r}: choose {', '.join((AUTOMATIC, FREE, *FAMILIES))}."
            )
        if self.tries < 1 or not 0 < self.blur_deg <= WIDEST_BLUR_DEG:
            raise DescentError(
                f"tries must be at least 1, and the blur wider than 0 and at most {WIDEST_BLUR_DEG:g} deg. Received "
                f"{self.tries} tries and {self.blur_deg:g} deg."
            )

    @property
    def narrowing(self) -> Narrowing:
        return Narrowing(self.blur_deg, min(Narrowing.narrowest_deg, self.blur_deg))


@dataclass(frozen=True)
class Path:
    """The loss of a descent, -cosine of the blurred patterns, at some of its steps [R]; and how the blur narrowed."""

    steps: NDArray[np.int64]
    loss: Values
    narrowing: Narrowing

    @property
    def blur_deg(self) -> Values:
        """At these steps; 0 without blur [R]."""
        widths = np.array([*self.narrowing.widths_deg, 0.0])
        return widths[np.minimum(self.steps // self.narrowing.steps, len(widths) - 1)]


@dataclass(frozen=True)
class Refinement:
    """What came out.

    Args:
        start, end: the crystals.
        start_fit, end_fit: their patterns, both with the profile found at the end, scaled to the measured one.
        before, after: their residuals.
        family: that the cell was kept in; None if free.
        path: of the descent that was taken.
        tries: descents made.
        seconds: for all of it.
        remarks: what was assumed, a sentence each.
    """

    start: Structure
    end: Structure
    start_fit: Fit
    end_fit: Fit
    before: Residual
    after: Residual
    family: Family | None
    path: Path
    tries: int
    seconds: float
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class _Candidate:
    """The end of a descent with its profile fitted."""

    crystal: Structure
    fit: Fit
    residual: Residual
    path: Path

    @property
    def told(self) -> str:
        return f"cosine {self.residual.cosine:.4f}, Rwp {self.residual.Rwp:.1%}"


def refine(
    start: Structure,
    prepared: Prepared,
    settings: Settings | None = None,
    say: Callable[[str], None] = lambda text: None,
    progress: bool = False,
) -> Refinement:
    """Refine a start against a pattern.

    Args:
        start: elements, occupancies and coordinates are taken as they are; the cell may be off by some per cent.
        prepared: the pattern.
        settings: how.
        say: is told what happens.
        progress: show a bar for each descent.

    Raises:
        PatternError: no reflection of the start falls inside the pattern.
    """
    settings, begin = settings or Settings(), time.monotonic()
    _refuse_blind(start, prepared)
    family, remark = chosen_family(start, settings.family)
    remarks = [*prepared.remarks, remark]
    say(remark)
    best = _best_of([start], start, prepared, family, settings, progress)
    tries = 1
    say(f"try 1: {best.told}")
    if best.residual.cosine < ENOUGH and settings.tries > 1:
        best = _restarted(best, start, prepared, family, settings, progress)
        tries = settings.tries
        say(f"tries 2 to {tries}, from strained copies: at best {best.told}")
    if settings.atoms:
        best = _with_sites(best, prepared, family, settings, progress)
        say(f"coordinates: {best.told}")
        remarks.append(
            "The coordinates were descended at the cell found, keeping the symmetry of the start; kept if Rwp fell."
        )
    start_fit = fit_scale(prepared, start, best.fit.shape)
    return Refinement(
        *(start, best.crystal, start_fit, best.fit, residual(prepared, start_fit), best.residual, family, best.path),
        *(tries, time.monotonic() - begin, tuple(remarks)),
    )


def chosen_family(start: Structure, wanted: Family | Literal["auto", "free"]) -> tuple[Family | None, str]:
    """The crystal family to keep the cell in, or None, and a sentence that says why."""
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
    instrument = prepared.instrument.at_mean_wavelength()
    try:
        angles = reflection_table(start, instrument)["two_theta_deg"].to_numpy()
    except CellError:
        angles = np.empty(0)
    if not (angles >= instrument.two_theta_min_deg).any():
        raise PatternError(
            f"no reflection of the start falls between {instrument.two_theta_min_deg:g} and "
            f"{instrument.two_theta_max_deg:g} deg at {instrument.wavelength_angstrom:g} angstrom. Check the "
            "wavelength, the range and the cell, and that the first column is 2theta, not d or q."
        )


def _restarted(
    found: _Candidate, start: Structure, prepared: Prepared, family: Family | None, settings: Settings, progress: bool
) -> _Candidate:
    """The least Rwp of what was found and of further tries: near the find, near the start and farther from it."""

    def copies(crystal: Structure, level: float, which: range) -> list[Structure]:
        name = start.composition.reduced_formula
        draws = [generator(name, "lattice", level, number, settings.seed) for number in which]
        return [distort_lattice(crystal, level, draw) for draw in draws]

    thirds = [range(first, settings.tries - 1, 3) for first in range(3)]
    near = [*copies(found.crystal, NARROW_LEVEL, thirds[0]), *copies(start, NARROW_LEVEL, thirds[1])]
    rounds = (
        (near, replace(settings, blur_deg=min(NARROW_BLUR_DEG, settings.blur_deg))),
        (
            copies(start, WIDE_LEVEL, thirds[2]),
            settings,
        ),
    )
    others = [_best_of(some, start, prepared, family, how, progress) for some, how in rounds if some]
    return min([found, *others], key=lambda candidate: candidate.residual.Rwp)


def _best_of(
    starts: Sequence[Structure],
    template: Structure,
    prepared: Prepared,
    family: Family | None,
    settings: Settings,
    progress: bool,
) -> _Candidate:
    """Descend all, take the one of least loss, and fit its profile."""
    problem = Problem(torch.tensor(prepared.net), prepared.instrument.at_mean_wavelength(), Contents.of(template))
    lattice, sites = to_tensors(starts)
    result = graduated(
        problem,
        lattice,
        sites,
        OBJECTIVES["cosine"],
        family,
        settings.narrowing,
        progress=progress,
        record_every=RECORD_EVERY,
    )
    # One that lost its way early was last judged with a blur, so too kindly.
    lost = torch.tensor([reason in _LOST for reason in result.stop_reason])
    best = int(torch.where(lost, torch.inf, result.loss).argmin())
    trace = result.trajectory
    assert trace is not None
    path = Path(trace.steps.numpy(), trace.loss[:, best].double().numpy(), settings.narrowing)
    crystal = starts[0]
    if not lost[best]:
        crystal = from_tensors(template, result.lattice[best].double(), result.frac_coords[best].double())
    return _fitted(crystal, Shape(prepared.instrument.profile), path, prepared, family, settings)


def _fitted(
    crystal: Structure, shape: Shape, path: Path, prepared: Prepared, family: Family | None, settings: Settings
) -> _Candidate:
    fit = fit_profile(prepared, crystal, shape, family, settings.zero_shift)
    end = from_tensors(crystal, torch.tensor(fit.lattice), torch.tensor(crystal.frac_coords))
    return _Candidate(end, fit, residual(prepared, fit), path)


def _with_sites(
    found: _Candidate, prepared: Prepared, family: Family | None, settings: Settings, progress: bool
) -> _Candidate:
    """Descend the coordinates at the cell found and fit the profile again; kept if that explains more."""
    shape = found.fit.shape
    simulator = Simulator(found.crystal, shaped(prepared.instrument, shape), b_iso=shape.b_iso)
    target = torch.tensor(prepared.intensity - found.fit.background)
    descent = Descent(constant(Stage(simulator, target)), OBJECTIVES["cosine"], SITES_SCHEDULE)
    sites = symmetric_coordinates(found.crystal, LOOSE_ANGSTROM, torch.float64)
    result = run_descent(descent, sites, *to_tensors([found.crystal]), progress=progress)
    moved = from_tensors(found.crystal, result.lattice[0], result.frac_coords[0])
    again = _fitted(moved, found.fit.shape, found.path, prepared, family, settings)
    return min(found, again, key=lambda candidate: candidate.residual.Rwp)
