"""Patterns while only the atoms move.

With the cell, the place and shape of every peak is constant, and so is the matrix that turns intensities into a
pattern. The result is that of the simulator; only the work is less.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from xrdscape.pattern import Simulator
from xrdscape.peaks import peaks_to_pattern
from xrdscape.scattering import geometric_sums, structure_factor_squared

# Reflections whose angles differ by less are one line: far above rounding, and a thousandth of a bin.
SAME_LINE_DEG = 1e-5
# Profiles computed at a time, in float64; a batch of this size stays below 10 MB.
BATCH = 128


@dataclass(frozen=True)
class FixedCell:
    """All that a cell decides about a pattern.

    Args:
        hkl: reflections [1, M, 3].
        strength: of each reflection, all of its intensity but |F|^2 [M].
        factors: form factors [1, M, elements].
        occupancy: of the sites [sites, elements].
        line: number of the line that each reflection belongs to [M].
        profiles: one line of unit intensity each [lines, n].
    """

    hkl: Float[Tensor, "1 reflections 3"]
    strength: Float[Tensor, "reflections"]
    factors: Float[Tensor, "1 reflections elements"]
    occupancy: Float[Tensor, "sites elements"]
    line: Int[Tensor, "reflections"]
    profiles: Float[Tensor, "lines n"]

    def patterns(self, frac_coords: Float[Tensor, "batch sites 3"]) -> Float[Tensor, "batch n"]:
        """Patterns of the cell with atoms at these places, differentiable in them."""
        batch = len(frac_coords)
        sums = geometric_sums(self.hkl.expand(batch, -1, -1), frac_coords, self.occupancy)
        heights = self.strength * structure_factor_squared(self.factors.expand(batch, -1, -1), sums)
        lines = heights.new_zeros(batch, len(self.profiles)).index_add(1, self.line, heights)
        return lines @ self.profiles


def fixed_cell(simulator: Simulator, lattice: Float[Tensor, "1 6"]) -> FixedCell:
    """Prepare a cell; profiles are computed in float64 whatever the simulator's precision.

    Raises:
        CellError: for a cell that does not close or shows no reflection.
    """
    reflections = simulator.reflections(lattice)
    centre, strength, factors, width = simulator.lines(lattice, reflections)
    counts = strength[0] > 0
    centre, width = centre[0, counts].double(), width[0, counts].double()
    _, line = torch.unique(torch.round(centre / SAME_LINE_DEG), return_inverse=True)
    # Any reflection of a line may stand for its angle and width.
    member = torch.zeros(int(line.max()) + 1, dtype=torch.long, device=line.device)
    member[line] = torch.arange(len(line), device=line.device)
    grid = simulator.two_theta_deg.double()
    profiles = [
        peaks_to_pattern(c[:, None], torch.ones_like(c)[:, None], w[:, None], grid, simulator.instrument.eta)
        for c, w in zip(centre[member].split(BATCH), width[member].split(BATCH), strict=True)
    ]
    return FixedCell(
        reflections.hkl[:, counts],
        strength[0, counts],
        factors[:, counts],
        simulator.occupancy,
        line,
        torch.cat(profiles).to(simulator.dtype),
    )
