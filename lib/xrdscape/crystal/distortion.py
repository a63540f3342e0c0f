"""The two noise models: a random strain of the lattice, and random displacements of the atoms.

Every start is drawn from its own generator, seeded by what the start is called, so any one of them can be
made again alone, in any order and in any process.
"""

import hashlib
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Lattice, Structure

from xrdscape.errors import StructureError

Noise = Literal["lattice", "coordinates"]

LATTICE_LEVELS = (0.01, 0.05, 0.1, 0.15, 0.2)
COORDINATE_LEVELS = (0.001, 0.005, 0.01, 0.05, 0.1)

LATTICE_LEVEL_LIMIT = 1 / 3
"""Below this level S is strictly diagonally dominant with a positive diagonal (1 - level > 2 level), so
det S > 0: no draw can flatten or invert a cell. At or above it some draws would, and the level is refused."""


def strain_matrix(level: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw S: diagonal ~ U(1 - level, 1 + level), the rest ~ U(-level, level).

    Args:
        level: the noise level, 0 <= level < 1/3.
        rng: source of randomness.

    Returns:
        S [3, 3], of positive determinant (see LATTICE_LEVEL_LIMIT).

    Raises:
        StructureError: the level is out of range.
    """
    if not 0 <= level < LATTICE_LEVEL_LIMIT:
        raise StructureError(
            f"lattice noise level {level} is outside [0, 1/3): from 1/3 on a draw can flatten or invert "
            f"the cell. The levels of the paper are {', '.join(map(str, LATTICE_LEVELS))}."
        )
    return np.eye(3) + rng.uniform(-level, level, size=(3, 3))


def distort_lattice(structure: Structure, level: float, rng: np.random.Generator) -> Structure:
    """Strain the cell, L' = S L with lattice vectors as columns; fractional coordinates stay.

    S is not isotropic, so the outcome's statistics depend on how the cell is turned in space: the strain acts
    in the Cartesian frame of `structure` (for a CIF pymatgen's: c along z, a in the xz plane). pymatgen keeps
    lattice vectors as rows, hence the transpose. The strained cell is returned in that same frame.

    Args:
        structure: the crystal to distort; it is not changed.
        level: largest strain component, 0 <= level < 1/3.
        rng: source of randomness.

    Returns:
        A new structure with the strained cell.

    Raises:
        StructureError: the level is out of range.
    """
    matrix = structure.lattice.matrix @ strain_matrix(level, rng).T
    return Structure(Lattice(matrix), structure.species_and_occu, structure.frac_coords)


def distort_coordinates(structure: Structure, level: float, rng: np.random.Generator) -> Structure:
    """Displace every atom, f' = (f + eps) mod 1 with eps ~ N(0, level^2) in fractional units; the cell stays.

    Args:
        structure: the crystal to distort; it is not changed.
        level: standard deviation of each fractional coordinate, >= 0.
        rng: source of randomness.

    Returns:
        A new structure with coordinates in [0, 1). Atoms may come arbitrarily close: the model forbids
        nothing.

    Raises:
        StructureError: the level is negative or not finite.
    """
    if not (np.isfinite(level) and level >= 0):
        raise StructureError(
            f"coordinate noise level {level} is not a standard deviation: give a finite number >= 0. "
            f"The levels of the paper are {', '.join(map(str, COORDINATE_LEVELS))}."
        )
    coords = (structure.frac_coords + rng.normal(0.0, level, size=structure.frac_coords.shape)) % 1.0
    coords[coords == 1.0] = 0.0  # -1e-17 % 1.0 rounds up to 1.0
    return Structure(structure.lattice, structure.species_and_occu, coords)


def generator(structure_name: str, noise: str, level: float, copy: int, seed: int = 0) -> np.random.Generator:
    """Return the generator of one start: a SHA-256 digest of the start's name seeds numpy's SeedSequence.

    Args:
        structure_name: name of the structure.
        noise: "lattice" or "coordinates".
        level: the noise level; its six leading digits count.
        copy: number of the distorted copy, from 0.
        seed: number of the whole campaign.

    Returns:
        A generator that is the same in every process and on every machine.
    """
    words = f"{seed}|{structure_name}|{noise}|{level:.6g}|{copy}"
    digest = hashlib.sha256(words.encode()).digest()
    return np.random.default_rng(np.random.SeedSequence(int.from_bytes(digest)))
