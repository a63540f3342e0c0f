"""Patterns and losses while only the atoms move.

With the cell, the place and shape of every peak is constant, and a pattern is a linear map of the intensities of its
reflections; those that coincide make one group. The results are those of the simulator; only the work is less.
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
from xrdscape.diffraction.kernels.arguments import Array, SiteReflections
from xrdscape.diffraction.pattern import Simulator
from xrdscape.diffraction.peaks import apply_first_order, peak_arrays, peaks_to_pattern
from xrdscape.diffraction.reflection_peaks import Peaks
from xrdscape.optimisation.kernels import fixed_kernel
from xrdscape.optimisation.kernels.arguments import Bands, Comparison, Moments, Results
from xrdscape.optimisation.moving_cell import comparison_of
from xrdscape.optimisation.objectives import SQUARED_ERROR, Objective
from xrdscape.runtime.threads import over_samples

SAME_PLACE = 1e-5
"""Reflections whose places on the axis, in degrees or 1/angstrom, differ by less make one group: far above rounding,
and a thousandth of a bin."""
BATCH = 128
"""Profiles computed at a time, in float64; a batch of this size stays below 10 MB."""


class _CompiledIntensities(torch.autograd.Function):
    """Intensities of groups [B, groups] of atoms at x [B, N, 3]: `sites_kernel`. They come in float64."""

    @staticmethod
    def forward(ctx: Any, frac_coords: Tensor, reflections: SiteReflections, groups: int) -> Tensor:
        places, kind = frac_coords.detach().contiguous().numpy(), reflections.weight.dtype
        (batch, sites, _), count = places.shape, len(reflections.group)
        parts, factor = np.empty((batch, sites, 2, count), kind), np.empty((batch, 2, count), kind)
        intensity = np.empty((batch, groups))
        sites_kernel.forward(0, batch, places, reflections, parts, factor, intensity)
        ctx.kept = reflections, parts, factor
        return torch.from_numpy(intensity)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        reflections, parts, factor = ctx.kept
        batch, sites = parts.shape[:2]
        d_frac_coords = np.empty((batch, sites, 3), parts.dtype)
        sites_kernel.backward(0, batch, gradient.contiguous().numpy(), reflections, parts, factor, d_frac_coords)
        return torch.from_numpy(d_frac_coords), None, None


class _CompiledLoss(torch.autograd.Function):
    """Losses [B] of atoms at x [B, N, 3] as in `FixedCellLoss`. The gradient is found on the way."""

    @staticmethod
    def forward(ctx: Any, frac_coords: Tensor, compiled: "Compiled") -> Tensor:
        results = _swept(frac_coords, compiled)
        ctx.gradient = results.gradient
        return torch.from_numpy(results.loss)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        # In numpy: an operation on so few numbers takes torch several times as long.
        scale = gradient.numpy().astype(ctx.gradient.dtype)
        return torch.from_numpy(ctx.gradient * scale[:, None, None]), None


def _swept(frac_coords: Tensor, compiled: "Compiled") -> Results:
    """Return losses [B] and their gradients [B, N, 3]."""
    places = frac_coords.detach().contiguous().numpy()
    results = Results(np.empty(len(places)), np.empty_like(places))
    over_samples(
        fixed_kernel.losses, fixed_kernel.losses_over, len(places), len(compiled.reflections.group),
        compiled.compared, places, compiled.reflections, compiled.moments, compiled.bands, results,
    )  # fmt: skip
    return results


def compiles(given: Tensor) -> bool:
    """Return whether the compiled loops serve: on the CPU."""
    return given.device.type == "cpu"


@dataclass(frozen=True)
class FixedCell:
    """All that a cell decides about a pattern.

    Args:
        hkl: reflections [3, M].
        weight: form factor of each site at each reflection, times its occupancy [sites, M].
        strength: all else of a reflection's intensity but |F|^2, of all emission lines together [M].
        group: the group of coinciding reflections that each belongs to [M].
        profiles: one group of unit intensity each [groups, n].
    """

    hkl: Float[Tensor, "3 reflections"]
    weight: Float[Tensor, "sites reflections"]
    strength: Float[Tensor, "reflections"]
    group: Int[Tensor, "reflections"]
    profiles: Float[Tensor, "groups n"]

    @cached_property
    def arrays(self) -> SiteReflections:
        """Reflections as the compiled loops take them, on the CPU."""
        return SiteReflections(self.hkl.numpy(), self.weight.numpy(), self.strength.numpy(), self.group.numpy())

    def intensities(self, frac_coords: Float[Tensor, "batch sites 3"]) -> Float[Tensor, "batch groups"]:
        """Return the intensities of the groups with atoms at these places, differentiable once in them; in float64.

        Source: eq:structure-factor of the simulator chapter.
        """
        if compiles(frac_coords):
            return apply_first_order(_CompiledIntensities, frac_coords, self.arrays, len(self.profiles))
        turns = frac_coords.double() @ self.hkl
        phase = (2 * math.pi) * (turns - turns.detach().round()).to(self.weight.dtype)
        real, imaginary = ((self.weight * part).sum(-2) for part in (torch.cos(phase), torch.sin(phase)))
        values = self.strength * (real * real + imaginary * imaginary)
        empty = torch.zeros(len(values), len(self.profiles), dtype=torch.float64, device=values.device)
        return empty.index_add(1, self.group, values.double())

    def patterns(self, frac_coords: Float[Tensor, "batch sites 3"]) -> Float[Tensor, "batch n"]:
        """Return the patterns of the cell with atoms at these places, differentiable once in them."""
        return self.intensities(frac_coords).to(self.profiles.dtype) @ self.profiles


def fixed_cell(simulator: Simulator, lattice: Float[Tensor, "1 6"]) -> FixedCell:
    """Return a cell prepared in the simulator's precision; only the profiles are computed in float64 first.

    Raises:
        CellError: for a cell that does not close or shows no reflection.
    """
    cell, _ = _prepared(simulator, lattice)
    return replace(cell, profiles=cell.profiles.to(simulator.dtype))


class Compiled(NamedTuple):
    """A loss of coordinates as `fixed_kernel.losses` takes it."""

    compared: Comparison
    reflections: SiteReflections
    moments: Moments
    bands: Bands


@dataclass(frozen=True)
class FixedCellLoss:
    """The loss [B] as a function of the coordinates [B, N, 3] while the cell stays; differentiable once.

    Args:
        cell: the cell, in the simulator's precision.
        objective, target: how patterns are compared, and with what.
        compiled: the same loss compiled; None where that cannot be.
    """

    cell: FixedCell
    objective: Objective
    target: Float[Tensor, "n"]
    compiled: Compiled | None

    def __call__(self, frac_coords: Float[Tensor, "batch sites 3"]) -> Float[Tensor, "batch"]:
        if self.compiled is None:
            return self.objective.loss(self.cell.patterns(frac_coords), self.target)
        return apply_first_order(_CompiledLoss, frac_coords, self.compiled)

    def gradient(
        self, frac_coords: Float[Tensor, "batch sites 3"]
    ) -> tuple[Float[Tensor, "batch"], Float[Tensor, "batch sites 3"]]:
        """Return the loss and its gradient in the coordinates, in the precision of these.

        Where they are compiled, autograd is not asked: it costs a small batch half of its time.
        """
        if self.compiled is None:
            frac_coords = frac_coords.detach().requires_grad_()
            losses = self(frac_coords)
            (slopes,) = torch.autograd.grad(losses, frac_coords, torch.ones_like(losses))
            return losses.detach().to(frac_coords.dtype), slopes
        results = _swept(frac_coords, self.compiled)
        return torch.from_numpy(results.loss).to(frac_coords.dtype), torch.from_numpy(results.gradient)


def fixed_cell_loss(
    simulator: Simulator, lattice: Float[Tensor, "1 6"], objective: Objective, target: Float[Tensor, "n"]
) -> FixedCellLoss:
    """Return the loss for a cell.

    An objective that knows a pattern x by its moments alone needs no pattern: with intensities I and profiles P,
    <x, x> = I (P P^T) I^T and <x, t> = I (P t). These matrices are in float64, where sums of both signs cancel.

    Raises:
        CellError: for a cell that does not close or shows no reflection.

    Source: eq:gram of the engine chapter.
    """
    cell, peaks = _prepared(simulator, lattice)
    exact, cell = cell.profiles, replace(cell, profiles=cell.profiles.to(simulator.dtype))
    compiled = None
    if objective.kernel_id is not None and compiles(exact):
        compiled = Compiled(
            compared=comparison_of(objective, simulator.instrument, target.to(simulator.dtype)),
            reflections=cell.arrays,
            moments=_moments(exact, target.double(), columns=objective.kernel_id == SQUARED_ERROR),
            bands=_bands(peaks, simulator),
        )
    return FixedCellLoss(cell, objective, target, compiled)


def _moments(profiles: Tensor, target: Tensor, columns: bool) -> Moments:
    """Return what the loss needs of profiles and target, both in float64, and the profiles' columns if asked for."""
    return Moments(
        gram=(profiles @ profiles.T).numpy(),
        projection=(profiles @ target).numpy(),
        columns=profiles.T.contiguous().numpy() if columns else np.empty((0, 0)),
        target_square=float(target @ target),
        target_highest=float(target.max()),
    )


