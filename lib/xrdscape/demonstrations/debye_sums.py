"""Patterns of particles cut from a crystal, as the exact sum over all pairs of atoms, and the crystal's lines."""

import math
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pymatgen.core import Structure

from xrdscape.crystal.contents import contents_of
from xrdscape.crystal.structures import to_tensors
from xrdscape.diffraction.form_factor_tables import PublishedSource
from xrdscape.diffraction.form_factors import form_factor_table, form_factors
from xrdscape.diffraction.reflections import enumerate_reflections
from xrdscape.diffraction.structure_factors import geometrical_structure_factors, structure_factor_squared
from xrdscape.errors import StructureError

Shape = Literal["cube", "sphere"]
SHAPES: tuple[Shape, ...] = ("cube", "sphere")

CENTRE = (0.13, 0.27, 0.41)
"""Centre of a particle in fractions of the cell: a general place, so that no atom lies on its surface."""

DISTANCE_STEP_ANGSTROM = 0.01
"""Width of the bins of distances. A bin counts with the mean of its distances, so that an error is of second order."""

_ROWS = 512


class Particle(NamedTuple):
    """Atoms of a particle: their places [N, 3] in angstrom, their elements [N], and the cells that they fill."""

    positions: NDArray[np.float64]
    elements: NDArray[np.str_]
    cells: float


class Lines(NamedTuple):
    """Lines of a crystal over Q, in the order of Q, and their areas for a particle of one cell, electrons^2 / angstrom:
    those of a pattern without polarisation, in which each pair of atoms counts sin(Q r) / (Q r)."""

    q_inv_angstrom: NDArray[np.float64]
    area: NDArray[np.float64]


def cut_particle(structure: Structure, shape: Shape, size_angstrom: float) -> Particle:
    """Return the atoms of a crystal within a cube, its edges along x, y and z, or a sphere.

    Args:
        structure: one element on each site.
        shape: "cube" or "sphere".
        size_angstrom: edge or diameter.

    Raises:
        StructureError: no atom lies within.
    """
    reach = size_angstrom / 2 * (math.sqrt(3) if shape == "cube" else 1)
    # Cells that a ball of this radius can touch, and one more for the sites within them.
    counts = [int(reach * length) + 2 for length in structure.lattice.reciprocal_lattice_crystallographic.abc]
    shifts = np.stack(np.meshgrid(*(np.arange(-count, count + 1) for count in counts), indexing="ij"), -1)
    fractions = shifts.reshape(-1, 1, 3) + structure.frac_coords - CENTRE
    positions = fractions.reshape(-1, 3) @ structure.lattice.matrix
    elements = np.tile([site.specie.symbol for site in structure], len(fractions))
    size = np.abs(positions).max(1) if shape == "cube" else np.linalg.norm(positions, axis=1)
    inside = size < size_angstrom / 2
    if not inside.any():
        raise StructureError(f"A {shape} of {size_angstrom:g} angstrom holds no atom of this crystal. Make it larger.")
    return Particle(positions[inside], elements[inside], float(inside.sum() / len(structure)))


def debye_pattern(
    particle: Particle, q_inv_angstrom: NDArray[np.float64], source: PublishedSource = "international-tables"
) -> NDArray[np.float64]:
    """Return sum_ij f_i f_j sin(Q r_ij) / (Q r_ij) over all pairs of atoms, electrons^2: eq:debye of the page on size.

    Args:
        particle: N atoms.
        q_inv_angstrom: values of Q above 0, [n].
        source: of the form factors.

    Source: P. Debye, Ann. Phys. 351 (1915) 809-823.
    """
    kinds = sorted(set(particle.elements.tolist()))
    q = torch.as_tensor(q_inv_angstrom, dtype=torch.float64)
    factors = form_factors((q / (4 * math.pi)) ** 2, form_factor_table(tuple(kinds), source=source))
    places = [torch.as_tensor(particle.positions[particle.elements == kind]) for kind in kinds]
    total = torch.zeros_like(q)
    for i, first in enumerate(places):
        total += len(first) * factors[i] ** 2
        for j, second in enumerate(places[: i + 1]):
            # Each unlike pair stands for two, as does each like pair, of which both orders are counted.
            distance, count = _distances(first, second)
            terms = torch.zeros_like(q)
            for some, number in zip(distance.split(_ROWS), count.split(_ROWS), strict=True):
                terms += number @ torch.sinc(some[:, None] * q / math.pi)
            total += (1 if i == j else 2) * factors[i] * factors[j] * terms
    return total.numpy()


def _distances(first: torch.Tensor, second: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and number of the distances in each bin that has any, of atoms to other ones."""
    reach = float(torch.linalg.norm(torch.cat([first, second]), dim=1).max()) * 2
    bins = int(reach / DISTANCE_STEP_ANGSTROM) + 2
    count, total = torch.zeros(bins, dtype=torch.float64), torch.zeros(bins, dtype=torch.float64)
    for rows in first.split(_ROWS):
        distance = torch.cdist(rows, second, compute_mode="donot_use_mm_for_euclid_dist").flatten()
        place = (distance / DISTANCE_STEP_ANGSTROM).long()
        count += torch.bincount(place, minlength=bins)
        total += torch.bincount(place, weights=distance, minlength=bins)
    # Those of an atom to itself are counted apart.
    count[0] = total[0] = 0
    some = count > 0
    return total[some] / count[some], count[some]


def lines_of(
    structure: Structure, q_max_inv_angstrom: float, source: PublishedSource = "international-tables"
) -> Lines:
    """Return the lines of a crystal up to some Q: 2 pi^2 |F|^2 / (V Q^2) for each reflection, equal Q together.

    Args:
        structure: one element on each site.
        q_max_inv_angstrom: above the first reflection.
        source: of the form factors.
    """
    lattice, coords = to_tensors([structure])
    lists = enumerate_reflections(lattice, q_max_inv_angstrom / (2 * math.pi))
    contents = contents_of(structure)
    occupancy = torch.as_tensor(contents.occupancy, dtype=torch.float64)
    geometrical = geometrical_structure_factors(lists.hkl, coords, occupancy)
    reciprocal = torch.tensor(structure.lattice.reciprocal_lattice.matrix)
    q = torch.linalg.norm(lists.hkl[0] @ reciprocal, dim=1)
    factors = form_factors((q / (4 * math.pi)) ** 2, form_factor_table(contents.elements, source=source))
    square = structure_factor_squared(factors[None], geometrical)[0] * lists.multiplicity[0]
    places, first, which = np.unique(np.round(q.numpy(), 8), return_index=True, return_inverse=True)
    area = np.bincount(which, (2 * math.pi**2 * square / (structure.volume * q**2)).numpy(), len(places))
    return Lines(q.numpy()[first], np.asarray(area, np.float64))
