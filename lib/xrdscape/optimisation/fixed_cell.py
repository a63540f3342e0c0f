"""Patterns and losses while only the atoms move.

With the cell, the place and shape of every line is constant, and a pattern is a linear map of the lines' intensities.
The results are those of the simulator; only the work is less.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from xrdscape.diffraction.kernels import peaks_kernel, sites_kernel
from xrdscape.diffraction.pattern import Simulator
from xrdscape.diffraction.peaks import apply_first_order, peak_constants, peaks_to_pattern
from xrdscape.optimisation.kernels import fixed_kernel
from xrdscape.optimisation.moving_cell import search_constants
from xrdscape.optimisation.objectives import SQUARED_ERROR, Objective
from xrdscape.runtime.threads import over_samples

# Reflections whose angles differ by less are one line: far above rounding, and a thousandth of a bin.
SAME_LINE_DEG = 1e-5
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
    """Losses [B] of atoms at x [B, N, 3] as in `FixedCellLoss`. The gradient is found on the way."""

    @staticmethod
    def forward(ctx, frac_coords, constants):  # type: ignore[no-untyped-def]
        places = frac_coords.detach().contiguous().numpy()
        loss, ctx.gradient = np.empty(len(places)), np.empty_like(places)
        over_samples(
            *(fixed_kernel.losses, fixed_kernel.losses_over, len(places), constants.reflections),
            *(constants.measure, places, *constants.arrays, loss, ctx.gradient),
        )
        return torch.from_numpy(loss)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):  # type: ignore[no-untyped-def]
        # In numpy: an operation on so few numbers takes torch several times as long.
        scale = gradient.numpy().astype(ctx.gradient.dtype)
        return torch.from_numpy(ctx.gradient * scale[:, None, None]), None


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
    cell, *_ = _prepared(simulator, lattice)
    return replace(cell, profiles=cell.profiles.to(simulator.dtype))


class _Compiled(NamedTuple):
    """A loss as `fixed_kernel.losses` takes it: the measure, all that is constant, and how many reflections there are,
    by which work is divided among threads."""

    measure: int
    arrays: tuple[Any, ...]
    reflections: int


@dataclass(frozen=True)
class FixedCellLoss:
    """The loss [B] as a function of the coordinates [B, N, 3] while the cell stays; differentiable once.

    Args:
        cell: the cell, in the simulator's precision.
        objective, target: what patterns are compared with, and how.
        compiled: the same loss compiled; None where that cannot be.
    """

    cell: FixedCell
    objective: Objective
    target: Float[Tensor, "n"]
    compiled: _Compiled | None

    def __call__(self, frac_coords: Float[Tensor, "batch sites 3"]) -> Float[Tensor, "batch"]:
        if self.compiled is None:
            return self.objective.loss(self.cell.patterns(frac_coords), self.target)
        return apply_first_order(_CompiledLoss, frac_coords, self.compiled)


def fixed_cell_loss(
    simulator: Simulator, lattice: Float[Tensor, "1 6"], objective: Objective, target: Float[Tensor, "n"]
) -> FixedCellLoss:
    """Prepare the loss for a cell.

    An objective that knows a pattern x by its moments alone needs no pattern: with intensities I and profiles P,
    <x, x> = I (P P^T) I^T and <x, t> = I (P t). These matrices are in float64, where sums of both signs cancel.

    Raises:
        CellError: for a cell that does not close or shows no reflection.

    Source: eq:gram of the engine chapter.
    """
    cell, centre, fwhm = _prepared(simulator, lattice)
    exact, cell = cell.profiles, replace(cell, profiles=cell.profiles.to(simulator.dtype))
    compiled = None
    if objective.kernel_id is not None and compiles(exact):
        compared = target.double()
        moments = float(compared @ compared), float(compared.max())
        columns = exact.T.contiguous().numpy() if objective.kernel_id == SQUARED_ERROR else np.empty((0, 0))
        arrays = (
            *cell.arrays,
            *((exact @ exact.T).numpy(), (exact @ compared).numpy(), columns, moments),
            target.to(simulator.dtype).contiguous().numpy(),
            search_constants(objective, simulator.instrument),
            *_bands(centre, fwhm, simulator),
        )
        compiled = _Compiled(objective.kernel_id, arrays, len(cell.line))
    return FixedCellLoss(cell, objective, target, compiled)


def _bands(centre: Tensor, fwhm: Tensor, simulator: Simulator) -> tuple[NDArray[Any], ...]:
    """The profiles of lines as `fixed_kernel` takes them, with the matrices from nodes to points."""
    profile, *grid = peak_constants(simulator.instrument, simulator.dtype)
    ramp, _, to_points, to_segments = grid
    p, in_block = to_segments.shape
    blocks = -(-len(ramp) // (to_points.shape[1] * (in_block // p)))
    near, fine, coarse = (
        np.empty((len(centre), count), ramp.dtype) for count in (len(ramp), blocks * in_block, blocks * p)
    )
    width = fwhm.numpy().astype(ramp.dtype)[:, None]
    peaks_kernel.apart(centre.numpy()[:, None], np.ones_like(width), width, profile, *grid, near, fine, coarse)
    return *_band(near), *_band(fine), coarse, to_points, to_segments


def _band(rows: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Rows without the zeros on either side: the place of the first value kept, and as many values of each row."""
    some, n = rows != 0, rows.shape[1]
    first = some.argmax(1)
    length = np.where(some.any(1), n - some[:, ::-1].argmax(1) - first, 0).max()
    # Whole vectors of the processor.
    length = min(n, -(-max(length, 1) // 16) * 16)
    first = np.minimum(first, n - length)
    return first, np.ascontiguousarray(np.take_along_axis(rows, first[:, None] + np.arange(length), 1))


def _prepared(simulator: Simulator, lattice: Float[Tensor, "1 6"]) -> tuple[FixedCell, Tensor, Tensor]:
    """The cell with profiles in float64, and centre and FWHM of its lines in degrees [lines]."""
    reflections = simulator.reflections(lattice)
    centre, strength, factors, width = simulator.lines(lattice, reflections)
    counts = strength[0] > 0
    centre, width = centre[0, counts], width[0, counts].double()
    _, line = torch.unique(torch.round(centre / SAME_LINE_DEG), return_inverse=True)
    # Any reflection of a line may stand for its angle and width.
    member = torch.zeros(int(line.max()) + 1, dtype=torch.long, device=line.device)
    member[line] = torch.arange(len(line), device=line.device)
    centre, width = centre[member], width[member]
    profiles = [
        peaks_to_pattern(c[:, None], torch.ones_like(c)[:, None], w[:, None], simulator.instrument)
        for c, w in zip(centre.split(BATCH), width.split(BATCH), strict=True)
    ]
    hkl = reflections.hkl[0, counts].double().T.contiguous()
    weight = (simulator.occupancy @ factors[0, :, counts]).contiguous()
    return FixedCell(hkl, weight, strength[0, counts], line, torch.cat(profiles)), centre, width
