"""A polish: the last steps to a minimum, by Levenberg-Marquardt on the residual of scaled patterns, a batch at a time.

Half the squared difference of two patterns scaled to norm 1 is 1 minus their cosine, so what is made small is the
cosine objective. Its curvature comes from the slopes of the patterns: a few steps take an end that a descent has come
near to all the way.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from xrdscape.errors import DescentError
from xrdscape.optimisation.blur import softened
from xrdscape.optimisation.descent import Stage
from xrdscape.optimisation.objectives import refuse_empty
from xrdscape.optimisation.parameters import Parameterisation

DIFFERENCE = 1e-5
"""Of parameters of size 1: far below the width of a peak, far above what float32 leaves of a pattern's change."""
DAMPING, EASED, STRAINED = 1e-3, 0.2, 5.0
"""Weight of the diagonal at the start; its factors after a step that helped and one that did not."""
REACH = 1.001
"""Reflection lists are made for each pattern's cell, and serve those a difference away."""


@dataclass(frozen=True)
class Polished:
    """Polished models: `lattice` [B, 6] and `frac_coords` [B, N, 3]; `loss` [B], minus the cosine; `steps` [B],
    those that were tried."""

    lattice: Float[Tensor, "batch 6"]
    frac_coords: Float[Tensor, "batch sites 3"]
    loss: Float[Tensor, "batch"]
    steps: Int[Tensor, "batch"]


def polish(
    stage: Stage,
    parameterisation: Parameterisation,
    lattice: Float[Tensor, "batch 6"],
    frac_coords: Float[Tensor, "batch sites 3"],
    max_steps: int = 10,
    tolerance: float = 1e-6,
) -> Polished:
    """Move models to the minimum nearby; none ends above where it began.

    Args:
        stage: simulator and target; with a blur, blurred patterns are compared.
        parameterisation: what moves. A unit of any parameter must mean about as much, as in `ScaledLattice`.
        lattice, frac_coords: where to begin.
        max_steps: each costs a pattern for every parameter, and two more.
        tolerance: a sample stops when no parameter would move by more than this.

    Raises:
        DescentError: nothing to try.

    Source: Marquardt, J. Soc. Ind. Appl. Math. 11, 431 (1963).
    """
    if max_steps < 1 or tolerance < 0:
        raise DescentError(f"A polish needs max_steps >= 1 and tolerance >= 0. Received {max_steps} and {tolerance}.")
    refuse_empty(stage.target)
    if stage.weights is not None:
        raise DescentError("A polish weighs all points alike: give a stage without weights.")
    target = _scaled(stage.target)
    parameters = parameterisation.project(parameterisation.start(lattice, frac_coords)).detach().clone()
    pattern = _patterns(stage, parameterisation, parameters[:, None])[:, 0]
    loss = -(pattern @ target)
    damping, steps = torch.full_like(loss, DAMPING), torch.zeros_like(loss, dtype=torch.long)
    running = torch.arange(len(loss), device=loss.device)
    for _ in range(max_steps):
        some, here = parameterisation.select(running), parameters[running]
        move = _move(_slopes(stage, some, here, pattern[running]), pattern[running], target, damping[running])
        there = some.project(here + move.to(here.dtype))
        possible = some.possible(there) & torch.isfinite(there).all(-1)
        there = torch.where(possible[:, None], there, here)
        seen = _patterns(stage, some, there[:, None])[:, 0]
        reached = -(seen @ target)
        better = possible & (reached < loss[running])
        which = running[better]
        parameters[which], pattern[which], loss[which] = there[better], seen[better], reached[better]
        damping[running] *= torch.where(better, EASED, STRAINED)
        steps[running] += 1
        running = running[move.abs().amax(-1) > tolerance]
        if not len(running):
            break
    return Polished(*parameterisation.crystal(parameters), loss.to(stage.target.dtype), steps)


def _scaled(pattern: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n"]:
    """Return patterns scaled to norm 1, in float64; one that is zero everywhere stays so."""
    norm = torch.linalg.vector_norm(pattern.double(), dim=-1, keepdim=True)
    return pattern.double() / torch.where(norm > 0, norm, 1.0)


@torch.no_grad()
def _patterns(
    stage: Stage, parameterisation: Parameterisation, parameters: Float[Tensor, "batch variants k"]
) -> Float[Tensor, "batch variants n"]:
    """Return scaled patterns of some variants of each sample; the first decides which reflections there are."""
    batch, variants, _ = parameters.shape
    one_by_one = torch.arange(batch, device=parameters.device).repeat_interleave(variants)
    lattice, frac_coords = parameterisation.select(one_by_one).crystal(parameters.flatten(0, 1))
    lists = stage.simulator.reflections(lattice[::variants], REACH, allow_empty=True).select(one_by_one)
    pattern = stage.simulator.patterns(lattice, lists, stage.simulator.geometrical(lists, frac_coords))
    return _scaled(softened(pattern, stage.blur, stage.axis)).unflatten(0, (batch, variants))


def _slopes(
    stage: Stage, parameterisation: Parameterisation, parameters: Tensor, pattern: Tensor
) -> Float[Tensor, "batch k n"]:
    """Return slopes of scaled patterns, by forward differences."""
    offsets = DIFFERENCE * torch.eye(parameters.shape[-1], dtype=parameters.dtype, device=parameters.device)
    one_by_one = torch.arange(len(parameters), device=parameters.device).repeat_interleave(len(offsets))
    beside = parameterisation.select(one_by_one)
    shifted = beside.project((parameters[:, None] + offsets).flatten(0, 1)).unflatten(0, (len(parameters), -1))
    return (_patterns(stage, parameterisation, shifted) - pattern[:, None]) / DIFFERENCE


def _move(slopes: Tensor, pattern: Tensor, target: Tensor, damping: Tensor) -> Float[Tensor, "batch k"]:
    """Solve (J J^T + damping diag) move = -J (pattern - target), with slopes J, for the move."""
    square = slopes @ slopes.mT
    diagonal = square.diagonal(dim1=-2, dim2=-1)
    # A parameter without effect has no slope; it stays.
    least = torch.finfo(square.dtype).eps * diagonal.amax(-1, keepdim=True) + torch.finfo(square.dtype).tiny
    damped = square + torch.diag_embed(damping[:, None] * diagonal + least)
    return torch.linalg.solve_ex(damped, slopes @ (target - pattern)[..., None])[0][..., 0]
