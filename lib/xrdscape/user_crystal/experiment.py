"""The study's experiment in small, on any crystal with any objective."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Literal, get_args

import pandas as pd
from pymatgen.core import Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer
from tqdm.auto import tqdm

from xrdscape.crystal.distortion import Noise
from xrdscape.crystal.families import Family, detect_family
from xrdscape.crystal.reading import read_crystal
from xrdscape.crystal.structures import structures_from_tensors
from xrdscape.errors import DescentError, StructureError, XrdscapeError
from xrdscape.landscape.paths import endpoints
from xrdscape.landscape.slices import ParameterName, Slice, xrd_slice
from xrdscape.optimisation.descent import Schedule
from xrdscape.optimisation.loop import DescentResult
from xrdscape.optimisation.methods import GRADUATED, METHODS, Method
from xrdscape.optimisation.objectives import OBJECTIVES, Objective
from xrdscape.optimisation.published import published_descent
from xrdscape.optimisation.search import descend
from xrdscape.paths import REFERENCE_NAMES
from xrdscape.study.columns import Similarity
from xrdscape.study.problems import problem_of
from xrdscape.study.progress import spoken
from xrdscape.study.records import evaluated, geometry
from xrdscape.study.starts import start

SYMPREC_ANGSTROM = 0.01
"""Distance tolerance of the symmetry search, as in `detect_family`."""

Approach = Literal["recommended", "published"]
APPROACHES: tuple[Approach, ...] = get_args(Approach)
"""Ways to descend: what this book found to work best without restarts, and what the paper did."""

STUDY_RATES: Mapping[Noise, float] = MappingProxyType({"lattice": 1e-2, "coordinates": 1e-4})
"""Learning rates of the study, by noise."""

PAIRS: Mapping[Family, tuple[tuple[ParameterName, ParameterName], ...]] = {
    "cubic": (("a", "b"), ("a", "alpha")),
    "hexagonal": (("a", "c"), ("a", "b"), ("a", "gamma")),
    "tetragonal": (("a", "c"), ("a", "b"), ("a", "gamma")),
    "orthorhombic": (("a", "b"), ("b", "c"), ("a", "gamma")),
    "monoclinic": (("a", "c"), ("a", "beta"), ("a", "gamma")),
    "triclinic": (("a", "b"), ("b", "c"), ("alpha", "gamma")),
}
"""Slices by crystal family: first over what the family leaves free, last over what it fixes, where it does."""

PROBE_GRID, PROBE_STEPS = 7, 30
"""Patterns along the axis of a map and steps of a descent that are timed beforehand: a hundredth of the work."""


@dataclass(frozen=True)
class UserCrystal:
    """A crystal of the user in its conventional cell.

    Args:
        name: a reference name, or the name of its file; the draws of its noise are seeded by it.
        reference: the crystal.
        space_group, number: as spglib finds them.
        family: crystal family.
        remark: what was changed on reading, in words; empty if nothing.
    """

    name: str
    reference: Structure
    space_group: str
    number: int
    family: Family
    remark: str = ""


def user_crystal(name_or_path: str | Path) -> UserCrystal:
    """Read a crystal and find its symmetry; a cell that does not show it is replaced by the conventional one.

    Raises:
        StructureError, CellError: no such crystal, a file that cannot be read, or sites that are shared or partly
            filled.
    """
    crystal = read_crystal(name_or_path)
    given = crystal.structure.copy()
    name = str(name_or_path) if str(name_or_path) in REFERENCE_NAMES else Path(name_or_path).name
    shared = [site.species_string for site in given if not site.is_ordered]
    if shared:
        raise StructureError(
            f"{name} has {len(shared)} sites that are shared or partly filled ({shared[0]} first). Whether a result is "
            "the crystal is decided atom by atom: give an ordered model (pymatgen's "
            "OrderDisorderedStructureTransformation makes one), or use `xrdscape simulate` for the pattern alone."
        )
    reference = _conventional(given)
    symmetry = SpacegroupAnalyzer(reference, symprec=SYMPREC_ANGSTROM)
    remarks = list(crystal.remarks)
    if reference is not given:
        remarks.append(
            f"The cell in {name} ({len(given)} atoms) does not show the symmetry of the crystal; this page uses the "
            f"conventional cell ({len(reference)} atoms)."
        )
    group, number = symmetry.get_space_group_symbol(), symmetry.get_space_group_number()
    return UserCrystal(name, reference, group, number, detect_family(reference), " ".join(remarks))


def _conventional(given: Structure) -> Structure:
    """Return the structure itself where its cell is set as its family asks, or else in the conventional cell."""
    try:
        detect_family(given)
    except StructureError as refusal:
        try:
            return SpacegroupAnalyzer(given, symprec=SYMPREC_ANGSTROM).get_conventional_standard_structure()
        except Exception:  # spglib's own reasons; the refusal says more
            raise refusal from None
    return given


@dataclass(frozen=True)
class Experiment:
    """Settings of an experiment; every value is checked.

    Args:
        objective: what patterns are compared by.
        noise: "lattice" or "coordinates".
        level: of the noise.
        project_family: project the cell onto the crystal family after each step; for lattice noise alone.
        copies: realisations of the noise.
        max_steps: of a descent by the published method.
        learning_rate: of the published method; 0 for the study's.
        seed: of the noise.
        method: one of `APPROACHES`. The recommended one is a method of `optimisation` with its own steps and rate:
            for lattice noise "graduated", or "graduated_family" with `project_family`; for coordinates "adam".
        blur_deg: of the recommended method for lattice noise: the widest blur of both patterns, full width at half
            maximum. Where the cell stays there is nothing to blur.
    """

    objective: Similarity = "cosine"
    noise: Noise = "lattice"
    level: float = 0.1
    project_family: bool = False
    copies: int = 16
    max_steps: int = 4000
    learning_rate: float = 0.0
    seed: int = 0
    method: Approach = "recommended"
    blur_deg: float = GRADUATED.widest_deg

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise DescentError(f"unknown objective {self.objective!r}: choose one of {', '.join(OBJECTIVES)}.")
        if self.noise not in STUDY_RATES:
            raise DescentError(f"unknown noise {self.noise!r}: choose 'lattice' or 'coordinates'.")
        if self.project_family and self.noise != "lattice":
            raise DescentError(
                "the projection onto the crystal family acts on the cell, which coordinate noise leaves as it is: set "
                "project_family to False, or noise to 'lattice'."
            )
        if self.method not in APPROACHES:
            raise DescentError(f"unknown method {self.method!r}: choose 'recommended' or 'published'.")
        if self.blur_deg <= 0:
            raise DescentError(
                "a blur has a width: set blur_deg above 0, or method to 'published' for a descent without a blur. "
                f"Received {self.blur_deg}."
            )
        if self.copies < 1 or self.max_steps < 1 or self.learning_rate < 0:
            raise DescentError(
                "an experiment needs copies >= 1, max_steps >= 1 and learning_rate above 0 (or 0 for the study's). "
                f"Received {self.copies}, {self.max_steps} and {self.learning_rate}."
            )

    @property
    def rate(self) -> float:
        """Learning rate of the published method."""
        return self.learning_rate or STUDY_RATES[self.noise]

    @property
    def descended(self) -> Objective:
        """The objective that is descended."""
        return OBJECTIVES[self.objective]

    @property
    def settings(self) -> Method | None:
        """Settings of the recommended method, as the other choices ask; None for the published one."""
        if self.method == "published":
            return None
        if self.noise == "coordinates":
            known = METHODS["adam_entropy" if self.objective == "entropy" else "adam"]
            return replace(known, objective=self.objective)
        narrowest_deg = min(GRADUATED.narrowest_deg, self.blur_deg)
        return replace(
            METHODS["graduated_family" if self.project_family else "graduated"],
            objective=self.objective,
            narrowing=replace(GRADUATED, widest_deg=self.blur_deg, narrowest_deg=narrowest_deg),
        )

    @property
    def steps(self) -> int:
        """Steps of a descent at most."""
        return self.settings.narrowing.all_steps if self.settings else self.max_steps


def distorted(crystal: UserCrystal, experiment: Experiment) -> list[Structure]:
    """Return the starting models of an experiment.

    Raises:
        StructureError: a noise level out of range.
    """
    return [
        start(crystal.name, experiment.noise, experiment.level, copy, experiment.seed, crystal.reference)
        for copy in range(experiment.copies)
    ]


def family_slices(
    crystal: UserCrystal,
    objective: Objective,
    grid: int = 61,
    length_span: float = 0.15,
    angle_span_deg: float = 15.0,
    progress: bool = True,
) -> list[Slice]:
    """Return the slices of the loss over the pairs of parameters that suit the crystal family (see `xrd_slice`).

    Raises:
        XrdscapeError: too coarse a grid or an impossible span.
    """
    if grid < 3 or not 0 < length_span < 1 or angle_span_deg <= 0:
        raise XrdscapeError(
            "a map needs grid >= 3, length_span between 0 and 1, and angle_span_deg above 0. "
            f"Received {grid}, {length_span} and {angle_span_deg}."
        )
    with tqdm(PAIRS[crystal.family], desc="Maps", unit="map", disable=not progress) as pairs:
        return [xrd_slice(crystal.reference, x, y, objective, grid, length_span, angle_span_deg) for x, y in pairs]


def run_experiment(
    crystal: UserCrystal,
    experiment: Experiment,
    starts: Sequence[Structure],
    probe: bool = False,
    progress: bool = False,
) -> DescentResult:
    """Return the results of the descents of an experiment, or of their first `PROBE_STEPS` steps."""
    method, hkl_max = experiment.settings, experiment.descended.hkl_max
    if method:
        if probe:
            short = replace(method.narrowing, steps=1, last_steps=PROBE_STEPS - method.narrowing.stages)
            method = replace(method, narrowing=short)
        family = crystal.family if method.cell == "family" else None
        return descend(method, problem_of(crystal.reference, hkl_max=hkl_max, family=family), starts, progress)
    return published_descent(
        problem_of(crystal.reference, hkl_max=hkl_max),
        starts,
        experiment.noise,
        experiment.descended,
        Schedule(experiment.rate, PROBE_STEPS if probe else experiment.max_steps),
        crystal.family if experiment.project_family else None,
        progress=progress,
    )


def experiment_records(
    crystal: UserCrystal, experiment: Experiment, starts: Sequence[Structure], progress: bool = True
) -> pd.DataFrame:
    """Return the records of the descents of an experiment: one row a realisation, with columns as in the study's
    records.
    """
    result = run_experiment(crystal, experiment, starts, progress=progress)
    refined = structures_from_tensors(crystal.reference, result.lattice, result.frac_coords)
    rows = pd.DataFrame(
        {
            "structure": crystal.name,
            "noise": experiment.noise,
            "level": experiment.level,
            "copy": range(len(refined)),
            "method": experiment.objective,
            "seed": experiment.seed,
            "steps": result.steps.numpy(),
            "stop_reason": result.stop_reason,
        }
    )
    pairs = zip(starts, refined, strict=True)
    models = pd.DataFrame([{**geometry(before, "start"), **geometry(after, "end")} for before, after in pairs])
    evaluations = evaluated(crystal.reference, list(starts), "start"), evaluated(crystal.reference, refined, "end")
    return pd.concat([rows, models, *evaluations], axis=1)


def records_by_method(
    crystal: UserCrystal, experiment: Experiment, starts: Sequence[Structure], progress: bool = True
) -> dict[Approach, pd.DataFrame]:
    """Return `experiment_records` by each of `APPROACHES` from the same starting models, whichever the experiment
    names.
    """
    tried = {method: replace(experiment, method=method) for method in APPROACHES}
    return {method: experiment_records(crystal, one, starts, progress) for method, one in tried.items()}


def expected_time(crystal: UserCrystal, experiment: Experiment, starts: Sequence[Structure], grid: int) -> str:
    """Return the expected time of maps and descents of both methods, in words, from a few patterns and steps of the
    crystal.

    The descents may stop earlier. The sentence also goes to stderr at once, for the one who waits at a terminal.
    """
    pairs = PAIRS[crystal.family]

    def patterns() -> None:
        xrd_slice(crystal.reference, *pairs[0], experiment.descended, PROBE_GRID)

    maps = _seconds(patterns) / PROBE_GRID**2 * len(pairs) * grid**2
    descents = 0.0
    for tried in (replace(experiment, method=method) for method in APPROACHES):
        probe = partial(run_experiment, crystal, tried, starts, probe=True)
        descents += _seconds(probe) / PROBE_STEPS * tried.steps
    expected = f"{spoken(max(1, maps))} for the maps and at most {spoken(max(1, descents))} for the descents"
    tqdm.write(f"expected: {expected}", file=sys.stderr)
    return expected


def _seconds(probe: Callable[[], object]) -> float:
    """Return the seconds of a second call: the first loads compiled code, which is not to be counted."""
    probe()
    begin = time.perf_counter()
    probe()
    return time.perf_counter() - begin


def ends_on(slices: Sequence[Slice], crystal: UserCrystal, records: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the end points of the descents on each slice (`paths.endpoints`); none where the cell did not move."""
    if (records["noise"] != "lattice").any():
        return [pd.DataFrame({"x": [], "y": [], "matched": [], "inside": []}, dtype=bool) for _ in slices]
    return [endpoints(records, landscape, crystal.name) for landscape in slices]
