"""Whole methods by name: what is moved and how, from where, and how often. Their parts are choices of `snap`."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from pymatgen.core import Structure
from torch import Tensor

from xrdscape.crystal.cell import detect_family
from xrdscape.crystal.distortion import Noise, distort_coordinates, distort_lattice
from xrdscape.crystal.structures import to_tensors
from xrdscape.diffraction.pattern import Simulator
from xrdscape.diffraction.profile import Instrument
from xrdscape.errors import DescentError
from xrdscape.optimisation.descent import Stage
from xrdscape.optimisation.energy import Relaxation, relax
from xrdscape.optimisation.graduated import Narrowing, narrowed, narrowing_stages
from xrdscape.optimisation.joint import pattern_energy
from xrdscape.optimisation.loop import DescentResult
from xrdscape.optimisation.objectives import OBJECTIVES
from xrdscape.optimisation.parameters import (
    CoordinateParameters,
    LatticeParameters,
    Parameterisation,
    ScaledLattice,
)
from xrdscape.optimisation.polish import polish
from xrdscape.optimisation.rules import Adam, Rule
from xrdscape.optimisation.symmetric import SymmetricCoordinates, SymmetricCrystal, symmetric_coords, symmetry_of
from xrdscape.optimisation.transport import SQUARED_TRANSPORT, TRANSPORT, triangular
from xrdscape.study.recover import compared, crystals

GRADUATED, ADAM = Narrowing(), Adam()
ATOMS = Narrowing(stages=0, last_steps=600, rate=3e-3)
"""For coordinates: where the cell stays, so do the peaks, and a blur would help nothing. The rate is in fractions."""
ATOMS_BY_ENTROPY = Narrowing(stages=0, last_steps=600, rate=1e-2)
"""The best of rates 0.001 to 0.01 for the entropy, on other starts."""
COMPARED = MappingProxyType(
    {
        **OBJECTIVES,
        "transport": TRANSPORT,
        "squared_transport": SQUARED_TRANSPORT,
        "triangular": triangular(3.0, Instrument.step_deg),
    }
)
"""What a recipe may descend: the paper's objectives, and some made for peaks that stand apart."""
BOTH_STEPS = 150
"""Of relaxations that feel the pattern, at most: what forces of both leave is for the descent."""
SHORT_RELAXATION = 60
"""Steps of the relaxations between two descents: enough to leave a place that no atoms could be at."""
_ADDED = ("pattern_ev", "hops", "sites")
"""Choices that came after the first records: see `Recipe.__repr__`."""


@dataclass(frozen=True)
class Method:
    """One way back to the truth, for any crystal.

    Args:
        label: for figures and tables.
        noise: what it moves, the "lattice" or the "coordinates".
        narrowing: of the blur, with the learning rate and the number of steps.
        objective: a key of `COMPARED`.
        cell: how it is parameterised: "free", six parameters of one scale; "angstrom", six in angstrom and degrees;
            "family", six of one scale, projected onto the crystal family of the truth; "symmetric", only those that the
            family leaves free.
        sites: how the coordinates are parameterised: "free", three a site; "symmetric", moved only as the space group
            of the truth allows.
        rule: what turns gradients into moves.
        newton: above 0, so many Levenberg-Marquardt steps under each blur instead of the rule's.
        finish: Levenberg-Marquardt steps without a blur in the end.
        relaxed: start where CHGNet's relaxation of the start ends; of a cell, with the coordinates of the start.
        tries: how many descents at most. Only the pattern decides whether another is needed, and which was best.
        spread: how far the start is distorted again for another try, as a noise level. With `relaxed`, another try
            starts where a short relaxation of the last one's end comes to instead.
        hops: another try starts from the best end so far, distorted by `spread` and, with `relaxed`, relaxed shortly:
            basin hopping that never steps up.
        enough: similarity at which no further try is made.
        pattern_ev: above 0, relaxations feel the pattern beside CHGNet, with this weight in eV/atom (`pattern_energy`).
    """

    label: str = field(repr=False)
    noise: Noise = "lattice"
    narrowing: Narrowing = GRADUATED
    objective: str = "cosine"
    cell: Literal["free", "angstrom", "family", "symmetric"] = "free"
    rule: Rule = ADAM
    newton: int = 0
    polish: int = 0
    relaxed: bool = False
    tries: int = 1
    spread: float = 0.1
    enough: float = 0.9995
    pattern_ev: float = 0.0
    hops: bool = False
    sites: Literal["free", "symmetric"] = "free"

    def __post_init__(self) -> None:
        if self.objective not in COMPARED:
            raise DescentError(f"unknown objective {self.objective!r}: choose one of {', '.join(COMPARED)}.")
        if self.tries < 1:
            raise DescentError(f"a recipe makes at least one try. Received {self.tries}.")
        if self.newton and not (self.narrowing.stages and self.polish):
            raise DescentError(
                "Levenberg-Marquardt steps under blurs end with some that have none: give a narrowing with stages, and "
                f"a finish of 1 or more. Received {self.narrowing.stages} stages and a finish of {self.polish}."
            )
        if self.pattern_ev and not (self.relaxed and self.noise == "coordinates"):
            raise DescentError("only relaxations of coordinates feel the pattern: give relaxed=True with pattern_ev.")
        if self.noise == "coordinates" and (self.cell != "free" or self.narrowing.stages or self.polish):
            raise DescentError(
                "where the cell stays there is no family to project it onto and nothing to blur, and the finish moves "
                "the cell: leave cell 'free' and finish 0, and give a narrowing of no stages."
            )
        if self.noise == "lattice" and self.sites != "free":
            raise DescentError("where the coordinates stay their symmetry is kept: leave sites 'free'.")

    @property
    def steps_a_try(self) -> int:
        """At most."""
        walk = self.narrowing.stages * self.newton if self.newton else self.narrowing.all_steps
        return walk + self.polish

    def __repr__(self) -> str:
        """Records are named by it. What came after the first of them is told only where it is used, or their names
        would change."""
        told = [f for f in fields(self) if f.repr and (f.name not in _ADDED or getattr(self, f.name) != f.default)]
        return f"Recipe({', '.join(f'{f.name}={getattr(self, f.name)!r}' for f in told)})"

    @property
    def relaxes_alone(self) -> bool:
        """Whether it starts from relaxations as the paper has them, by CHGNet alone."""
        return self.relaxed and not self.pattern_ev


