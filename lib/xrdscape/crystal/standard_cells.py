"""Cells brought to a standard: the conventional one of a crystal, and one whose symmetry holds exactly."""

from typing import NamedTuple

import numpy as np
import spglib
from jaxtyping import Float
from pymatgen.core import Structure

from xrdscape.crystal.reading import SYMPREC_ANGSTROM
from xrdscape.errors import StructureError

ANGLE_TOLERANCE_DEG = 5.0
"""Tolerance of angles in the symmetry search, as pymatgen sets it: with spglib's own, a crystal at the edge of
`symprec` may get another symmetry here than there."""


class OrderedCell(NamedTuple):
    """A cell with one element on each site.

    Args:
        vectors: a, b, c in rows, angstrom.
        frac_coords: fractional coordinates.
        elements: their symbols.
    """

    vectors: Float[np.ndarray, "3 3"]
    frac_coords: Float[np.ndarray, "sites 3"]
    elements: tuple[str, ...]


def ordered_cell(structure: Structure) -> OrderedCell:
    """Return the cell of a structure as arrays.

    Raises:
        StructureError: a site is shared by elements or partly empty.
    """
    if not structure.is_ordered:
        raise StructureError(
            f"{structure.composition.reduced_formula} has sites that elements share or that are partly empty. "
            "This needs one element on each site."
        )
    elements = tuple(site.specie.symbol for site in structure)
    return OrderedCell(structure.lattice.matrix, structure.frac_coords, elements)


def conventional_standard(structure: Structure, symprec: float = SYMPREC_ANGSTROM) -> Structure:
    """Return the conventional standard cell of a crystal, as pymatgen makes it.

    Args:
        structure: in any cell.
        symprec: distance tolerance of the symmetry search by spglib, angstrom.

    Raises:
        StructureError: spglib finds no symmetry, as where atoms lie on top of one another.

    Source: W. Setyawan and S. Curtarolo, Comput. Mater. Sci. 49 (2010) 299-312.
    """
    # Half a second to import, which a pattern alone need not wait for.
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

    try:
        return SpacegroupAnalyzer(structure, symprec, ANGLE_TOLERANCE_DEG).get_conventional_standard_structure()
    except Exception as problem:  # spglib's and pymatgen's own reasons
        raise StructureError(
            f"No symmetry is found for {structure.composition.reduced_formula} within {symprec:g} angstrom. "
            "Check that no two atoms lie on one another."
        ) from problem


def idealised(cell: OrderedCell, symprec: float = SYMPREC_ANGSTROM) -> OrderedCell:
    """Return a primitive cell of a crystal with its symmetry made exact, or the cell as it is where none is found.

    Args:
        cell: any cell.
        symprec: distance tolerance of the symmetry search by spglib, angstrom.
    """
    symbols = sorted(set(cell.elements))
    kinds = [symbols.index(element) for element in cell.elements]
    given = cell.vectors.tolist(), cell.frac_coords.tolist(), kinds
    try:
        found = spglib.standardize_cell(given, to_primitive=True, symprec=symprec, angle_tolerance=ANGLE_TOLERANCE_DEG)
    except spglib.SpglibError:
        found = None
    if found is None:
        return cell
    vectors, frac_coords, numbers = found
    return OrderedCell(np.asarray(vectors), np.asarray(frac_coords), tuple(symbols[number] for number in numbers))
