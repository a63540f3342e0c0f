"""What to run: a plan names every setting of a study; its shards are the pieces that are computed and stored as one."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, Literal

import yaml

from xrdscape.crystal.distortion import COORDINATE_LEVELS, LATTICE_LEVELS, Noise
from xrdscape.crystal.structures import REFERENCE_NAMES, load_structure
from xrdscape.diffraction.profile import Instrument
from xrdscape.errors import RecordError
from xrdscape.optimisation.variants import ALL_METHODS
from xrdscape.paths import DATA
from xrdscape.study.records import CHGNET, PUBLISHED_METHODS

PLANS_FILE = DATA / "plans.yaml"
# A shard holds about so many starts: enough for a step's fixed costs to be shared, few enough to finish in minutes.
STARTS_PER_SHARD = 100
# Means of the study's records.
SECONDS_OF_A_DESCENT = {
    "lattice": {"cosine": 3.3, "mse": 1.1, "entropy": 5.4, "cross_correlation": 4.8, "cosine_constrained": 1.0},
    "coordinates": {"cosine": 0.3, "mse": 0.2, "entropy": 1.0, "cross_correlation": 1.4},
}

SECONDS_OF_A_RECIPE = {"lattice": 0.2, "coordinates": 0.05}
"""Of one try."""

# Settings that came after the first records: left at their defaults they do not enter a key, or those would change.
INSTRUMENT = ("wavelength_angstrom", "taper_deg")
ADDED = (*INSTRUMENT, "recipe")

Rate = float | Mapping[str, float]
Rates = Rate | tuple[Rate, ...]


@dataclass(frozen=True)
class Plan:
    """What to run; every setting in one place. `data/plans.yaml` holds those of the study.

    Args:
        structures: names or paths.
        lattice_levels, coordinate_levels: noise levels.
        methods: keys of `METHODS`; the constrained one applies to lattice noise alone.
        recipes: keys of `ALL_RECIPES`, methods beyond the paper; each applies to one kind of noise, and has steps and a
            learning rate of its own.
        copies: distorted copies of each structure and level (the paper: 50).
        relaxation_copies: how many of these CHGNet relaxes.
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
            Results are judged with the standard one, so that similarities of all plans mean the same.
        dtype: precision of the descents; results are judged in float64.
    """

    structures: tuple[str, ...] = REFERENCE_NAMES
    lattice_levels: tuple[float, ...] = LATTICE_LEVELS
    coordinate_levels: tuple[float, ...] = COORDINATE_LEVELS
    methods: tuple[str, ...] = tuple(PUBLISHED_METHODS)
    recipes: tuple[str, ...] = ()
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
    wavelength_angstrom: float = Instrument.wavelength_angstrom
    taper_deg: float = Instrument.taper_deg
    dtype: Literal["float32", "float64"] = "float32"

    def __post_init__(self) -> None:
        for chosen, known, kind in ((self.methods, PUBLISHED_METHODS, "method"), (self.recipes, ALL_METHODS, "recipe")):
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
class Shard:
    """One structure under one noise and one method: all that its records depend on, but for the code."""

    structure: str
    noise: Noise
    method: str
    levels: tuple[float, ...]
    copies: int
    seed: int
    max_steps: int = 0
    check_every: int = 0
    tolerance: float = 0.0
    learning_rate: float = 0.0
    mse_maximum: float = 1.0
    max_shift: int | None = None
    clamp: bool = False
    dtype: str = "float64"
    wavelength_angstrom: float = Instrument.wavelength_angstrom
    taper_deg: float = Instrument.taper_deg
    recipe: str = ""

    @property
    def key(self) -> str:
        """Name of the records: it changes with any setting and with the crystal."""
        return _key(self)

    @property
    def starts(self) -> int:
        return len(self.levels) * self.copies

    @property
    def cost(self) -> float:
        """Rough seconds, as the study took them: for the order of work and the first estimate of the remaining time."""
        reference = load_structure(self.structure)
        relaxations = 0.09 * len(reference) ** 1.5 * self.starts
        if self.method == CHGNET:
            return relaxations
        if self.method in ALL_METHODS:
            descents = SECONDS_OF_A_RECIPE[self.noise] * reference.volume / 200 * self.starts
            # Those of CHGNet alone are taken from the study.
            return descents + relaxations if ALL_METHODS[self.method].pattern_ev else descents
        # A volume of 200 cubic angstrom reflects as often as the study's middle crystal, and few descents take longer
        # than 4,000 steps.
        size = reference.volume / 200 * min(self.max_steps, 4000) / 4000
        return SECONDS_OF_A_DESCENT[self.noise][self.method] * size * self.starts


@cache
def _key(shard: Shard) -> str:
    reference = load_structure(shard.structure)
    default = {field.name: field.default for field in fields(Shard)}
    settings = {
        name: 1.0 * value if isinstance(value, int) else value
        for name, value in asdict(shard).items()
        if name not in ADDED or value != default[name]
    }
    told = json.dumps(settings, sort_keys=True) + repr(
        (reference.lattice.matrix.tolist(), reference.frac_coords.tolist())
    )
    return hashlib.sha256(told.encode()).hexdigest()[:12]


def descent_shards(plan: Plan) -> list[Shard]:
    """The descents of a plan."""
    settings = {
        name: getattr(plan, name)
        for name in ("copies", "seed", "max_steps", "check_every", "tolerance", "clamp", "dtype", *INSTRUMENT)
    }
    shards = []
    for structure in plan.structures:
        for noise, levels, rates in (
            ("lattice", plan.lattice_levels, _several(plan.lattice_learning_rate)),
            ("coordinates", plan.coordinate_levels, _several(plan.coordinate_learning_rate)),
        ):
            for group in _groups(levels, plan.copies):
                for name, rate in product(plan.methods, rates):
                    method = PUBLISHED_METHODS[name]
                    if method.constrained and noise == "coordinates":
                        continue
                    own = {"learning_rate": rate[name] if isinstance(rate, Mapping) else rate}
                    if method.objective == "mse":
                        own["mse_maximum"] = plan.mse_maximum
                    if method.objective == "cross_correlation":
                        own["max_shift"] = plan.max_shift  # type: ignore[assignment]
                    shards.append(Shard(structure, noise, name, group, **settings, **own))  # type: ignore[arg-type]
    return shards


def recipe_shards(plan: Plan) -> list[Shard]:
    """What a plan does beyond the paper; a recipe that relaxes is slow, and has one level a shard."""
    shards = []
    for structure, name in product(plan.structures, plan.recipes):
        recipe = ALL_METHODS[name]
        levels = plan.lattice_levels if recipe.noise == "lattice" else plan.coordinate_levels
        own = {"max_steps": recipe.narrowing.all_steps, "learning_rate": recipe.narrowing.rate, "recipe": repr(recipe)}
        for group in [(level,) for level in levels] if recipe.relaxed else _groups(levels, plan.copies):
            shards.append(
                Shard(structure, recipe.noise, name, group, plan.copies, plan.seed, dtype="float32", **own)  # type: ignore[arg-type]
            )
    return shards


def relaxation_shards(plan: Plan) -> list[Shard]:
    """The CHGNet relaxations of a plan: one level a shard, for they are slow and share nothing."""
    copies = plan.relaxation_copies
    if not copies:
        return []
    return [
        Shard(structure, noise, CHGNET, (level,), copies, plan.seed, plan.relaxation_steps)  # type: ignore[arg-type]
        for structure in plan.structures
        for noise, levels in (("lattice", plan.lattice_levels), ("coordinates", plan.coordinate_levels))
        for level in levels
    ]


def _several(rates: Rates) -> tuple[Rate, ...]:
    return rates if isinstance(rates, tuple) else (rates,)


def _groups(levels: tuple[float, ...], copies: int) -> list[tuple[float, ...]]:
    """Levels that share a shard."""
    together = max(1, STARTS_PER_SHARD // copies)
    return [levels[i : i + together] for i in range(0, len(levels), together)]


def load_plan(name: str, path: Path | None = None) -> Plan:
    """A plan of a file of plans, `data/plans.yaml` if none is named.

    Raises:
        RecordError: no such file or plan, or a setting that no plan has.
    """
    return _plan(name, plans(path))


def plans(path: Path | None = None) -> dict[str, dict[str, Any]]:
    """Names of the plans in a file and what is written there.

    Raises:
        RecordError: for a file that is not there or cannot be understood.
    """
    path = path or PLANS_FILE
    try:
        found = yaml.safe_load(path.read_text(encoding="utf8"))
    except (OSError, yaml.YAMLError) as problem:
        raise RecordError(f"The file of plans {path} cannot be read: {problem}") from problem
    if not isinstance(found, dict) or not all(isinstance(entry, dict) for entry in found.values()):
        raise RecordError(f"{path} holds no plans. Each needs a name, and settings below it: see {PLANS_FILE}.")
    return found


def _plan(name: str, written: Mapping[str, dict[str, Any]]) -> Plan:
    if name not in written:
        raise RecordError(f"There is no plan {name!r}. There are: {', '.join(written)}.")
    settings = dict(written[name])
    base = _plan(settings.pop("like"), written) if "like" in settings else Plan()
    known = {field.name for field in fields(Plan)}
    unknown = [key for key in settings if key not in known]
    if unknown:
        raise RecordError(
            f"Plan {name!r} has a setting that no plan has: {', '.join(unknown)}. Settings: {', '.join(sorted(known))}."
        )
    chosen: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in settings.items()}
    return replace(base, **chosen)
