"""All sites of the cell from the rows of an atom table: images of a row that meet on a special position are one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Composition, Lattice, Structure

from xrdscape.crystal.atoms import LARGEST_CELL_SITES, OVERFULL, AtomRow, too_many_sites
from xrdscape.crystal.operations import Operations
from xrdscape.errors import StructureError

MERGED_ANGSTROM = 0.15
"""Images of one site nearer than this are one site on a special position. Coordinates of three digits, as `0.333` for
1/3 in a cell of 50 angstrom, lie off by 0.02 and their images by twice that; atoms that are truly split over two
positions lie further apart than the 0.2 angstrom by which they swing."""

SAME_ROW_ANGSTROM = 0.01
"""Rows nearer than this to one another share a site: their coordinates differ in the last digit written."""

MOVED_ANGSTROM = 0.05
"""Rows that a special position moves by more are named."""

ROUNDING = 1e-8
"""Images of an exact special position that differ by less, in fractions of the cell, are one."""

_PAIRS = 1_000_000
"""Pairs of positions that are compared one by one."""
_FULL = Fraction(1)


@dataclass(frozen=True, eq=False)
class _Placed:
    """A row on its special position: its images, and how far it was moved, in angstrom."""

    row: AtomRow
    images: NDArray[np.float64]
    moved: float


def expanded(rows: Sequence[AtomRow], operations: Operations, lattice: Lattice) -> tuple[Structure, list[str]]:
    """Return all sites of the cell, and what was assumed in sentences.

    Sites are in pymatgen's order: by electronegativity, equal ones as the rows and the operations come.

    Raises:
        StructureError: too many sites, or more atoms on a site than it holds.
    """
    if len(rows) * len(operations) > 48 * LARGEST_CELL_SITES:
        raise StructureError(too_many_sites(len(rows) * len(operations)))
    general, images = _without_neighbours(rows, operations, lattice)
    if general.sum() * len(operations) > LARGEST_CELL_SITES:
        raise StructureError(too_many_sites(int(general.sum()) * len(operations)))
    placed = [
        _Placed(row, images[place], 0.0) if general[place] else _placed(row, operations, lattice)
        for place, row in enumerate(rows)
    ]
    count = sum(len(site.images) for site in placed)
    if count > LARGEST_CELL_SITES:
        raise StructureError(too_many_sites(count))
    sites = _joined(placed, lattice)
    remarks = _moved(sites) + _overfull(sites)
    species = [_composition(site.row) for site in sites]
    order = sorted(range(len(sites)), key=lambda place: species[place])
    kinds = [species[place] for place in order for _ in sites[place].images]
    coords = np.concatenate([sites[place].images for place in order])
    return Structure(lattice, kinds, coords).get_sorted_structure(), remarks


def _without_neighbours(
    rows: Sequence[AtomRow], operations: Operations, lattice: Lattice
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return which rows lie apart from all their images, and the images of all rows within the cell [rows, operations,
    3]."""
    coords = np.array([_floats(row.coords) for row in rows])
    images = np.einsum("oij,rj->roi", operations.rotations, coords) + operations.translations / operations.denominator
    step = images - coords[:, None]
    apart = np.linalg.norm((step - np.round(step)) @ lattice.matrix, axis=2)
    return (apart < MERGED_ANGSTROM).sum(1) == 1, images - np.floor(images) + 0.0


def _placed(row: AtomRow, operations: Operations, lattice: Lattice) -> _Placed:
    """Return a row moved to the mean of its images nearby, which lies on the special position exactly."""
    coords, fixed = row.coords, None
    for _ in range(5):
        near = _nearby(coords, operations, lattice)
        if fixed is not None and set(near) <= fixed:
            break
        coords, fixed = _mean(coords, near, operations)
    else:
        raise StructureError(
            f"has site {row.label} so near to several special positions that it cannot be told on which it lies. Give "
            "its coordinates with more digits."
        )
    images = _images(_floats(coords), operations)
    step = np.array([float(new - old) for new, old in zip(coords, row.coords, strict=True)])
    moved = float(np.linalg.norm(lattice.get_cartesian_coords(step)))
    return _Placed(row, _distinct(images), moved)


def _nearby(
    coords: tuple[Fraction, Fraction, Fraction], operations: Operations, lattice: Lattice
) -> dict[int, NDArray[np.int64]]:
    """Return the operations that leave a position nearly where it is, each with the cell that the image lies in."""
    here = _floats(coords)
    step = here @ operations.rotations.swapaxes(1, 2) + operations.translations / operations.denominator - here
    cells = np.round(step).astype(np.int64)
    apart = np.linalg.norm(lattice.get_cartesian_coords(step - cells), axis=1)
    return {int(place): cells[place] for place in np.flatnonzero(apart < MERGED_ANGSTROM)}


