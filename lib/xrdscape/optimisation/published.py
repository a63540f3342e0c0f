"""The paper's descent: plain steps in angstrom and degrees, or in fractions, on one loss from first step to last."""

from collections.abc import Sequence

import torch
from pymatgen.core import Structure

from xrdscape.crystal.distortion import Noise
from xrdscape.crystal.families import Family
from xrdscape.crystal.structures import to_tensors
from xrdscape.optimisation.descent import Descent, Schedule, Stage, constant
from xrdscape.optimisation.loop import DescentResult, run_descent
from xrdscape.optimisation.objectives import Objective
from xrdscape.optimisation.parameters import CoordinateParameters, LatticeParameters, Parameterisation
from xrdscape.optimisation.problem import Problem


def published_descent(
    problem: Problem,
    starts: Sequence[Structure],
    moves: Noise,
    objective: Objective,
    schedule: Schedule,
    family: Family | None = None,
    clamp: bool = True,
    dtype: torch.dtype = torch.float32,
    progress: bool = False,
) -> DescentResult:
    """Descend starting models on the similarity of their patterns to a problem's, as the paper does.

    Args:
        problem: the pattern to be explained.
        starts: models with the problem's contents, sites in its order.
        moves: the "lattice" or the "coordinates"; the other stays.
        objective: what is descended.
        schedule: learning rate, number of steps and stopping rule.
        family: of crystals, to project the cell onto at the start and after each step; None leaves it free.
        clamp: StructSnap's limit on large moves.
        dtype: precision of the descents.
        progress: show a bar with the remaining time.

    Source: paper sections 4.3 and 4.4, SI 1.4.
    """
    stage = Stage.of(problem, problem.simulator(dtype))
    lattice, frac_coords = to_tensors(starts, dtype=dtype)
    parameterisation: Parameterisation
    if moves == "lattice":
        parameterisation = LatticeParameters(frac_coords, family, clamp)
    else:
        parameterisation = CoordinateParameters(lattice, clamp)
    descent = Descent(constant(stage), objective, schedule)
    return run_descent(descent, parameterisation, lattice, frac_coords, progress=progress)
