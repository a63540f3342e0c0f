"""Space groups in a primitive setting: operations, centring, and how a cell's parameters become vectors."""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import spglib
from numpy.typing import NDArray

from xrdscape.errors import StructureError

Exact = NDArray[np.float64]

PRIMITIVE: dict[str, Exact] = {
    "P": np.eye(3),
    "A": np.array([[1, 0, 0], [0, 0.5, 0.5], [0, -0.5, 0.5]]),
    "C": np.array([[0.5, 0.5, 0], [-0.5, 0.5, 0], [0, 0, 1]]),
    "I": np.array([[-0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.5, 0.5, -0.5]]),
    "F": np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]),
    "R": np.array([[2 / 3, 1 / 3, 1 / 3], [-1 / 3, 1 / 3, 1 / 3], [-1 / 3, -2 / 3, 1 / 3]]),
}
"""Vectors of a primitive cell by those of the conventional one, as rows, by the centring's letter."""

SYSTEM_ENDS = {
    "triclinic": 2,
    "monoclinic": 15,
    "orthorhombic": 74,
    "tetragonal": 142,
    "trigonal": 167,
    "hexagonal": 194,
    "cubic": 230,
}
"""The last space group of each crystal system."""


def system_of(number: int) -> str:
    """Return the crystal system of a space group."""
    return next(name for name, last in SYSTEM_ENDS.items() if number <= last)


@dataclass(frozen=True)
class PrimitiveGroup:
    """A space group in its standard setting, as spglib's standard cells have it: b unique, hexagonal axes for
    rhombohedral lattices, the first choice of origin.

    Args:
        number: 1 to 230.
        symbol: of Hermann and Mauguin, short.
        hall: spglib's number of the setting.
        centring: vectors of the primitive cell by those of the conventional one, rows [3, 3].
        rotations, translations: of the operations on columns of coordinates in the primitive cell, but for
            translations of its lattice, [G, 3, 3] and [G, 3].
        strains: an orthonormal basis of the symmetric strains that keep the symmetry, in the orientation of
            `vectors`, [S, 3, 3].
    """

    number: int
    symbol: str
    hall: int
    centring: Exact
    rotations: Exact
    translations: Exact
    strains: Exact

    @property
    def system(self) -> str:
        """Crystal system."""
        return system_of(self.number)

    @property
    def points(self) -> int:
        """Number of lattice points in the conventional cell."""
        return round(1 / abs(np.linalg.det(self.centring)))

    def vectors(self, parameters: Exact) -> Exact:
        """Return the primitive cell's vectors as rows [3, 3] from a, b, c in angstrom and angles in degrees of the
        conventional cell."""
        return self.centring @ conventional_vectors(parameters)


def conventional_vectors(parameters: Exact) -> Exact:
    """Return vectors as rows [3, 3]: a along x, b in the plane of x and y."""
    a, b, c = parameters[:3]
    cos_a, cos_b, cos_c = (0.0 if angle == 90 else math.cos(math.radians(angle)) for angle in parameters[3:])
    sin_c = math.sqrt(1 - cos_c**2)
    y = (cos_a - cos_b * cos_c) / sin_c
    return np.array([[a, 0, 0], [b * cos_c, b * sin_c, 0], [c * cos_b, c * y, c * math.sqrt(1 - cos_b**2 - y**2)]])


@cache
def _settings() -> dict[int, int]:
    """Return the number of the first setting of each group."""
    first: dict[int, int] = {}
    for hall in range(1, 531):
        kind = spglib.get_spacegroup_type(hall)
        assert kind is not None
        first.setdefault(kind.number, hall)
    return first


@cache
def primitive_group(number: int) -> PrimitiveGroup:
    """Return a space group by its number.

    Raises:
        StructureError: there is no group of this number.
    """
    if number not in _settings():
        raise StructureError(f"A space group has a number from 1 to 230. Received {number}.")
    hall = _settings()[number]
    kind, operations = spglib.get_spacegroup_type(hall), spglib.get_symmetry_from_database(hall)
    assert kind is not None
    assert operations is not None
    symbol = kind.international_short
    centring = PRIMITIVE[symbol[0]]
    there = np.linalg.inv(centring).T
    found: dict[bytes, tuple[Exact, Exact]] = {}
    for rotation, translation in zip(operations["rotations"], operations["translations"], strict=True):
        turned = np.round(there @ rotation @ np.linalg.inv(there))
        moved = there @ translation
        found.setdefault(turned.astype(np.int8).tobytes(), (turned, moved - np.floor(moved + 1e-9)))
    rotations = np.array([rotation for rotation, _ in found.values()])
    translations = np.array([translation for _, translation in found.values()])
    return PrimitiveGroup(number, symbol, hall, centring, rotations, translations, _strains(system_of(number)))


def _strains(system: str) -> Exact:
    """Return an orthonormal basis of the strains that a crystal system leaves."""
    unit = np.eye(3)
    single = [np.outer(u, u) for u in unit]
    mixed = [
        (np.outer(unit[i], unit[j]) + np.outer(unit[j], unit[i])) / math.sqrt(2) for i, j in ((1, 2), (0, 2), (0, 1))
    ]
    bases = {
        "cubic": [np.eye(3) / math.sqrt(3)],
        "tetragonal": [(single[0] + single[1]) / math.sqrt(2), single[2]],
        "orthorhombic": single,
        "monoclinic": [*single, mixed[1]],
        "triclinic": [*single, *mixed],
    }
    bases["trigonal"] = bases["hexagonal"] = bases["tetragonal"]
    return np.array(bases[system])
