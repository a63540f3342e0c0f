"""Lists of reflections under any cell: complete, without repetition, and complete while the cell stays in reach."""

import math

import numpy as np
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from strategies import batches, cells, numbers
from torch import Tensor

from xrdscape.crystal.cell import lattice_to_vectors, unit_volume, vectors_to_lattice
from xrdscape.diffraction.reflections import Reflections, enumerate_reflections, in_reach

ELONGATED = cells(1.2, 30.0)
FEW = 150
"""Reflections wanted in a sphere, so that brute force is quick."""

Triples = set[tuple[int, ...]]


def radius_for(lattice: Tensor, count: int = FEW) -> float:
    """Radius (1/angstrom) of a sphere with about so many reflections of the smallest cell of a batch."""
    volume = (lattice[..., :3].prod(-1) * unit_volume(lattice)).min()
    return (count / float(volume) / (4 * math.pi / 3)) ** (1 / 3)


def sphere(vectors: NDArray[np.float64], most: int = FEW) -> tuple[float, Triples]:
    """A radius (1/angstrom) with no reflection near it, and all triples inside but (0, 0, 0).

    By reciprocal vectors, from a box that holds a sphere half as large again.
    """
    radius = radius_for(vectors_to_lattice(torch.from_numpy(vectors)), most)
    bounds = (1.5 * np.linalg.norm(vectors, axis=1) * radius).astype(int) + 2
    hkl = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in bounds), indexing="ij"), -1).reshape(-1, 3)
    length = np.linalg.norm(hkl @ np.linalg.inv(vectors).T, axis=1)
    hkl, length = hkl[np.argsort(length)], np.sort(length)
    first = max(3, np.searchsorted(length, 0.8 * radius))
    widest = first + int(np.diff(length[first : np.searchsorted(length, 1.2 * radius) + 1]).argmax())
    return (length[widest] + length[widest + 1]) / 2, {tuple(row) for row in hkl[1 : widest + 1].tolist()}


def halves(reflections: Reflections, index: int) -> tuple[Triples, Triples]:
    """The listed triples of a sample, and their Friedel mates."""
    hkl = reflections.hkl[index][reflections.multiplicity[index] > 0].to(torch.int64)
    half = {tuple(row) for row in hkl.tolist()}
    assert len(half) == len(hkl), "a triple is listed twice"
    return half, {tuple(-value for value in row) for row in half}


@given(ELONGATED)
def test_half_of_the_sphere_is_listed(lattice: Tensor) -> None:
    vectors = lattice_to_vectors(lattice).numpy()
    radius, inside = sphere(vectors)
    half, mates = halves(enumerate_reflections(lattice[None], radius), 0)
    assert not half & mates
    assert half | mates == inside


@given(batches(cells(), most=3))
def test_a_batch_lists_what_each_lists_alone(lattice: Tensor) -> None:
    radius = radius_for(lattice)
    together = enumerate_reflections(lattice, radius)
    for index in range(len(lattice)):
        assert halves(together, index) == halves(enumerate_reflections(lattice[index : index + 1], radius), 0)


@given(
    cells(),
    numbers(1.0, 1.3),
    arrays.arrays(np.float64, (3, 3), elements=numbers(-1.0, 1.0)),
    numbers(0.0, 0.5),
    st.booleans(),
)
def test_a_list_is_complete_for_any_strain_within_its_reach(
    lattice: Tensor, reach: float, direction: NDArray[np.float64], size: float, at_the_limit: bool
) -> None:
    """Wherever `in_reach` says yes; and wherever the largest stretch is at most the reach, whatever it says."""
    strain = np.eye(3) + size * direction
    stretch = np.linalg.norm(strain, 2)
    if at_the_limit:
        strain, stretch = strain * reach / stretch, reach
    vectors = lattice_to_vectors(lattice).numpy()
    moved = vectors @ strain
    assume(np.linalg.det(strain) > 0.2)
    cell = vectors_to_lattice(torch.from_numpy(moved))
    radius, inside = sphere(moved, 80)
    reflections = enumerate_reflections(lattice[None], radius, reach)
    half, mates = halves(reflections, 0)
    within = bool(in_reach(reflections, cell[None]))
    if within or stretch <= reach:
        assert inside <= half | mates
    if np.abs(strain.T @ strain - np.eye(3)).sum() <= reach**2 - 1:
        assert within, "so small a strain is within reach whatever its direction"


@given(cells())
def test_clipping_leaves_the_small_indices_of_the_whole_list(lattice: Tensor) -> None:
    radius = radius_for(lattice)
    whole, _ = halves(enumerate_reflections(lattice[None], radius), 0)
    clipped, _ = halves(enumerate_reflections(lattice[None], radius, hkl_max=2, allow_empty=True), 0)
    assert clipped == {hkl for hkl in whole if max(map(abs, hkl)) <= 2}
