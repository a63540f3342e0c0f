"""Searches: a method applied to a problem from starting models, with restarts that the pattern alone decides on."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from pymatgen.core import Structure
from torch import Tensor

from xrdscape.crystal.distortion import Noise, distort_coordinates, distort_lattice
from xrdscape.crystal.families import Family
from xrdscape.crystal.structures import structures_from_tensors, to_tensors
from xrdscape.crystal.symmetry import Symmetry, symmetric_coords, unwrapped
from xrdscape.diffraction.pattern import Simulator
from xrdscape.errors import DescentError
from xrdscape.optimisation.descent import Stage
from xrdscape.optimisation.energy import MAX_STEPS, Relaxation, relax
from xrdscape.optimisation.graduated import narrowed, narrowing_stages
from xrdscape.optimisation.joint import pattern_energy
from xrdscape.optimisation.loop import DescentResult
from xrdscape.optimisation.methods import DESCENDED, Method
from xrdscape.optimisation.parameters import CoordinateParameters, LatticeParameters, Parameterisation, ScaledLattice
from xrdscape.optimisation.polish import polish
from xrdscape.optimisation.problem import Problem
from xrdscape.optimisation.stopping import OUT_OF_STEPS, STOP_REASONS
from xrdscape.optimisation.symmetric import SymmetricCoordinates, SymmetricCrystal

JOINT_STEPS = 150
"""Steps at most of relaxations on energy and pattern: the descent after it takes care of the forces that are left."""
SHORT_RELAXATION = 60
"""Steps of the relaxations between two descents: enough to leave a place that no atoms could be at."""


@dataclass(frozen=True)
class SearchResult:
    """The outcome of a search.

    Args:
        refined: best crystal found from each starting model, by its pattern.
        loss: of the refined models, by the objective; minus the cosine where the method has a polish; [B].
        start_loss: of the starting models, by the objective; NaN where no rule of descent evaluated it; [B].
        descents: descents made from each starting model.
        steps: of all of them together.
        seconds: that each starting model took.
    """

    refined: list[Structure]
    loss: Float[np.ndarray, "batch"]
    start_loss: Float[np.ndarray, "batch"]
    descents: list[int]
    steps: list[int]
    seconds: list[float]


def search(
    method: Method,
    problem: Problem,
    starts: Sequence[Structure],
    generators: Sequence[np.random.Generator],
    relaxations: Sequence[Relaxation] | None = None,
) -> SearchResult:
    """Search for the crystal behind a pattern from each of some starting models.

    Args:
        method: how.
        problem: the pattern, and what is known beside it.
        starts: models with the problem's contents, sites in its order.
        generators: of the distortions for restarts, one a start, so that its outcome does not depend on the others.
        relaxations: of the starts, for a method that begins with them; computed if left out.

    Raises:
        DescentError: for a method that needs a family or a symmetry that the problem does not know.
    """
    count = len(starts)
    seconds, descents, steps = [0.0] * count, [0] * count, [0] * count
    loss, start_loss = np.full(count, np.inf), np.full(count, np.nan)
    current, refined = list(starts), list(starts)
    if method.relaxed:
        relaxations = relaxations or [_relaxation(method, problem, start) for start in starts]
        current = [_moved(start, r.structure, method.moves) for start, r in zip(starts, relaxations, strict=True)]
        seconds = [r.seconds for r in relaxations]
    left = list(range(count))
    while left:
        begin = time.perf_counter()
        result = descend(method, problem, [current[i] for i in left])
        share = (time.perf_counter() - begin) / len(left)
        models = structures_from_tensors(problem.contents, result.lattice, result.frac_coords)
        for place, (i, model) in enumerate(zip(left, models, strict=True)):
            current[i] = model
            if not descents[i]:
                start_loss[i] = float(result.start_loss[place])
            if float(result.loss[place]) < loss[i]:
                loss[i], refined[i] = float(result.loss[place]), model
            descents[i] += 1
            steps[i] += int(result.steps[place])
            seconds[i] += share
        left = [i for i in left if loss[i] > -method.enough and descents[i] <= method.restarts]
        for i in left:
            begin = time.perf_counter()
            last = refined[i] if method.hops else current[i]
            current[i] = _restart(method, problem, starts[i], last, generators[i])
            seconds[i] += time.perf_counter() - begin
    return SearchResult(refined, loss, start_loss, descents, steps, seconds)


def descend(method: Method, problem: Problem, starts: Sequence[Structure], progress: bool = False) -> DescentResult:
    """Make one descent from each starting model; `progress` shows a bar with the remaining time."""
    simulator = problem.simulator()
    stage = Stage.of(problem, simulator)
    lattice, frac_coords = to_tensors(starts, dtype=simulator.dtype)
    if method.sites == "symmetric":
        frac_coords = symmetric_coords(_symmetry(problem), frac_coords)
    if method.newton:
        result = _newton(method, problem, simulator, lattice, frac_coords)
    else:
        moving = _parameters(method, problem, lattice, frac_coords)
        objective = DESCENDED[method.objective]
        result = narrowed(
            stage, moving, lattice, frac_coords, objective, method.narrowing, method.rule, progress=progress
        )
    if not method.polish:
        return result
    begin = time.monotonic()
    # The polish makes the cosine small, whatever was descended before.
    moving = _parameters(method, problem, result.lattice, result.frac_coords)
    end = polish(stage, moving, result.lattice, result.frac_coords, method.polish)
    steps, seconds = result.steps + end.steps, result.seconds + time.monotonic() - begin
    return replace(
        result, lattice=end.lattice, frac_coords=end.frac_coords, loss=end.loss, steps=steps, seconds=seconds
    )


def _newton(
    method: Method, problem: Problem, simulator: Simulator, lattice: Tensor, frac_coords: Tensor
) -> DescentResult:
    """Take Levenberg-Marquardt steps under each blur in turn."""
    begin, narrowing = time.monotonic(), method.narrowing
    stage = narrowing_stages(Stage.of(problem, simulator), narrowing)
    loss, steps = lattice.new_zeros(len(lattice)), torch.zeros(len(lattice)).long()
    for number in range(narrowing.stages):
        # Made anew: parameters are in units of where they begin.
        moving = _parameters(method, problem, lattice, frac_coords)
        end = polish(stage(number * narrowing.steps), moving, lattice, frac_coords, method.newton)
        lattice, frac_coords, loss, steps = end.lattice, end.frac_coords, end.loss, steps + end.steps
    unknown, reasons = torch.full_like(loss, torch.nan), (STOP_REASONS[OUT_OF_STEPS],) * len(lattice)
    return DescentResult(lattice, frac_coords, loss, unknown, steps, reasons, time.monotonic() - begin)


def _parameters(method: Method, problem: Problem, lattice: Tensor, frac_coords: Tensor) -> Parameterisation:
    """Return what the method moves of these models."""
    if method.sites == "symmetric":
        return SymmetricCoordinates.of(_symmetry(problem), lattice)
    if method.moves == "coordinates":
        return CoordinateParameters(lattice, clamp=False)
    if method.cell == "angstrom":
        return LatticeParameters(frac_coords, clamp=False)
    if method.cell == "symmetric":
        return SymmetricCrystal.of(_symmetry(problem), lattice, frac_coords, moves_sites=False)
    return ScaledLattice.of(lattice, frac_coords, _family(problem) if method.cell == "family" else None)


def _symmetry(problem: Problem) -> Symmetry:
    if problem.symmetry is None:
        raise DescentError("This method needs a known space group: give the problem a symmetry, or choose another.")
    return problem.symmetry


def _family(problem: Problem) -> Family:
    if problem.family is None:
        raise DescentError("This method needs a known crystal family: give the problem a family, or choose another.")
    return problem.family


def _restart(
    method: Method, problem: Problem, start: Structure, last: Structure, generator: np.random.Generator
) -> Structure:
    """Return the model that a restart begins from."""
    if method.hops:
        last = _distorted(method, last, generator)
    if method.relaxed:
        return _moved(start, _relaxation(method, problem, last, SHORT_RELAXATION).structure, method.moves)
    return last if method.hops else _distorted(method, start, generator)


def _distorted(method: Method, model: Structure, generator: np.random.Generator) -> Structure:
    """Return a distorted copy, each site beside where it was."""
    distort: Callable[..., Structure] = distort_lattice if method.moves == "lattice" else distort_coordinates
    moved = distort(model, method.spread, generator)
    if method.sites == "free":
        return moved
    return Structure(moved.lattice, moved.species_and_occu, unwrapped(moved.frac_coords, model.frac_coords))


def _relaxation(method: Method, problem: Problem, start: Structure, max_steps: int = MAX_STEPS) -> Relaxation:
    if method.relaxes_alone:
        return relax(start, method.moves, max_steps=max_steps)
    both = pattern_energy(problem, start, DESCENDED[method.objective], method.pattern_ev)
    return relax(start, method.moves, max_steps=min(max_steps, JOINT_STEPS), other=both)


def _moved(start: Structure, relaxed: Structure, moves: Noise) -> Structure:
    """Return the starting model with what the method moves as the relaxation left it: the other half is known."""
    if moves == "lattice":
        return Structure(relaxed.lattice, start.species_and_occu, start.frac_coords)
    return Structure(start.lattice, start.species_and_occu, relaxed.frac_coords)
