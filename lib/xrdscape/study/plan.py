"""Plans: every setting of a study by name, and the jobs that follow from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from xrdscape.crystal.distortion import COORDINATE_LEVELS, LATTICE_LEVELS, Noise
from xrdscape.diffraction.finite_size import SizeConvention
from xrdscape.diffraction.instrument import PAPER_INSTRUMENT
from xrdscape.errors import RecordError
from xrdscape.optimisation.variants import ALL_METHODS
from xrdscape.paths import DATA, REFERENCE_NAMES, from_checkout
from xrdscape.study.jobs import DescentJob, Job, RelaxationJob, SearchJob, SolutionJob
from xrdscape.study.records import PUBLISHED_METHODS, Precision
from xrdscape.study.solving import Protocol

PLANS_FILE = DATA / "plans.yaml"
STARTS_PER_JOB = 100
"""Starting models of a job, about: enough for a step's fixed costs to be shared, few enough to finish in minutes."""
Rate = float | Mapping[str, float]
Rates = Rate | tuple[Rate, ...]


@dataclass(frozen=True)
class Plan:
    """Settings of what to run, all in one place. `data/plans.yaml` holds those of the study.

    Args:
        structures: names or paths.
        lattice_levels, coordinate_levels: noise levels.
        methods: keys of `PUBLISHED_METHODS`; the constrained one applies to lattice noise alone.
        searches: keys of `ALL_METHODS`, methods beyond the paper; each applies to one kind of noise, and has its own
            steps and learning rate.
        copies: realisations of each structure and level (the paper: 50).
        relaxation_copies: number of these that CHGNet relaxes.
        relaxation_steps: steps of a relaxation at most (the paper names no limit).
        seed: of all noise.
        max_steps: steps of a descent at most (the paper: 30,000).
        check_every, tolerance: the stopping rule (the paper's).
        lattice_learning_rate, coordinate_learning_rate: one for all methods, or one for each; several of these are run
            one after the other. The paper names ranges.
        mse_maximum: what both patterns are scaled to for the mean squared error, which the paper leaves open. The loss
            is always recorded for 1; a maximum of m makes gradient and tolerance those of a loss m^2 times as large.
        max_shift: largest shift of the cross-correlation in bins; None allows all.
        clamp: StructSnap's limit on large moves.
        wavelength_angstrom, taper_deg: of the instrument that records both patterns of a descent (see `Instrument`).
            Results are evaluated with the standard one, so that similarities of all plans mean the same.
        dtype: precision of the descents; results are evaluated in float64.
    """

    structures: tuple[str, ...] = REFERENCE_NAMES
    lattice_levels: tuple[float, ...] = LATTICE_LEVELS
    coordinate_levels: tuple[float, ...] = COORDINATE_LEVELS
    methods: tuple[str, ...] = tuple(PUBLISHED_METHODS)
    searches: tuple[str, ...] = ()
    copies: int = 2
    relaxation_copies: int = 1
    relaxation_steps: int = 500
    seed: int = 0
    max_steps: int = 1500
    check_every: int = 1000
    tolerance: float = 1e-4
    lattice_learning_rate: Rates = 1e-2
    coordinate_learning_rate: Rates = 1e-4
    mse_maximum: float = 1.0
    max_shift: int | None = None
    clamp: bool = True
    wavelength_angstrom: float = PAPER_INSTRUMENT.wavelength_angstrom
    taper_deg: float = PAPER_INSTRUMENT.taper_deg
    dtype: Precision = "float32"

    def __post_init__(self) -> None:
        for chosen, known, kind in (
            (self.methods, PUBLISHED_METHODS, "method"),
            (self.searches, ALL_METHODS, "search"),
        ):
            unknown = [name for name in chosen if name not in known]
            if unknown:
                raise RecordError(f"Unknown {kind} {', '.join(unknown)}. Use some of: {', '.join(known)}.")
        if self.copies < 1 or not 0 <= self.relaxation_copies <= self.copies:
            raise RecordError(
                "A plan needs copies >= 1 and relaxation_copies between 0 and copies. "
                f"Received {self.copies} and {self.relaxation_copies}."
            )
        for name in ("lattice_learning_rate", "coordinate_learning_rate"):
            methods = [m for m in self.methods if name.startswith("lattice") or not PUBLISHED_METHODS[m].constrained]
            for rate in _several(getattr(self, name)):
                missing = [m for m in methods if isinstance(rate, Mapping) and m not in rate]
                if missing:
                    raise RecordError(f"A plan's {name} lacks {', '.join(missing)}.")


@dataclass(frozen=True)
class SolutionPlan:
    """Settings of a benchmark of structure solution (see `study.solving`).

    Args:
        structures: conventions of the patterns.
        protocols: what the library may hold.
        ways: keys of `jobs.solution.WAYS`.
        sizes_angstrom: of the crystallites.
        asked: how many crystals are asked for.
        used: how many of these the plan takes, the first.
        candidates: how many an answer has at most.
        seed: of the patterns' noise and of the searches.
    """

    structures: tuple[SizeConvention, ...] = ("reference-code", "paper")
    protocols: tuple[Protocol, ...] = ("strict",)
    ways: tuple[str, ...] = ("solve",)
    sizes_angstrom: tuple[float, ...] = (100.0, 10.0)
    asked: int = 400
    used: int = 400
    candidates: int = 20
    seed: int = 0


CRYSTALS_PER_JOB = 10