_GRADUATED = Method("Graduated")
_ATOMS = Method("Adam", "coordinates", ATOMS, enough=1 - 1e-5, spread=0.05)
_BY_ENTROPY = replace(_ATOMS, label="Adam on entropy", narrowing=ATOMS_BY_ENTROPY, objective="entropy", enough=1 - 1e-4)
METHODS = MappingProxyType(
    {
        "graduated": _GRADUATED,
        "graduated_family": replace(_GRADUATED, label="Graduated + family", cell="family"),
        "restarts": replace(_GRADUATED, label="Graduated, 12 tries", tries=12),
        "restarts_family": replace(_GRADUATED, label="Graduated + family, 12 tries", cell="family", tries=12),
        "energy_graduated": replace(_GRADUATED, label="CHGNet, then graduated", relaxed=True),
        "adam": _ATOMS,
        "adam_restarts": replace(_ATOMS, label="Adam, 12 tries", tries=12),
        "adam_entropy": _BY_ENTROPY,
        "entropy_restarts": replace(_BY_ENTROPY, label="Adam on entropy, 12 tries", tries=12),
        "entropy_symmetric": replace(
            _BY_ENTROPY, label="Adam on entropy + space group, 12 tries", sites="symmetric", tries=12
        ),
        "energy_adam": replace(_ATOMS, label="CHGNet, then Adam", relaxed=True),
        "energy_entropy": replace(_BY_ENTROPY, label="CHGNet, then Adam on entropy", relaxed=True),
        "alternation": replace(_ATOMS, label="CHGNet and Adam in turn", relaxed=True, tries=4),
        "entropy_alternation": replace(_BY_ENTROPY, label="CHGNet and entropy in turn", relaxed=True, tries=4),
    }
)
"""Methods beyond the paper, by the name that records give them."""


@dataclass(frozen=True)
class SearchResult:
    """What a search came to.

    Args:
        ends: best crystal of each start, by its pattern.
        loss: at the ends, of the objective; minus the cosine where the recipe has a finish; [B].
        start_loss: of the objective; NaN where no rule of descent evaluated it; [B].
        tries: descents made for each start.
        steps: of all of them together.
        seconds: that each start took.
    """

    ends: list[Structure]
    loss: Float[np.ndarray, "batch"]
    start_loss: Float[np.ndarray, "batch"]
    tries: list[int]
    steps: list[int]
    seconds: list[float]


def search(
    method: Method,
    reference: Structure,
    starts: Sequence[Structure],
    generators: Sequence[np.random.Generator],
    relaxations: Sequence[Relaxation] | None = None,
) -> SearchResult:
    """Find the way back from distorted copies of a crystal, given its pattern.

    Args:
        recipe: how.
        truth: the crystal whose pattern is the target, and whose family is known where the recipe uses it.
        starts: copies of it, sites in its order.
        generators: of the distortions of further tries, one a start, so that its outcome does not depend on the others.
        relaxations: of the starts, for a recipe that begins with them; computed if left out.
    """
    count = len(starts)
    seconds, tries, steps = [0.0] * count, [0] * count, [0] * count
    loss, start_loss = np.full(count, np.inf), np.full(count, np.nan)
    current, ends = list(starts), list(starts)
    if method.relaxed:
        relaxations = relaxations or [_relaxation(method, reference, start) for start in starts]
        current = [_moved(start, r.structure, method.noise) for start, r in zip(starts, relaxations, strict=True)]
        seconds = [r.seconds for r in relaxations]
    left = list(range(count))
    while left:
        begin = time.perf_counter()
        result = descend(method, reference, [current[i] for i in left])
        share = (time.perf_counter() - begin) / len(left)
        for place, (i, end) in enumerate(zip(left, crystals(reference, result), strict=True)):
            current[i] = end
            if not tries[i]:
                start_loss[i] = float(result.start_loss[place])
            if float(result.loss[place]) < loss[i]:
                loss[i], ends[i] = float(result.loss[place]), end
            tries[i] += 1
            steps[i] += int(result.steps[place])
            seconds[i] += share
        left = [i for i in left if loss[i] > -method.enough and tries[i] < method.tries]
        for i in left:
            begin = time.perf_counter()
            last = ends[i] if method.hops else current[i]
            current[i] = _again(method, reference, starts[i], last, generators[i])
            seconds[i] += time.perf_counter() - begin
    return SearchResult(ends, loss, start_loss, tries, steps, seconds)


