"""Patterns and losses while only the atoms move.

With the cell, the place and shape of every line is constant, and a pattern is a linear map of the lines' intensities.
The results are those of the simulator; only the work is less.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from xrdscape import loss_kernel, sites_kernel
from xrdscape.moving_cell import search_constants
from xrdscape.pattern import Simulator
from xrdscape.peaks import apply_first_order, peaks_to_pattern
from xrdscape.similarity import COSINE, SQUARED_ERROR, Objective

# Reflections whose angles differ by less are one line: far above rounding, and a thousandth of a bin.
SAME_LINE_DEG = 1e-5
# Objectives that know a pattern by its moments alone.
OF_MOMENTS = (COSINE, SQUARED_ERROR)
# Profiles computed at a time, in float64; a batch of this size stays below 10 MB.
BATCH = 128


class _CompiledIntensities(torch.autograd.Function):
    """Intensities of lines [B, lines] of atoms at x [B, N, 3]: `sites_kernel`. They come in float64."""

    @staticmethod
    def forward(ctx, frac_coords, cell):  # type: ignore[no-untyped-def]
        intensity, ctx.kept = _intensities(frac_coords, cell)
        ctx.shape = frac_coords.shape
        return torch.from_numpy(intensity)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):  # type: ignore[no-untyped-def]
        d_frac_coords = _coordinate_gradient(ctx.shape, gradient.contiguous().numpy(), ctx.kept)
        return torch.from_numpy(d_frac_coords), None


class _CompiledLoss(torch.autograd.Function):
    """Losses [B] of atoms at x [B, N, 3] as in `fixed_cell_loss`. The gradient is found on the way."""

    @staticmethod
    def forward(ctx, frac_coords, cell, objective, form):  # type: ignore[no-untyped-def]
        intensity, kept = _intensities(frac_coords, cell)
        loss, d_intensity = (_of_moments if objective.twin in OF_MOMENTS else _of_patterns)(
            intensity, cell, objective, form
        )
        ctx.gradient = _coordinate_gradient(frac_coords.shape, d_intensity, kept)
        return torch.from_numpy(loss)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):  # type: ignore[no-untyped-def]
        # In numpy: an operation on so few numbers takes torch several times as long.
        scale = gradient.numpy().astype(ctx.gradient.dtype)
        return torch.from_numpy(ctx.gradient * scale[:, None, None]), None, None, None


def _of_moments(
    intensity: NDArray[np.float64], cell: "FixedCell", objective: Objective, form: "_ReducedForm"
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Losses [B] and their gradients [B, lines] without the pattern."""
    intensities = torch.from_numpy(intensity)
    along = (intensities @ form.gram).numpy()
    highest = along
    if objective.twin == SQUARED_ERROR:
        place = (intensities.to(cell.profiles.dtype) @ cell.profiles).argmax(-1)
        highest = form.profiles.T[place].numpy()
    loss, d_intensity = np.empty(len(intensity)), np.empty_like(intensity)
    facts = form.target_square, form.target_highest, form.profiles.shape[1]
    loss_kernel.losses_of_moments(
        *(objective.twin, intensity, along, form.projection, highest, *facts, loss, d_intensity)
    )
    return loss, d_intensity