def solution_jobs(plan: SolutionPlan) -> list[SolutionJob]:
    """Return the searches of a plan, some crystals a job."""
    return [
        SolutionJob(
            convention, protocol, way, plan.sizes_angstrom, first, min(CRYSTALS_PER_JOB, plan.used - first),
            plan.asked, plan.candidates, plan.seed,
        )
        for convention, protocol, way in product(plan.structures, plan.protocols, plan.ways)
        for first in range(0, plan.used, CRYSTALS_PER_JOB)
    ]  # fmt: skip


def jobs(plan: Plan | SolutionPlan) -> Sequence[Job]:
    """Return all jobs of a plan: descents of cells, those of coordinates, relaxations, searches beyond the paper; or
    searches for crystals."""
    if isinstance(plan, SolutionPlan):
        return solution_jobs(plan)
    descents = sorted(descent_jobs(plan), key=lambda job: job.noise != "lattice")
    return [*descents, *relaxation_jobs(plan), *search_jobs(plan)]


def descent_jobs(plan: Plan) -> list[DescentJob]:
    """Return the descents of a plan."""
    found = []
    for structure, (noise, levels, rates) in product(plan.structures, _noises(plan)):
        for group, name, rate in product(_groups(levels, plan.copies), plan.methods, rates):
            method = PUBLISHED_METHODS[name]
            if method.constrained and noise == "coordinates":
                continue
            job = DescentJob(
                structure,
                noise,
                name,
                group,
                plan.copies,
                plan.seed,
                plan.max_steps,
                plan.check_every,
                plan.tolerance,
                learning_rate=rate[name] if isinstance(rate, Mapping) else rate,
                mse_maximum=plan.mse_maximum if method.objective == "mse" else 1.0,
                max_shift=plan.max_shift if method.objective == "cross_correlation" else None,
                clamp=plan.clamp,
                dtype=plan.dtype,
                wavelength_angstrom=plan.wavelength_angstrom,
                taper_deg=plan.taper_deg,
            )
            found.append(job)
    return found


def search_jobs(plan: Plan) -> list[SearchJob]:
    """Return the searches of a plan; a method that relaxes is slow, and has one level a job."""
    found = []
    for structure, name in product(plan.structures, plan.searches):
        method = ALL_METHODS[name]
        levels = plan.lattice_levels if method.moves == "lattice" else plan.coordinate_levels
        groups = [(level,) for level in levels] if method.relaxed else _groups(levels, plan.copies)
        found += [SearchJob(structure, name, group, plan.copies, plan.seed) for group in groups]
    return found


def relaxation_jobs(plan: Plan) -> list[RelaxationJob]:
    """Return the CHGNet relaxations of a plan: one level a job, for they are slow and share nothing."""
    copies = plan.relaxation_copies
    return [
        RelaxationJob(structure, noise, (level,), copies, plan.seed, plan.relaxation_steps)
        for structure, (noise, levels, _) in product(plan.structures, _noises(plan))
        for level in levels
        if copies
    ]


def _noises(plan: Plan) -> tuple[tuple[Noise, tuple[float, ...], tuple[Rate, ...]], ...]:
    """Return both noises with their levels and learning rates."""
    return (
        ("lattice", plan.lattice_levels, _several(plan.lattice_learning_rate)),
        ("coordinates", plan.coordinate_levels, _several(plan.coordinate_learning_rate)),
    )


def _several(rates: Rates) -> tuple[Rate, ...]:
    return rates if isinstance(rates, tuple) else (rates,)


def _groups(levels: tuple[float, ...], copies: int) -> list[tuple[float, ...]]:
    """Return levels in the groups that share a job."""
    together = max(1, STARTS_PER_JOB // copies)
    return [levels[i : i + together] for i in range(0, len(levels), together)]


def load_plan(name: str, path: Path | None = None) -> Plan:
    """Return the plan of descents of that name in a file of plans, `data/plans.yaml` if none is named.

    Raises:
        RecordError: no such file or plan, a setting that no plan has, or a plan of another kind.
    """
    found = any_plan(name, path)
    if not isinstance(found, Plan):
        raise RecordError(f"Plan {name!r} is one of structure solution, and one of descents is needed here.")
    return found


def any_plan(name: str, path: Path | None = None) -> Plan | SolutionPlan:
    """Return the plan of that name, of any kind; errors as `load_plan`, but for the last."""
    return _plan(name, plans(path))


def plans(path: Path | None = None) -> dict[str, dict[str, Any]]:
    """Return the plans in a file as they are written there, by name.

    Raises:
        RecordError: for a file that is not there or cannot be understood.
    """
    path = path or from_checkout(PLANS_FILE)
    try:
        found = yaml.safe_load(path.read_text(encoding="utf8"))
    except (OSError, yaml.YAMLError) as problem:
        raise RecordError(f"The file of plans {path} cannot be read: {problem}") from problem
    if not isinstance(found, dict) or not all(isinstance(entry, dict) for entry in found.values()):
        raise RecordError(f"{path} holds no plans. Each needs a name, and settings below it: see {PLANS_FILE}.")
    return found


def _plan(name: str, written: Mapping[str, dict[str, Any]]) -> Plan | SolutionPlan:
    if name not in written:
        raise RecordError(f"There is no plan {name!r}. There are: {', '.join(written)}.")
    settings = dict(written[name])
    kind = SolutionPlan if settings.pop("kind", "descents") == "solution" else Plan
    base = _plan(settings.pop("like"), written) if "like" in settings else kind()
    known = {field.name for field in fields(base)}
    unknown = [key for key in settings if key not in known]
    if unknown:
        raise RecordError(
            f"Plan {name!r} has a setting that no plan has: {', '.join(unknown)}. Settings: {', '.join(sorted(known))}."
        )
    chosen: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in settings.items()}
    return replace(base, **chosen)