def descend(method: Method, reference: Structure, starts: Sequence[Structure], progress: bool = False) -> DescentResult:
    """One descent of each start; `progress` shows a bar with the remaining time."""
    objective = COMPARED[method.objective]
    simulator, target = compared(reference, objective, None, torch.float32)
    lattice, frac_coords = to_tensors(starts, dtype=simulator.dtype)
    if method.sites == "symmetric":
        frac_coords = symmetric_coords(symmetry_of(reference), frac_coords)
    if method.newton:
        result = _newton(method, reference, simulator, target, lattice, frac_coords)
    else:
        moving = _parameters(method, reference, lattice, frac_coords)
        given = lattice, frac_coords, objective, method.narrowing, method.rule
        result = narrowed(simulator, target, moving, *given, progress)
    if not method.polish:
        return result
    begin = time.monotonic()
    # The finish makes the cosine small, whatever was descended before.
    moving = _parameters(method, reference, result.lattice, result.frac_coords)
    end = polish(Stage(simulator, target), moving, result.lattice, result.frac_coords, method.polish)
    steps, seconds = result.steps + end.steps, result.seconds + time.monotonic() - begin
    return replace(
        result, lattice=end.lattice, frac_coords=end.frac_coords, loss=end.loss, steps=steps, seconds=seconds
    )


def _newton(
    method: Method, reference: Structure, simulator: Simulator, target: Tensor, lattice: Tensor, frac_coords: Tensor
) -> DescentResult:
    """Levenberg-Marquardt steps under each blur in turn."""
    begin, narrowing = time.monotonic(), method.narrowing
    stage = narrowing_stages(simulator, target, narrowing)
    cells, loss, steps = (lattice, frac_coords), lattice.new_zeros(len(lattice)), torch.zeros(len(lattice)).long()
    for number in range(narrowing.stages):
        # Made anew: parameters are in units of where they begin.
        moving = _parameters(method, reference, *cells)
        end = polish(stage(number * narrowing.steps), moving, *cells, method.newton)
        cells, loss, steps = (end.lattice, end.frac_coords), end.loss, steps + end.steps
    unknown, reasons = torch.full_like(loss, torch.nan), ("out of steps",) * len(lattice)
    return DescentResult(*cells, loss, unknown, steps, reasons, time.monotonic() - begin)


def _parameters(method: Method, reference: Structure, lattice: Tensor, frac_coords: Tensor) -> Parameterisation:
    if method.sites == "symmetric":
        return SymmetricCoordinates.of(symmetry_of(reference), lattice)
    if method.noise == "coordinates":
        return CoordinateParameters(lattice, clamp=False)
    if method.cell == "angstrom":
        return LatticeParameters(frac_coords, clamp=False)
    if method.cell == "symmetric":
        return SymmetricCrystal.of(symmetry_of(reference), lattice, frac_coords, moves_sites=False)
    return ScaledLattice.of(lattice, frac_coords, detect_family(reference) if method.cell == "family" else None)


def _again(
    method: Method, reference: Structure, start: Structure, last: Structure, generator: np.random.Generator
) -> Structure:
    """Where another try begins."""
    distort: Callable[..., Structure] = distort_lattice if method.noise == "lattice" else distort_coordinates
    if method.hops:
        last = distort(last, method.spread, generator)
    if method.relaxed:
        return _moved(start, _relaxation(method, reference, last, SHORT_RELAXATION).structure, method.noise)
    return last if method.hops else distort(start, method.spread, generator)


def _relaxation(method: Method, reference: Structure, start: Structure, max_steps: int = 500) -> Relaxation:
    if method.relaxes_alone:
        return relax(start, method.noise, max_steps=max_steps)
    both = pattern_energy(reference, start, COMPARED[method.objective], method.pattern_ev)
    return relax(start, method.noise, max_steps=min(max_steps, BOTH_STEPS), other=both)


def _moved(start: Structure, relaxed: Structure, noise: Noise) -> Structure:
    """The start with what its noise has disturbed as the relaxation left it: the other half is known."""
    if noise == "lattice":
        return Structure(relaxed.lattice, start.species_and_occu, start.frac_coords)
    return Structure(start.lattice, start.species_and_occu, relaxed.frac_coords)
