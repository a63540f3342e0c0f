"""Parameterisations: what a descent moves, how it becomes a crystal, and where its limits are."""

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from xrdscape.crystal.cell import unit_volume
from xrdscape.crystal.families import Family, project

# StructSnap's clamps, which the paper neither keeps nor drops (they are ours to switch): a lattice parameter that
# would move by more than a tenth of itself moves by 1 %; a coordinate that would move by more than 0.1 moves by
# a thousandth of itself.
LATTICE_LARGEST_MOVE, LATTICE_CLAMPED_MOVE = 0.1, 0.01
COORDINATE_LARGEST_MOVE, COORDINATE_CLAMPED_MOVE = 0.1, 0.001

# A descent that has come to a cell as flat or as large as this has lost its way; going on would cost all memory for
# its reflections. Crystals of powder diffraction are far from either.
FLATTEST_UNIT_VOLUME, LARGEST_VOLUME_ANGSTROM3 = 0.05, 5e4


@runtime_checkable
class Parameterisation(Protocol):
    """The seam between a descent and a crystal. `parameters` has a leading batch axis; each sample stands alone."""

    @property
    def moves_cell(self) -> bool:
        """True if the cell depends on the parameters; if not, reflections are made once."""

    @property
    def moves_sites(self) -> bool:
        """True if the coordinates depend on the parameters; if not, geometrical structure factors are computed once."""

    def start(self, lattice: Tensor, frac_coords: Tensor) -> Tensor:
        """Return the parameters of a starting crystal."""

    def crystal(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """Return lattice [B, 6] and fractional coordinates [B, N, 3], differentiable in the parameters."""

    def limit(self, parameters: Tensor, move: Tensor) -> Tensor:
        """Return the move, shortened where it is too large."""

    def project(self, parameters: Tensor) -> Tensor:
        """Return the parameters brought back to where they may be."""

    def possible(self, parameters: Tensor) -> Tensor:
        """Return whether each sample is a crystal at all (bool [B])."""

    def select(self, keep: Tensor) -> "Parameterisation":
        """Return the same for some samples only."""


@dataclass(frozen=True)
class LatticeParameters:
    """Three lengths in angstrom and three angles in degrees, descended together at fixed coordinates.

    Args:
        frac_coords: the fixed fractional coordinates, [B, N, 3].
        family: crystal family to project onto at the start and after each step; None leaves the cell free.
        clamp: StructSnap's limit on large moves.

    Source: paper sections 4.3 and 4.4, SI 1.3.
    """

    frac_coords: Float[Tensor, "batch sites 3"]
    family: Family | None = None
    clamp: bool = True
    moves_cell = True
    moves_sites = False

    def start(self, lattice: Tensor, frac_coords: Tensor) -> Tensor:
        return self.project(lattice)

    def crystal(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        return parameters, self.frac_coords

    def limit(self, parameters: Tensor, move: Tensor) -> Tensor:
        if not self.clamp:
            return move
        size = parameters.abs()
        clamped = torch.sign(move) * LATTICE_CLAMPED_MOVE * size
        return torch.where(move.abs() > LATTICE_LARGEST_MOVE * size, clamped, move)

    def project(self, parameters: Tensor) -> Tensor:
        return project(parameters, self.family) if self.family else parameters

    def possible(self, parameters: Tensor) -> Tensor:
        return possible_cells(parameters)

    def select(self, keep: Tensor) -> "LatticeParameters":
        return LatticeParameters(self.frac_coords[keep], self.family, self.clamp)


def possible_cells(lattice: Tensor) -> Tensor:
    """Return whether each cell [B, 6] is one that a descent may go on from (bool [B])."""
    a, b, c = lattice[..., :3].unbind(-1)
    relative = unit_volume(lattice)
    sensible = (lattice > 0).all(-1) & (lattice[..., 3:] < 180).all(-1)
    return sensible & (relative > FLATTEST_UNIT_VOLUME) & (relative * a * b * c < LARGEST_VOLUME_ANGSTROM3)


@dataclass(frozen=True)
class ScaledLattice:
    """A cell in units of its own: lengths relative to those of the start, angles in radians.

    A step of one size then means the same strain for every parameter, where angstrom and degrees differ by orders of
    magnitude.

    Args:
        frac_coords: the fixed fractional coordinates, [B, N, 3].
        unit: of each parameter, [B, 6], angstrom and degrees.
        family: crystal family to project onto at the start and after each step; None leaves the cell free.
    """

    frac_coords: Float[Tensor, "batch sites 3"]
    unit: Float[Tensor, "batch 6"]
    family: Family | None = None
    moves_cell = True
    moves_sites = False

    @classmethod
    def of(cls, lattice: Tensor, frac_coords: Tensor, family: Family | None = None) -> "ScaledLattice":
        """Return the parameterisation in units of these starting cells [B, 6]."""
        unit = lattice.clone()
        unit[:, 3:] = 180 / math.pi
        return cls(frac_coords, unit, family)

    def start(self, lattice: Tensor, frac_coords: Tensor) -> Tensor:
        return self.project(lattice / self.unit)

    def crystal(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        return parameters * self.unit, self.frac_coords

    def limit(self, parameters: Tensor, move: Tensor) -> Tensor:
        return move

    def project(self, parameters: Tensor) -> Tensor:
        return project(parameters * self.unit, self.family) / self.unit if self.family else parameters

    def possible(self, parameters: Tensor) -> Tensor:
        return possible_cells(parameters * self.unit)

    def select(self, keep: Tensor) -> "ScaledLattice":
        return ScaledLattice(self.frac_coords[keep], self.unit[keep], self.family)


@dataclass(frozen=True)
class CoordinateParameters:
    """Fractional coordinates of all sites, descended at a fixed cell.

    Args:
        lattice: the fixed lattice parameters, [B, 6].
        clamp: StructSnap's limit on large moves.

    Source: paper section 4.3, SI 1.4.
    """

    lattice: Float[Tensor, "batch 6"]
    clamp: bool = True
    moves_cell = False
    moves_sites = True

    def start(self, lattice: Tensor, frac_coords: Tensor) -> Tensor:
        return frac_coords

    def crystal(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        return self.lattice, parameters

    def limit(self, parameters: Tensor, move: Tensor) -> Tensor:
        if not self.clamp:
            return move
        clamped = torch.sign(move) * COORDINATE_CLAMPED_MOVE * parameters.abs()
        return torch.where(move.abs() > COORDINATE_LARGEST_MOVE, clamped, move)

    def project(self, parameters: Tensor) -> Tensor:
        return parameters

    def possible(self, parameters: Tensor) -> Tensor:
        return torch.isfinite(parameters).flatten(1).all(-1)

    def select(self, keep: Tensor) -> "CoordinateParameters":
        return CoordinateParameters(self.lattice[keep], self.clamp)
