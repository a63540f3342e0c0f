"""Starting models: reference structures distorted by noise, each drawn from a generator of its own name.

So any one of them can be made again alone, in any order and in any process.
"""

from typing import get_args

from pymatgen.core import Structure

from xrdscape.crystal.distortion import Noise, distort_coordinates, distort_lattice, generator
from xrdscape.crystal.structures import load_structure
from xrdscape.errors import StructureError

__all__ = ["generator", "start"]


def start(
    structure_name: str,
    noise: Noise,
    level: float,
    copy: int,
    seed: int = 0,
    structure: Structure | None = None,
) -> Structure:
    """Return one starting model, made alone.

    Args:
        structure_name: a reference name or a path; it seeds the draw.
        noise: "lattice" or "coordinates".
        level: the noise level.
        copy: number of the distorted copy, from 0.
        seed: number of the whole campaign.
        structure: the crystal of that name, when it is loaded already.

    Returns:
        The distorted structure.

    Raises:
        StructureError: unknown noise, a level out of range, or a structure that cannot be loaded.
    """
    if noise not in get_args(Noise):
        raise StructureError(f"unknown noise {noise!r}: choose 'lattice' or 'coordinates'.")
    reference = load_structure(structure_name) if structure is None else structure
    rng = generator(structure_name, noise, level, copy, seed)
    distort = distort_lattice if noise == "lattice" else distort_coordinates
    return distort(reference, level, rng)