def _of_patterns(
    intensity: NDArray[np.float64], cell: "FixedCell", objective: Objective, form: "_ReducedForm"
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Losses [B] and their gradients [B, lines] by way of the pattern."""
    patterns = torch.from_numpy(intensity).to(cell.profiles.dtype) @ cell.profiles
    loss, gradient = np.empty(len(intensity)), torch.empty_like(patterns)
    loss_kernel.losses_of_patterns(
        *(objective.twin, patterns.numpy(), form.target, form.search, loss, gradient.numpy())
    )
    return loss, (gradient @ cell.profiles.T).double().numpy()


def compiles(given: Tensor) -> bool:
    """Whether the compiled way can be taken: on the CPU."""
    return given.device.type == "cpu"


def _intensities(frac_coords: Tensor, cell: "FixedCell") -> tuple[NDArray[np.float64], tuple[NDArray[Any], ...]]:
    """Intensities [B, lines], and what the way back needs."""
    (batch, sites, _), reflections = frac_coords.shape, len(cell.line)
    hkl, weight, strength, line = cell.arrays
    parts = np.empty((batch, sites, 2, reflections), weight.dtype)
    factor, intensity = np.empty((batch, 2, reflections), weight.dtype), np.empty((batch, len(cell.profiles)))
    places = frac_coords.detach().contiguous().numpy()
    sites_kernel.forward(0, batch, places, hkl, weight, strength, line, parts, factor, intensity)
    return intensity, (hkl, strength, line, parts, factor)


def _coordinate_gradient(
    shape: torch.Size, d_intensity: NDArray[np.float64], kept: tuple[NDArray[Any], ...]
) -> NDArray[Any]:
    gradient = np.empty(shape, kept[3].dtype)
    sites_kernel.backward(0, len(gradient), d_intensity, *kept, gradient)
    return gradient


@dataclass(frozen=True)
class FixedCell:
    """All that a cell decides about a pattern.

    Args:
        hkl: reflections [3, M].
        weight: form factor of each site at each reflection, times its occupancy [sites, M].
        strength: all else of a reflection's intensity but |F|^2 [M].
        line: the line that each reflection belongs to [M].
        profiles: one line of unit intensity each [lines, n].
    """

    hkl: Float[Tensor, "3 reflections"]
    weight: Float[Tensor, "sites reflections"]
    strength: Float[Tensor, "reflections"]
    line: Int[Tensor, "reflections"]
    profiles: Float[Tensor, "lines n"]

    @cached_property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        """hkl, weight, strength and line as numpy sees them, on the CPU."""
        return tuple(t.numpy() for t in (self.hkl, self.weight, self.strength, self.line))

    def intensities(self, frac_coords: Float[Tensor, "batch sites 3"]) -> Float[Tensor, "batch lines"]:
        """Intensities of the lines with atoms at these places, differentiable once in them; in float64.

        Source: eq:structure-factor of the simulator chapter.
        """
        if compiles(frac_coords):
            return apply_first_order(_CompiledIntensities, frac_coords, self)
        turns = frac_coords.double() @ self.hkl
        phase = (2 * math.pi) * (turns - turns.detach().round()).to(self.weight.dtype)
        real, imaginary = ((self.weight * part).sum(-2) for part in (torch.cos(phase), torch.sin(phase)))
        values = self.strength * (real * real + imaginary * imaginary)
        empty = torch.zeros(len(values), len(self.profiles), dtype=torch.float64, device=values.device)
        return empty.index_add(1, self.line, values.double())

    def patterns(self, frac_coords: Float[Tensor, "batch sites 3"]) -> Float[Tensor, "batch n"]:
        """Patterns of the cell with atoms at these places, differentiable once in them."""
        return self.intensities(frac_coords).to(self.profiles.dtype) @ self.profiles


def fixed_cell(simulator: Simulator, lattice: Float[Tensor, "1 6"]) -> FixedCell:
    """Prepare a cell, in the simulator's precision; only the profiles are computed in float64 first.

    Raises:
        CellError: for a cell that does not close or shows no reflection.
    """
    cell = _prepared(simulator, lattice)
    return replace(cell, profiles=cell.profiles.to(simulator.dtype))


@dataclass(frozen=True)
class _ReducedForm:
    """P P^T, P t and P of the profiles P, and <t, t> and max t of the target t, in float64; t as it is compared;
    and, for the cross-correlation, the constants of its search."""

    gram: Float[Tensor, "lines lines"]
    projection: Float[np.ndarray, "lines"]
    profiles: Float[Tensor, "lines n"]
    target_square: float
    target_highest: float
    target: Float[np.ndarray, "n"]
    search: tuple[float, float]


def fixed_cell_loss(
    simulator: Simulator, lattice: Float[Tensor, "1 6"], objective: Objective, target: Float[Tensor, "n"]
) -> Callable[[Tensor], Tensor]:
    """The loss [B] as a function of the coordinates [B, N, 3].

    An objective that knows a pattern x by its moments alone needs no pattern: with intensities I and profiles P,
    <x, x> = I (P P^T) I^T and <x, t> = I (P t). These matrices are in float64, where sums of both signs cancel.

    Raises:
        CellError: for a cell that does not close or shows no reflection.

    Source: eq:gram of the engine chapter.
    """
    cell = _prepared(simulator, lattice)
    exact, cell = cell.profiles, replace(cell, profiles=cell.profiles.to(simulator.dtype))
    if objective.twin is None or not compiles(exact):
        return lambda frac_coords: objective.loss(cell.patterns(frac_coords), target)
    compared = target.double()
    facts = float(compared @ compared), float(compared.max())
    single = target.to(simulator.dtype).contiguous().numpy()
    form = _ReducedForm(
        *(exact @ exact.T, (exact @ compared).numpy(), exact, *facts, single),
        search_constants(objective, simulator.instrument),
    )
    return lambda frac_coords: apply_first_order(_CompiledLoss, frac_coords, cell, objective, form)


def _prepared(simulator: Simulator, lattice: Float[Tensor, "1 6"]) -> FixedCell:
    reflections = simulator.reflections(lattice)
    centre, strength, factors, width = simulator.lines(lattice, reflections)
    counts = strength[0] > 0
    centre, width = centre[0, counts], width[0, counts].double()
    _, line = torch.unique(torch.round(centre / SAME_LINE_DEG), return_inverse=True)
    # Any reflection of a line may stand for its angle and width.
    member = torch.zeros(int(line.max()) + 1, dtype=torch.long, device=line.device)
    member[line] = torch.arange(len(line), device=line.device)
    profiles = [
        peaks_to_pattern(c[:, None], torch.ones_like(c)[:, None], w[:, None], simulator.instrument)
        for c, w in zip(centre[member].split(BATCH), width[member].split(BATCH), strict=True)
    ]
    hkl = reflections.hkl[0, counts].double().T.contiguous()
    weight = (simulator.occupancy @ factors[0, :, counts]).contiguous()
    return FixedCell(hkl, weight, strength[0, counts], line, torch.cat(profiles))
