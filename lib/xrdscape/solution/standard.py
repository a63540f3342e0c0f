"""Any crystal as orbits in the standard setting of its space group, which is how the library keeps it."""

import numpy as np
import spglib
from numpy.typing import ArrayLike

from xrdscape.crystal.orbits import Orbits
from xrdscape.errors import StructureError

SYMPREC_ANGSTROM = 0.01
ROUNDS = 4


def standard_orbits(lattice: ArrayLike, frac: ArrayLike, numbers: ArrayLike,
                    symprec_angstrom: float = SYMPREC_ANGSTROM) -> Orbits:  # fmt: skip
    """Return the orbits of a crystal.

    Args:
        lattice: vectors as rows, angstrom [3, 3].
        frac: fractional coordinates [N, 3].
        numbers: atomic numbers, or other labels [N].
        symprec_angstrom: distance tolerance of the search for symmetry.

    Raises:
        StructureError: spglib finds no symmetry, or no cell that stays as it is when standardised again.
    """
    cell = (np.asarray(lattice, float), np.asarray(frac, float), np.asarray(numbers, int))
    found, number = None, 0
    for _ in range(ROUNDS):
        try:
            found = spglib.get_symmetry_dataset(cell, symprec=symprec_angstrom)  # type: ignore[arg-type]
        except spglib.SpglibError as error:
            raise StructureError(f"spglib finds no symmetry in the crystal: {error}. Give another symprec.") from error
        if found is None:
            raise StructureError("spglib finds no symmetry in the crystal. Give another symprec.")
        still = found.number == number
        if still and np.allclose(found.transformation_matrix, np.eye(3), atol=1e-3):
            break
        number, cell = found.number, (found.std_lattice, found.std_positions, found.std_types)
    else:
        if found is None or not still:
            raise StructureError("The crystal's standard cell has another symmetry than it. Give another symprec.")
    first = np.unique(found.crystallographic_orbits)
    lengths = np.linalg.norm(cell[0], axis=1)
    unit = cell[0] / lengths[:, None]
    angles = np.degrees(np.arccos([unit[1] @ unit[2], unit[0] @ unit[2], unit[0] @ unit[1]]))
    angles = np.where(np.abs(angles - 90) < 1e-4, 90.0, np.where(np.abs(angles - 120) < 1e-4, 120.0, angles))
    letters = "".join(found.wyckoffs[place] for place in first)
    return Orbits(
        number, np.concatenate([lengths, angles]), cell[2][first].astype(np.int64), letters, cell[1][first] % 1
    )
