"""Crystals to CIFs that read back as the same crystal: its operations, its asymmetric unit, all digits."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import gemmi
import numpy as np
import spglib
from numpy.typing import NDArray
from pymatgen.core import Structure

from xrdscape.crystal.operations import Operations, operation_texts, operations_of_list, to_gemmi
from xrdscape.crystal.reading import crystal_of_cif
from xrdscape.errors import XrdscapeError

SYMPREC_ANGSTROM = 1e-3
"""Distance within which sites are taken to be images of one another: a few units in the last digit that CIFs give."""

READ_BACK = 4
"""Sites read back may be off by this many times the tolerance: spglib's own is for each direction and operation."""

_ALONE = operations_of_list(["x,y,z"])


@dataclass(frozen=True, eq=False)
class _Unit:
    """An asymmetric unit.

    Args:
        operations: of the space group.
        sites: places of its sites in the structure.
        coords: their fractional coordinates [n, 3].
        multiplicities: their images in the cell.
    """

    operations: Operations
    sites: NDArray[np.int64]
    coords: NDArray[np.float64]
    multiplicities: NDArray[np.int64]


def cif_text(
    structure: Structure, symprec: float = SYMPREC_ANGSTROM, notes: Sequence[str] = (), name: str = "xrdscape"
) -> str:
    """Return a CIF of the crystal in its own cell with the symmetry found.

    Where the symmetry cannot be written so that the same crystal is read back, all sites are listed without it.

    Args:
        structure: of plain elements.
        symprec: tolerance of the symmetry search by spglib, angstrom; sites are moved by as much to have it.
        notes: sentences for the head of the file.
        name: of the data block.
    """
    alone = _Unit(_ALONE, np.arange(len(structure)), structure.frac_coords, np.ones(len(structure), dtype=np.int64))
    text = _text(structure, alone, notes, name)
    for shifted in (False, True):
        unit = _asymmetric_unit(structure, symprec, shifted)
        if unit is not None and _reads_back(written := _text(structure, unit, notes, name), structure, symprec, unit):
            return written
    return text


def _asymmetric_unit(structure: Structure, symprec: float, shifted: bool) -> _Unit | None:
    """Return the asymmetric unit by spglib's operations, about its standard origin if `shifted`; None where there is
    none."""
    kinds = [site.species_string for site in structure]
    numbers = [sorted(set(kinds)).index(kind) + 1 for kind in kinds]
    coords = structure.frac_coords
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            cell = structure.lattice.matrix.tolist(), coords.tolist(), numbers
            found = spglib.get_symmetry_dataset(cell, symprec=symprec)
    except Exception:  # spglib raises errors of its own kinds where it does not give None
        return None
    if found is None:
        return None
    shift = np.linalg.solve(found.transformation_matrix, found.origin_shift) if shifted else np.zeros(3)
    moves = shift - found.rotations @ shift + found.translations
    texts = [_xyz(turn, move) for turn, move in zip(found.rotations, moves, strict=True)]
    try:
        operations = operations_of_list([text for text in texts if text])
    except XrdscapeError:
        return None
    if len(operations) != len(texts) or len(operations) == 1:
        return None
    exact = _exact(coords + shift, operations, np.array(numbers), structure, READ_BACK * symprec)
    if exact is None:
        return None
    sites, places = np.unique(found.crystallographic_orbits, return_inverse=True)
    first = np.array([int(np.flatnonzero(places == place)[0]) for place in range(len(sites))])
    return _Unit(operations, first, exact[first] % 1.0, np.bincount(places))


def _xyz(turn: NDArray[np.intc], move: NDArray[np.float64]) -> str:
    """Return the operation with a translation in twenty-fourths, or nothing where it has none."""
    steps = np.round(move * 24)
    if np.abs(steps / 24 - move).max() > 0.005:
        return ""
    fractions = [Fraction(int(step) % 24, 24) for step in steps]
    den = math.lcm(*(fraction.denominator for fraction in fractions))
    shift = np.array([[int(fraction * den) for fraction in fractions]])
    return operation_texts(Operations(np.asarray(turn, dtype=np.int64)[None], shift, den))[0]


