"""A polish: the last steps to a minimum, by Levenberg-Marquardt on the residual of scaled patterns, a batch at a time.

Half the squared difference of two patterns scaled to norm 1 is 1 minus their cosine, so what is made small is the
cosine objective. Its curvature comes from the slopes of the patterns: a few steps take an end that a descent has come
near to all the way.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from xrdscape.diffraction.pattern import Simulator, compiles
from xrdscape.diffraction.peaks import peaks_to_pattern
from xrdscape.diffraction.reflection_peaks import Peaks
from xrdscape.diffraction.reflections import Reflections
from xrdscape.diffraction.structure_factors import GeometricalFactors
from xrdscape.diffraction.tangents import PeakTangents, cell_tangents, pattern_tangents
from xrdscape.errors import DescentError
from xrdscape.optimisation.blur import softened
from xrdscape.optimisation.descent import Stage
from xrdscape.optimisation.least_squares import least_squares
from xrdscape.optimisation.objectives import refuse_empty
from xrdscape.optimisation.parameters import Parameterisation


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
        max_steps: each costs a pattern and, where it helps, its derivative in every parameter.
        tolerance: a sample stops when no parameter would move by more than this.

    Raises:
        DescentError: nothing to try.
    """
    if max_steps < 1 or tolerance < 0:
        raise DescentError(f"A polish needs max_steps >= 1 and tolerance >= 0. Received {max_steps} and {tolerance}.")
    refuse_empty(stage.target)
    if stage.weights is not None:
        raise DescentError("A polish weighs all points alike: give a stage without weights.")
    compared = _Compared(stage, parameterisation, _scaled(stage.target), parameterisation.start(lattice, frac_coords))
    solution = least_squares(compared, compared.start, max_steps, tolerance)
    loss = -((solution.residuals + compared.target) @ compared.target)
    return Polished(*parameterisation.crystal(solution.parameters), loss.to(stage.target.dtype), solution.steps)


@dataclass(frozen=True)
class _Compared:
    """Residuals of scaled patterns against a scaled target [n]; `start` are possible parameters [B, K]."""

    stage: Stage
    parameterisation: Parameterisation
    target: Float[Tensor, "n"]
    start: Float[Tensor, "batch K"]

    def project(self, parameters: Tensor, which: Tensor) -> Tensor:
        return self.parameterisation.select(which).project(parameters)

    @torch.no_grad()
    def residuals(self, parameters: Tensor, which: Tensor) -> Tensor:
        moving = self.parameterisation.select(which)
        possible = (moving.possible(parameters) & torch.isfinite(parameters).all(-1))[:, None]
        lattice, frac_coords = moving.crystal(torch.where(possible, parameters, self.start[which]))
        lists, geometrical = _lists(self.stage.simulator, lattice, frac_coords)
        pattern = self.stage.simulator.patterns(lattice, lists, geometrical)
        return torch.where(possible, _scaled(self._softened(pattern)) - self.target, torch.inf)

    def slopes(self, parameters: Tensor, which: Tensor) -> Tensor:
        moving, simulator = self.parameterisation.select(which), self.stage.simulator
        peaks, tangents = _peak_tangents(simulator, moving, parameters)
        instrument = simulator.instrument
        pattern = self._softened(peaks_to_pattern(peaks.centre, peaks.height, peaks.fwhm, instrument)).double()
        change = self._softened(pattern_tangents(peaks, tangents, instrument)).double()
        # Of a pattern scaled to norm 1.
        norm = torch.linalg.vector_norm(pattern, dim=-1)[:, None, None]
        norm = torch.where(norm > 0, norm, 1.0)
        scaled = pattern[:, None] / norm
        return (change - (change * scaled).sum(-1, keepdim=True) * scaled) / norm

    def _softened(self, pattern: Tensor) -> Tensor:
        return softened(pattern, self.stage.blur, self.stage.axis)


def _scaled(pattern: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n"]:
    """Return patterns scaled to norm 1, in float64; one that is zero everywhere stays so."""
    norm = torch.linalg.vector_norm(pattern.double(), dim=-1, keepdim=True)
    return pattern.double() / torch.where(norm > 0, norm, 1.0)


def _lists(simulator: Simulator, lattice: Tensor, frac_coords: Tensor) -> tuple[Reflections, GeometricalFactors]:
    """Return the reflections of some cells, with their geometrical structure factors."""
    lists = simulator.reflections(lattice, allow_empty=True)
    return lists, simulator.geometrical(lists, frac_coords)


def _peak_tangents(
    simulator: Simulator, moving: Parameterisation, parameters: Float[Tensor, "batch K"]
) -> tuple[Peaks, PeakTangents]:
    """Return the peaks of models, and their derivatives in each parameter."""
    inner = parameters.detach().requires_grad_()
    lattice, frac_coords = moving.crystal(moving.project(inner))
    lists, geometrical = _lists(simulator, lattice.detach(), frac_coords.detach())
    if moving.moves_sites or not compiles(lattice, geometrical):
        return _peak_tangents_in_torch(simulator, moving, parameters, lists)
    rows = [torch.autograd.grad(part.sum(), inner, retain_graph=True)[0] for part in lattice.unbind(-1)]
    return cell_tangents(simulator, lattice.detach(), lists, geometrical, torch.stack(rows, -1))


def _peak_tangents_in_torch(
    simulator: Simulator, moving: Parameterisation, parameters: Float[Tensor, "batch K"], lists: Reflections
) -> tuple[Peaks, PeakTangents]:
    """Return the same for whatever moves, on any device, by forward mode."""
    _ = lists.products  # cached, so it must not be made inside a transformation

    def peaks_of(inner: Tensor) -> Peaks:
        lattice, frac_coords = moving.crystal(moving.project(inner))
        return simulator.peaks(lattice, lists, simulator.geometrical(lists, frac_coords))

    units = torch.eye(parameters.shape[-1], dtype=parameters.dtype, device=parameters.device)
    changes = [torch.func.jvp(peaks_of, (parameters,), (unit.expand_as(parameters),))[1] for unit in units]
    centre, height, fwhm = (torch.stack(parts, 1) for parts in zip(*changes, strict=True))
    return peaks_of(parameters), PeakTangents(centre, height, fwhm, parameters.new_zeros(len(units)))
