"""From distorted starts back to a known crystal: one experiment of the study, for any crystal and objective."""

from collections.abc import Sequence

import torch
from pymatgen.core import Structure
from torch import Tensor

from xrdscape.crystal.distortion import Noise
from xrdscape.crystal.structures import from_tensors, to_tensors
from xrdscape.diffraction.pattern import Simulator
from xrdscape.diffraction.profile import Instrument
from xrdscape.optimisation.loop import Descent, DescentResult, Schedule, constant, run_descent
from xrdscape.optimisation.objectives import Objective
from xrdscape.optimisation.parameters import CoordinateParameters, LatticeParameters, Parameterisation


def recover(
    reference: Structure,
    starts: Sequence[Structure],
    noise: Noise,
    objective: Objective,
    schedule: Schedule,
    family: str | None = None,
    clamp: bool = True,
    dtype: torch.dtype = torch.float32,
    progress: bool = False,
    instrument: Instrument | None = None,
) -> DescentResult:
    """Descend distorted copies of a crystal on the similarity of their patterns to its own.

    Args:
        truth: the crystal whose pattern is the target.
        starts: copies of it, sites in its order.
        noise: what was distorted and so is moved: the "lattice", or the "coordinates".
        objective: what is descended.
        schedule: learning rate, number of steps and stopping rule.
        family: of crystals, to project the cell onto at the start and after each step; None leaves it free.
        clamp: StructSnap's limit on large moves.
        dtype: precision of the descents.
        progress: show a bar with the remaining time.
        instrument: that records both patterns; the paper's if left out.
    """
    simulator, target = compared(reference, objective, instrument, dtype)
    lattice, frac_coords = to_tensors(starts, dtype=dtype)
    parameterisation: Parameterisation
    if noise == "lattice":
        parameterisation = LatticeParameters(frac_coords, family, clamp)
    else:
        parameterisation = CoordinateParameters(lattice, clamp)
    problem = Descent(constant(simulator, target), objective, schedule)
    return run_descent(problem, parameterisation, lattice, frac_coords, progress=progress)


def compared(
    reference: Structure, objective: Objective, instrument: Instrument | None, dtype: torch.dtype
) -> tuple[Simulator, Tensor]:
    """The simulator of a descent, and the true pattern as it would record it, in its precision."""
    # In float64 first: rounding the true cell would move its peaks.
    exact = Simulator(reference, instrument, hkl_max=objective.hkl_max)
    target = exact(*to_tensors([reference]))[0].to(dtype)
    return Simulator(reference, instrument, dtype, hkl_max=objective.hkl_max), target


def crystals(reference: Structure, result: DescentResult) -> list[Structure]:
    """The crystals at which descents ended, with the sites of the truth."""
    pairs = zip(result.lattice.double(), result.frac_coords.double(), strict=True)
    return [from_tensors(reference, *pair) for pair in pairs]