def _mean(
    coords: tuple[Fraction, Fraction, Fraction], near: dict[int, NDArray[np.int64]], operations: Operations
) -> tuple[tuple[Fraction, Fraction, Fraction], set[int]]:
    """Return the mean of the images by some operations, and those operations that leave it exactly where it is."""
    images = [_image(coords, place, operations) for place in near]
    shifted = [
        [value - int(n) for value, n in zip(image, cell, strict=True)]
        for image, cell in zip(images, near.values(), strict=True)
    ]
    x, y, z = (sum(column, Fraction(0)) / len(near) for column in zip(*shifted, strict=True))
    mean = (x, y, z)
    fixed = {
        place
        for place in near
        if all((new - old).denominator == 1 for new, old in zip(_image(mean, place, operations), mean, strict=True))
    }
    return mean, fixed


def _image(coords: tuple[Fraction, Fraction, Fraction], place: int, operations: Operations) -> list[Fraction]:
    return [
        sum((int(n) * x for n, x in zip(turn, coords, strict=True)), Fraction(int(shift), operations.denominator))
        for turn, shift in zip(operations.rotations[place], operations.translations[place], strict=True)
    ]


def _floats(coords: tuple[Fraction, Fraction, Fraction]) -> NDArray[np.float64]:
    return np.array([float(value) for value in coords])


def _images(coords: NDArray[np.float64], operations: Operations) -> NDArray[np.float64]:
    """Return the images of a position by all operations, within the cell [n, 3]."""
    images = coords @ operations.rotations.swapaxes(1, 2) + operations.translations / operations.denominator
    return images - np.floor(images) + 0.0


def _distinct(images: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the first of images that fall together; on exact special positions they differ by rounding alone."""
    step = images[:, None] - images
    together = np.abs(step - np.round(step)).max(-1) < ROUNDING
    return images[np.unique(together.argmax(1))]


def _near(first: NDArray[np.float64], images: NDArray[np.float64], reach: float) -> list[list[int]]:
    """Return the images [n, 3] within reach of each position, and perhaps a few beyond, in fractions of the cell."""
    if len(first) * len(images) <= _PAIRS:
        step = images - first[:, None]
        within = np.abs(step - np.round(step)).max(-1) <= reach
        return [np.flatnonzero(row).tolist() for row in within]
    # A third of a second to import, which few crystals need.
    from scipy.spatial import cKDTree

    found = cKDTree(images % 1.0, boxsize=1.0).query_ball_point(first % 1.0, min(reach, 0.5))
    return [list(places) for places in found]


def _joined(placed: Sequence[_Placed], lattice: Lattice) -> list[_Placed]:
    """Return the sites, rows that fall upon an image of an earlier row together with it."""
    images = np.concatenate([site.images for site in placed])
    owners = np.repeat(np.arange(len(placed)), [len(site.images) for site in placed])
    first = np.array([site.images[0] for site in placed])
    # No step is shorter in fractions of the cell than its length times this.
    reach = SAME_ROW_ANGSTROM * np.linalg.norm(lattice.inv_matrix, 2)
    near = _near(first, images, float(reach))
    sites = list(placed)
    joined: dict[int, int] = {}
    for place, found in enumerate(near):
        earlier = [n for n in found if owners[n] < place and owners[n] not in joined]
        step = images[earlier] - first[place]
        apart = np.linalg.norm(lattice.get_cartesian_coords(step - np.round(step)), axis=1)
        alike = [owners[n] for n, d in zip(earlier, apart, strict=True) if d < SAME_ROW_ANGSTROM]
        beside = next((int(n) for n in sorted(alike) if len(sites[n].images) == len(sites[place].images)), None)
        if beside is not None:
            joined[place] = beside
            sites[beside] = replace(sites[beside], row=_together(sites[beside].row, sites[place].row))
    return [site for place, site in enumerate(sites) if place not in joined]


def _together(first: AtomRow, second: AtomRow) -> AtomRow:
    amounts = dict(first.amounts)
    for element, amount in second.amounts.items():
        amounts[element] = amounts.get(element, Fraction(0)) + amount
    return AtomRow(f"{first.label} + {second.label}", amounts, first.coords)


def _composition(row: AtomRow) -> Composition:
    scale = max(row.filled, _FULL)
    return Composition({element: float(amount / scale) for element, amount in row.amounts.items()})


def _overfull(sites: Sequence[_Placed]) -> list[str]:
    """Return a sentence on sites whose occupancies were scaled to 1, and refuse those far above."""
    over = [site.row for site in sites if site.row.filled > _FULL + Fraction(1, 10**9)]
    worst = max(over, key=lambda row: row.filled, default=None)
    if worst and worst.filled > OVERFULL:
        raise StructureError(
            f"has occupancies that add up to {float(worst.filled):g} on the site of {worst.label}. Remove rows that "
            "give one atom twice, or the operations if all atoms of the cell are listed."
        )
    if not worst:
        return []
    shown = ", ".join(row.label for row in over[:5])
    return [f"Occupancies of {shown} add up to {float(worst.filled):g} at most and were scaled to 1."]


def _moved(sites: Sequence[_Placed]) -> list[str]:
    moved = [site for site in sites if site.moved > MOVED_ANGSTROM]
    if not moved:
        return []
    shown = ", ".join(f"{site.row.label} by {site.moved:.2f}" for site in moved[:5])
    return [f"Moved onto the special position nearby, in angstrom: {shown}."]