def _exact(
    coords: NDArray[np.float64], operations: Operations, numbers: NDArray[np.int64], structure: Structure, reach: float
) -> NDArray[np.float64] | None:
    """Return the coordinates that have the symmetry: the mean of what each operation makes of the site that it brings
    there."""
    total = np.zeros_like(coords)
    for turn, move in zip(operations.rotations, operations.translations / operations.denominator, strict=True):
        images = coords @ turn.T + move
        apart = structure.lattice.get_all_distances(images, coords)
        apart[numbers[:, None] != numbers] = np.inf
        there = apart.argmin(1)
        if apart.min(1).max() > reach or len(set(there.tolist())) < len(there):
            return None
        total[there] += images + np.round(coords[there] - images)
    return total / len(operations)


def _reads_back(text: str, structure: Structure, symprec: float, unit: _Unit) -> bool:
    """Return whether a CIF is read as the structure, apart from the shift of its origin."""
    try:
        again = crystal_of_cif(text).structure
    except XrdscapeError:
        return False
    if len(again) != len(structure):
        return False
    start = unit.sites[0]
    moved = unit.coords[0] - structure.frac_coords[start]
    apart = structure.lattice.get_all_distances(structure.frac_coords + moved, again.frac_coords)
    alike = np.array([[one.species.almost_equals(other.species) for other in again] for one in structure])
    apart[~alike] = np.inf
    return bool(apart.min(1).max() < 2 * READ_BACK * symprec and len(set(apart.argmin(1).tolist())) == len(again))


def _text(structure: Structure, unit: _Unit, notes: Sequence[str], name: str) -> str:
    document = gemmi.cif.Document()
    block = document.add_new_block(name)
    lattice, composition = structure.lattice, structure.composition
    whole = all(abs(amount - round(amount)) < 1e-6 for amount in composition.values())
    z = int(composition.get_reduced_formula_and_factor()[1]) if whole else 1
    formula = " ".join(
        f"{element}{amount / z:.6g}" for element, amount in sorted(composition.get_el_amt_dict().items())
    )
    block.set_pair("_chemical_formula_sum", gemmi.cif.quote(formula))
    block.set_pair("_cell_formula_units_Z", str(z))
    for tag, value in zip(("length_a", "length_b", "length_c"), lattice.abc, strict=True):
        block.set_pair(f"_cell_{tag}", repr(float(value)))
    for tag, value in zip(("angle_alpha", "angle_beta", "angle_gamma"), lattice.angles, strict=True):
        block.set_pair(f"_cell_{tag}", repr(float(value)))
    block.set_pair("_cell_volume", f"{lattice.volume:.8g}")
    _symmetry(block, unit.operations)
    _sites(block, structure, unit)
    head = "".join(f"# {' '.join(note.split())}\n" for note in notes)
    return head + str(document.as_string())


def _symmetry(block: gemmi.cif.Block, operations: Operations) -> None:
    group = to_gemmi(operations)
    setting = gemmi.find_spacegroup_by_ops(group) if group else None
    if setting is not None:
        block.set_pair("_space_group_name_H-M_alt", gemmi.cif.quote(setting.xhm()))
        block.set_pair("_space_group_name_Hall", gemmi.cif.quote(setting.hall))
    if operations.number:
        block.set_pair("_space_group_IT_number", str(operations.number))
    loop = block.init_loop("_space_group_symop_", ["id", "operation_xyz"])
    for place, text in enumerate(operation_texts(operations)):
        loop.add_row([str(place + 1), gemmi.cif.quote(text)])


def _sites(block: gemmi.cif.Block, structure: Structure, unit: _Unit) -> None:
    columns = ["label", "type_symbol", "site_symmetry_multiplicity", "fract_x", "fract_y", "fract_z", "occupancy"]
    loop = block.init_loop("_atom_site_", columns)
    counts: dict[str, int] = {}
    for site, coords, multiplicity in zip(unit.sites, unit.coords, unit.multiplicities, strict=True):
        for element, occupancy in structure[int(site)].species.items():
            symbol = element.symbol
            counts[symbol] = counts.get(symbol, 0) + 1
            # More digits than a float has, so that no short decimal is taken for a rounded fraction.
            where = [f"{value:.17g}" for value in coords]
            loop.add_row([f"{symbol}{counts[symbol]}", symbol, str(multiplicity), *where, repr(float(occupancy))])
