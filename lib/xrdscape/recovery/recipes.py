"""Whole methods by name: what is moved and how, from where, and how often. Their parts are choices of `snap`."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
import torch
from jaxtyping import Float
from pymatgen.core import Structure
from torch import Tensor

from xrdscape.engine.cell import detect_family
from xrdscape.engine.similarity import OBJECTIVES
from xrdscape.engine.structures import to_tensors
from xrdscape.errors import DescentError
from xrdscape.recovery.energy import Relaxation, relax
from xrdscape.recovery.graduated import Narrowing, narrowed
from xrdscape.recovery.noise import Noise, distort_coordinates, distort_lattice
from xrdscape.recovery.parameterisation import (
    CoordinateParameters,
    LatticeParameters,
    Parameterisation,
    ScaledLattice,
)
from xrdscape.recovery.recover import compared, crystals
from xrdscape.recovery.rules import Adam, Rule
from xrdscape.recovery.snap import SnapResult

GRADUATED, ADAM = Narrowing(), Adam()
UNBLURRED = Narrowing(stages=0, last_steps=GRADUATED.all_steps)
"""As many steps as a graduated descent, without a blur."""
ATOMS = Narrowing(stages=0, last_steps=600, rate=3e-3)
"""For coordinates: where the cell stays, so do the peaks, and a blur would help nothing. The rate is in fractions."""
SHORT_RELAXATION = 60
"""Steps of the relaxations between two descents: enough to leave a place that no atoms could be at."""


@dataclass(frozen=True)
class Recipe:
    """One way back to the truth, for any crystal.

    Args:
        label: for figures and tables.
        noise: what it moves, the "lattice" or the "coordinates".
        narrowing: of the blur, with the learning rate and the number of steps.
        objective: a key of `OBJECTIVES`.
        scaled: cells are parameters of one scale; if not, angstrom and degrees.
        rule: what turns gradients into moves.
        family: project the cell onto the crystal family of the truth.
        relaxed: start where CHGNet's relaxation of the start ends; of a cell, with the coordinates of the start.
        tries: how many descents at most. Only the pattern decides whether another is needed, and which was best.
        spread: how far the start is distorted again for another try, as a noise level. With `relaxed`, another try
            starts where a short relaxation of the last one's end comes to instead.
        enough: similarity at which no further try is made.
    """

    label: str = field(repr=False)
    noise: Noise = "lattice"
    narrowing: Narrowing = GRADUATED
    objective: str = "cosine"
    scaled: bool = True
    rule: Rule = ADAM
    family: bool = False
    relaxed: bool = False
    tries: int = 1
    spread: float = 0.1
    enough: float = 0.9995

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise DescentError(f"unknown objective {self.objective!r}: choose one of {', '.join(OBJECTIVES)}.")
        if self.tries < 1:
            raise DescentError(f"a recipe makes at least one try. Received {self.tries}.")
        if self.noise == "coordinates" and (self.family or self.narrowing.stages):
            raise DescentError(
                "where the cell stays there is no family to project it onto and nothing to blur: leave family False, "
                "and give a narrowing of no stages."
            )


_GRADUATED = Recipe("Graduated")
_ATOMS = Recipe("Adam", "coordinates", ATOMS, enough=1 - 1e-5, spread=0.05)
RECIPES = MappingProxyType(
    {
        "graduated": _GRADUATED,
        "graduated_family": replace(_GRADUATED, label="Graduated + family", family=True),
        "restarts": replace(_GRADUATED, label="Graduated, 6 tries", tries=6),
        "restarts_family": replace(_GRADUATED, label="Graduated + family, 6 tries", family=True, tries=6),
        "energy_graduated": replace(_GRADUATED, label="CHGNet, then graduated", relaxed=True),
        "adam": _ATOMS,
        "adam_restarts": replace(_ATOMS, label="Adam, 6 tries", tries=6),
        "energy_adam": replace(_ATOMS, label="CHGNet, then Adam", relaxed=True),
        "alternation": replace(_ATOMS, label="CHGNet and Adam in turn", relaxed=True, tries=4),
    }
)
"""Methods beyond the paper, by the name that records give them."""


@dataclass(frozen=True)
class Found:
    """What a search came to.

    Args:
        ends: best crystal of each start, by its pattern.
        loss, start_loss: of the objective, [B].
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
    recipe: Recipe,
    truth: Structure,
    starts: Sequence[Structure],
    generators: Sequence[np.random.Generator],
    relaxations: Sequence[Relaxation] | None = None,
) -> Found:
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
    if recipe.relaxed:
        relaxations = relaxations or [relax(start, recipe.noise) for start in starts]
        current = [_moved(start, r.structure, recipe.noise) for start, r in zip(starts, relaxations, strict=True)]
        seconds = [r.seconds for r in relaxations]
    left = list(range(count))
    while left:
        begin = time.perf_counter()
        result = descend(recipe, truth, [current[i] for i in left])
        share = (time.perf_counter() - begin) / len(left)
        for place, (i, end) in enumerate(zip(left, crystals(truth, result), strict=True)):
            current[i] = end
            if not tries[i]:
                start_loss[i] = float(result.start_loss[place])
            if not float(result.loss[place]) >= loss[i]:
                loss[i], ends[i] = float(result.loss[place]), end
            tries[i] += 1
            steps[i] += int(result.steps[place])
            seconds[i] += share
        left = [i for i in left if loss[i] > -recipe.enough and tries[i] < recipe.tries]
        for i in left:
            begin = time.perf_counter()
            current[i] = _again(recipe, starts[i], current[i], generators[i])
            seconds[i] += time.perf_counter() - begin
    return Found(ends, loss, start_loss, tries, steps, seconds)


def descend(recipe: Recipe, truth: Structure, starts: Sequence[Structure]) -> SnapResult:
    """One descent of each start."""
    objective = OBJECTIVES[recipe.objective]
    simulator, target = compared(truth, objective, None, torch.float32)
    lattice, frac_coords = to_tensors(starts, dtype=simulator.dtype)
    family = detect_family(truth) if recipe.family else None
    start = _parameters(recipe, lattice, frac_coords, family), lattice, frac_coords
    return narrowed(simulator, target, *start, objective, recipe.narrowing, recipe.rule)


def _parameters(recipe: Recipe, lattice: Tensor, frac_coords: Tensor, family: str | None) -> Parameterisation:
    if recipe.noise == "coordinates":
        return CoordinateParameters(lattice, clamp=False)
    if recipe.scaled:
        return ScaledLattice.of(lattice, frac_coords, family)
    return LatticeParameters(frac_coords, family, clamp=False)


def _again(recipe: Recipe, start: Structure, last: Structure, generator: np.random.Generator) -> Structure:
    """Where another try begins."""
    if recipe.relaxed:
        return _moved(start, relax(last, recipe.noise, max_steps=SHORT_RELAXATION).structure, recipe.noise)
    distort: Callable[..., Structure] = distort_lattice if recipe.noise == "lattice" else distort_coordinates
    return distort(start, recipe.spread, generator)


def _moved(start: Structure, relaxed: Structure, noise: Noise) -> Structure:
    """The start with what its noise has disturbed as the relaxation left it: the other half is known."""
    if noise == "lattice":
        return Structure(relaxed.lattice, start.species_and_occu, start.frac_coords)
    return Structure(start.lattice, start.species_and_occu, relaxed.frac_coords)