def _bands(peaks: Peaks, simulator: Simulator) -> Bands:
    """Return the profiles of groups as `fixed_kernel` takes them, with the matrices from nodes to points."""
    sampling, layout = simulator.constants.sampling, simulator.constants.layout
    p, in_block = layout.to_segments.shape
    n, kind = len(layout.ramp), layout.ramp.dtype
    blocks = -(-n // (layout.to_points.shape[1] * (in_block // p)))
    near, fine, coarse = (np.empty((len(peaks.centre), count), kind) for count in (n, blocks * in_block, blocks * p))
    rounded = peak_arrays(peaks.centre, peaks.height.to(simulator.dtype), peaks.fwhm.to(simulator.dtype))
    peaks_kernel.apart(rounded, sampling, layout, near, fine, coarse)
    first_point, near = _band(near)
    first_node, fine = _band(fine)
    return Bands(first_point, near, first_node, fine, coarse, layout.to_points, layout.to_segments)


def _band(rows: Array) -> tuple[NDArray[np.int64], Array]:
    """Return rows without the zeros on either side: the place of the first value kept, and as many values of each."""
    some, n = rows != 0, rows.shape[1]
    first = some.argmax(1)
    length = np.where(some.any(1), n - some[:, ::-1].argmax(1) - first, 0).max()
    # Whole vectors of the processor.
    length = min(n, -(-max(length, 1) // 16) * 16)
    first = np.minimum(first, n - length)
    return first, np.ascontiguousarray(np.take_along_axis(rows, first[:, None] + np.arange(length), 1))


def _prepared(simulator: Simulator, lattice: Float[Tensor, "1 6"]) -> tuple[FixedCell, Peaks]:
    """Return the cell with profiles in float64, and the peaks of its groups at unit intensity [groups, emission lines].

    The emission lines share the strength of a reflection by an angle-dependent factor that is the same in a group.
    """
    reflections, radiation = simulator.reflections(lattice), simulator.instrument.radiation
    factors = simulator.cell_factors(lattice, reflections)
    given = factors.centre, factors.strength, factors.fwhm
    centre, by_line, width = (part[0].unflatten(0, (len(radiation.lines), -1)).T for part in given)
    strength = by_line.sum(1)
    counts = strength > 0
    centre, by_line, width, strength = (
        centre[counts],
        by_line[counts].double(),
        width[counts].double(),
        strength[counts],
    )
    # The line that reaches farthest shows every reflection.
    place = centre[:, radiation.shortest_line]
    _, group = torch.unique(torch.round(place / SAME_PLACE), return_inverse=True)
    # Any reflection of a group may stand for its angle and width.
    member = torch.zeros(int(group.max()) + 1, dtype=torch.long, device=group.device)
    member[group] = torch.arange(len(group), device=group.device)
    heights = by_line / strength.double()[:, None]
    peaks = Peaks(centre[member], heights[member], width[member])
    profiles = [
        peaks_to_pattern(c, h, w, simulator.instrument)
        for c, h, w in zip(*(part.split(BATCH) for part in peaks), strict=True)
    ]
    hkl = reflections.hkl[0, counts].double().T.contiguous()
    weight = (simulator.occupancy @ factors.form_factors[0, :, counts]).contiguous()
    if factors.f_double_prime is not None:
        # |F|^2 is the sum of two squares: a reflection counts twice, once with f'' for the form factors.
        f_double_prime = simulator.occupancy @ factors.f_double_prime[0, :, counts]
        hkl, weight = torch.cat([hkl, hkl], 1), torch.cat([weight, f_double_prime], 1)
        strength, group = strength.repeat(2), group.repeat(2)
    return FixedCell(hkl, weight, strength, group, torch.cat(profiles)), peaks
