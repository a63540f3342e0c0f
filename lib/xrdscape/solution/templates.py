"""Templates: known arrangements of sites with their symmetry, whatever the elements, ready to be fitted."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xrdscape.crystal.orbits import Orbits
from xrdscape.crystal.primitive_groups import primitive_group
from xrdscape.diffraction.kernels.mesh_kernel import Cell, Moves

Exact = NDArray[np.float64]


@dataclass(frozen=True)
class Template:
    """A cell with its sites, and the ways in which it may move without losing its symmetry.

    Args:
        orbits: that it was made from; their numbers are places in a list of elements.
        cell: the primitive cell; the species are those places.
        moves: strains, and displacements of single orbits, each of unit length in angstrom; no shift of the whole.
    """

    orbits: Orbits
    cell: Cell
    moves: Moves

    def __len__(self) -> int:
        return len(self.cell.frac)

    @property
    def volume(self) -> float:
        """Volume of the cell, angstrom^3."""
        return float(abs(np.linalg.det(self.cell.lattice)))

    @property
    def free_coords(self) -> int:
        """Number of free coordinates, without shifts of the whole."""
        return len(self.moves.displacements)

    @property
    def parameters(self) -> int:
        """Number of free parameters, cell and coordinates."""
        return self.free_coords + len(self.moves.strains)


def template(orbits: Orbits) -> Template:
    """Return the template of a crystal whose orbits carry places in a list of elements as their numbers.

    Errors as `crystal.orbits.expand`.
    """
    group, sites = orbits.group, orbits.expanded
    lattice = group.vectors(orbits.parameters)
    cell = Cell(
        np.ascontiguousarray(lattice), np.ascontiguousarray(sites.frac), orbits.numbers[sites.orbit].astype(np.int64),
        group.rotations, group.translations,
    )  # fmt: skip
    return Template(orbits, cell, Moves(group.strains, displacements(orbits, lattice)))


def displacements(orbits: Orbits, lattice: Exact) -> Exact:
    """Return a basis of the displacements that keep the symmetry, one orbit each [K, N, 3]: fractional, orthonormal in
    angstrom.

    A shift of the whole along a polar direction is not among them: the first orbit stays where it is along those.
    """
    group, sites = orbits.group, orbits.expanded
    inverse, count = np.linalg.inv(lattice), len(sites.frac)
    # As rows of Cartesian displacements: x = f L, so that f' = P f is x' = x (L^-1 P^T L).
    polar = inverse @ group.rotations.mean(0).T @ lattice
    basis = []
    for place, projector in enumerate(sites.projectors):
        cartesian = inverse @ projector.T @ lattice
        if place == 0:
            cartesian = cartesian - polar
        values, vectors = np.linalg.eigh((cartesian + cartesian.T) / 2)
        there = np.flatnonzero(sites.orbit == place)
        for vector in vectors[:, values > 0.5].T:
            moved = np.zeros((count, 3))
            moved[there] = group.rotations[sites.operation[there]] @ (vector @ inverse)
            basis.append(moved / np.sqrt(len(there)))
    return np.array(basis).reshape(-1, count, 3)


def without_symmetry(known: Template) -> Template:
    """Return a template that may move in every way, but not as a whole: the triclinic group P1 in the same cell."""
    cell, count = known.cell, len(known)
    free = np.eye(3 * count).reshape(3 * count, count, 3)[3:] @ np.linalg.inv(cell.lattice)
    alone = cell._replace(rotations=np.eye(3)[None], translations=np.zeros((1, 3)))
    return Template(known.orbits, alone, Moves(primitive_group(1).strains, np.ascontiguousarray(free)))
