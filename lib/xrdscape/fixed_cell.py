"""Patterns and losses while only the atoms move.

With the cell, the place and shape of every line is constant, and a pattern is a linear map of the lines' intensities.
The results are those of the simulator; only the work is less.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from xrdscape.pattern import Simulator
from xrdscape.peaks import peaks_to_pattern
from xrdscape.similarity import Moments, Objective

# Reflections whose angles differ by less are one line: far above rounding, and a thousandth of a bin.
SAME_LINE_DEG = 1e-5
# Profiles computed at a time, in float64; a batch of this size stays below 10 MB.
BATCH = 128


class _StructureFactorSquared(torch.autograd.Function):
    """|F|^2 [B, M] of atoms at x [B, N, 3], with F = sum_n w_n exp(2 pi i h . x_n) and constant weights w [N, M].

    Written out, the gradient takes a third of the operations that tracing would. Source: eq:structure-factor of the
    simulator chapter.
    """

    @staticmethod
    def forward(ctx, frac_coords, hkl, weight):  # type: ignore[no-untyped-def]
        # Whole turns are taken out before the trigonometry, so that large h . x cost no accuracy.
        phase = (frac_coords @ hkl.mT).frac_().mul_(2 * math.pi)
        real_parts, imaginary_parts = torch.cos(phase).mul_(weight), torch.sin(phase).mul_(weight)
        real, imaginary = real_parts.sum(-2), imaginary_parts.sum(-2)
        ctx.save_for_backward(hkl, real_parts, imaginary_parts, real, imaginary)
        return real * real + imaginary * imaginary

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):  # type: ignore[no-untyped-def]
        hkl, real_parts, imaginary_parts, real, imaginary = ctx.saved_tensors
        outer = 4 * math.pi * gradient
        along = (real_parts * (outer * imaginary)[:, None]).addcmul_(imaginary_parts, (-outer * real)[:, None])
        return along @ hkl, None, None


@dataclass(frozen=True)
class FixedCell:
    """All that a cell decides about a pattern.

    Args:
        hkl: reflections [M, 3].
        weight: form factor of each site at each reflection, times its occupancy [sites, M].
        merging: turns |F|^2 into the intensities of lines: all else that decides these, at the reflection's line
            [M, lines].
        profiles: one line of unit intensity each [lines, n].
    """

    hkl: Float[Tensor, "reflections 3"]
    weight: Float[Tensor, "sites reflections"]
    merging: Float[Tensor, "reflections lines"]
    profiles: Float[Tensor, "lines n"]

    def intensities(self, frac_coords: Float[Tensor, "batch sites 3"]) -> Float[Tensor, "batch lines"]:
        """Intensities of the lines with atoms at these places, differentiable in them."""
        return _StructureFactorSquared.apply(frac_coords, self.hkl, self.weight) @ self.merging

    def patterns(self, frac_coords: Float[Tensor, "batch sites 3"]) -> Float[Tensor, "batch n"]:
        """Patterns of the cell with atoms at these places, differentiable in them."""
        return self.intensities(frac_coords) @ self.profiles


def fixed_cell(simulator: Simulator, lattice: Float[Tensor, "1 6"]) -> FixedCell:
    """Prepare a cell, in the simulator's precision; only the profiles are computed in float64 first.

    Raises:
        CellError: for a cell that does not close or shows no reflection.
    """
    cell = _prepared(simulator, lattice)
    return replace(cell, profiles=cell.profiles.to(simulator.dtype))


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
    reduced = objective.reduced
    if reduced is None:
        return lambda frac_coords: objective.loss(cell.patterns(frac_coords), target)
    compared = target.double()
    gram, projection = exact @ exact.T, exact @ compared
    target_square, target_peak = compared.square().sum(), compared.max()

    def loss(frac_coords: Tensor) -> Tensor:
        single = cell.intensities(frac_coords)
        intensities = single.double()

        def peak() -> Tensor:
            """max x: where it stands is found without gradient, its height then differentiated."""
            place = (single.detach() @ cell.profiles).argmax(-1)
            return (intensities * exact.T[place]).sum(-1)

        square = ((intensities @ gram) * intensities).sum(-1)
        return reduced(Moments(square, intensities @ projection, peak, target_square, target_peak, len(target)))

    return loss


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
    strength = strength[0, counts]
    merging = strength.new_zeros(len(line), len(member))
    merging[torch.arange(len(line), device=line.device), line] = strength
    weight = simulator.occupancy @ factors[0, :, counts]
    return FixedCell(reflections.hkl[0, counts], weight, merging, torch.cat(profiles))
