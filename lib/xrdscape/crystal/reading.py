"""Crystals from files: CIFs by gemmi with their symmetry and contents checked, other formats by pymatgen."""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from pymatgen.core import Composition, DummySpecies, Element, Lattice, Structure

from xrdscape.crystal.accounts import Account, account_of, named_elements, refuse_density
from xrdscape.crystal.atoms import LARGEST_CELL_SITES, AtomRow, atom_rows, too_many_sites
from xrdscape.crystal.cif import CifBlock, cif_blocks, file_text, looks_like_cif, number
from xrdscape.crystal.expansion import expanded
from xrdscape.crystal.given_symmetry import GivenSymmetry, Reading, given_symmetry, symbol_of
from xrdscape.errors import CellError, StructureError
from xrdscape.paths import REFERENCE_NAMES, crystal_path, reference_path

MIN_SITE_DISTANCE_ANGSTROM = 0.5
"""No two nuclei come closer than 0.74 angstrom (H2): sites nearer than this are one site written twice."""

MIN_RELATIVE_VOLUME = 1e-4
"""Volume over a b c below which the three vectors are taken to lie in a plane."""

THINNEST_CELL_ANGSTROM = 0.5
"""No atom fits between lattice planes that are nearer."""

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][-+]?\d+)?")

SYMPREC_ANGSTROM = 0.01
"""Distance tolerance of the symmetry search by spglib, where a file lists all atoms."""

_CELL_ADVICE = (
    "Check that the lengths are positive and that the angles close a cell: each less than the sum of the "
    "other two, all three together less than 360 deg."
)
_FORMATS = "Give a CIF, a POSCAR, or another format of pymatgen's that names the elements and lists all atoms."


@dataclass(frozen=True, eq=False)
class Crystal:
    """A crystal as its file gives it.

    Args:
        structure: all sites of the cell as written, of plain elements.
        space_group: Hermann-Mauguin symbol, with its setting where it has several.
        number: of the space group in International Tables A; 0 where it is not known.
        z: formula units in the cell.
        remarks: what was assumed or does not agree, in sentences.
        origin: name of the reference structure, path of the file, or the formula.
    """

    structure: Structure
    space_group: str
    number: int
    z: float
    remarks: tuple[str, ...] = ()
    origin: str = ""

    @property
    def formula(self) -> str:
        """Reduced formula."""
        return str(self.structure.composition.reduced_formula)

    @property
    def density(self) -> float:
        """Density in g/cm3."""
        return float(self.structure.density)

    @property
    def summary(self) -> str:
        """Formula, space group, sites and density, on one line."""
        sites = f"{len(self.structure)} site{'s' * (len(self.structure) > 1)}"
        number = f" ({self.number})" if self.number else ""
        return f"{self.formula}, {self.space_group}{number}, {sites} in the cell, {self.density:.3g} g/cm3"


def read_crystal(name_or_path: str | Path) -> Crystal:
    """Read a reference crystal by name, or any CIF, POSCAR or other file of pymatgen's formats by path.

    The cell is kept as written, not reduced. Of a CIF the operations are taken as listed, else by the Hall symbol, the
    Hermann-Mauguin symbol or the number; all that it gives must agree with one another, with the cell and with the
    formula. Images of a site within 0.15 angstrom are one site on a special position. Charges and isotopes are dropped,
    partial occupancy is kept. What was assumed stands in the remarks.

    Args:
        name_or_path: one of REFERENCE_NAMES, or the path of a file.

    Raises:
        StructureError: no such name or file, or a file that cannot be read, contradicts itself or can be read in
            several ways.
        CellError: the cell has no volume or its angles close no cell.
    """
    if str(name_or_path) in REFERENCE_NAMES:
        return _reference(str(name_or_path))
    path = crystal_path(name_or_path)
    return _read(path, str(path))


@lru_cache(maxsize=len(REFERENCE_NAMES))
def _reference(name: str) -> Crystal:
    return _read(reference_path(name), name)


def _read(path: Path, origin: str) -> Crystal:
    """Return the crystal of a file, or raise an error that begins with the file's name."""
    try:
        return replace(_of_file(path), origin=origin)
    except (StructureError, CellError) as error:
        raise type(error)(f"{origin} {error}") from error


def _of_file(path: Path) -> Crystal:
    if path.suffix.lower() in (".cif", ".mcif", ".pcif", ".pdcif"):
        return crystal_of_cif(file_text(path))
    if path.suffix.lower() in (".res", ".ins"):
        raise StructureError("is a SHELX file, whose symmetry is not read. Export a CIF.")
    if _is_poscar(path):
        text = file_text(path)
        return crystal_of_cif(text) if looks_like_cif(text) else _of_listed_atoms(*_poscar(text))
    if not path.suffix or path.suffix.lower() == ".txt":
        text = file_text(path)
        return crystal_of_cif(text) if looks_like_cif(text) else _of_listed_atoms(*_poscar(text))
    return _of_listed_atoms(*_by_pymatgen(path))


def _is_poscar(path: Path) -> bool:
    return (
        "POSCAR" in path.name.upper() or "CONTCAR" in path.name.upper() or path.suffix.lower() in (".vasp", ".poscar")
    )


def crystal_of_cif(text: str) -> Crystal:
    """Return the crystal of a CIF's text; as `read_crystal`, whose messages begin with the file's name."""
    blocks, mended = cif_blocks(text)
    holding = [block for block in blocks if block.column("_atom_site_fract_x")]
    if not holding:
        cartesian = any("_atom_site_cartn_x" in block.columns for block in blocks)
        why = "gives Cartesian coordinates, not fractional ones" if cartesian else "has no atom sites"
        raise StructureError(f"{why}. Give a complete CIF: cell, symmetry, at least one atom site.")
    crystal = _of_block(holding[0])
    if len(holding) == 1:
        return replace(crystal, remarks=(*mended, *crystal.remarks))
    others = ", ".join(block.name for block in holding[1:6])
    remark = (
        f"The file holds {len(holding)} crystals: the first, {holding[0].name}, was taken. For another ({others}) keep "
        "its block alone in a file."
    )
    return replace(crystal, remarks=(*mended, remark, *crystal.remarks))


def _of_block(block: CifBlock) -> Crystal:
    if (number(block.value("_cell_modulation_dimension")) or 0) > 0:
        raise StructureError("is a modulated structure: give its average structure as an ordinary CIF.")
    lattice, assumed = _lattice(block)
    symmetry = given_symmetry(block, lattice.abc, lattice.angles)
    rows, noted = atom_rows(block, named_elements(block))
    reading, structure, account, said = _decided(symmetry, rows, lattice, block)
    number_ = reading.operations.number or 0
    remarks = (*assumed, *symmetry.remarks, *noted, *said, *account.remarks, *account.doubts)
    return Crystal(structure, symbol_of(reading.operations), number_, account.z, tuple(dict.fromkeys(remarks)))


def _lattice(block: CifBlock) -> tuple[Lattice, list[str]]:
    values, assumed = [], []
    for name in ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma"):
        value = block.value(f"_cell_{name}")
        if value is None and name.startswith("angle"):
            # The default of the CIF dictionary.
            assumed.append(name.removeprefix("angle_"))
            value = "90"
        found = number(value)
        if found is None:
            raise CellError(f"gives {value or 'nothing'} as _cell_{name}: a number is needed.")
        values.append(float(found))
    lengths, angles = values[:3], values[3:]
    if min(lengths) <= 0 or not all(0 < angle < 180 for angle in angles):
        raise CellError(f"has a cell without volume: {_cell_text(lengths, angles)}. {_CELL_ADVICE}")
    lattice = _from_parameters(lengths, angles)
    remarks = [f"The angle {', '.join(assumed)} of the cell is not given and was taken as 90 deg."] if assumed else []
    return lattice, remarks


def _from_parameters(lengths: Sequence[float], angles: Sequence[float]) -> Lattice:
    cosines = np.cos(np.radians(angles))
    if 1 - (cosines**2).sum() + 2 * cosines.prod() < MIN_RELATIVE_VOLUME**2:
        raise CellError(f"has a cell without volume: {_cell_text(lengths, angles)}. {_CELL_ADVICE}")
    return Lattice.from_parameters(*lengths, *angles)


def _cell_text(lengths: Sequence[float], angles: Sequence[float]) -> str:
    return f"a, b, c = {_row(lengths)} angstrom, alpha, beta, gamma = {_row(angles)} deg"


def _row(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


@dataclass(frozen=True, eq=False)
class _Tried:
    """A crystal by one reading of the symmetry, or why there is none."""

    reading: Reading
    structure: Structure | None
    account: Account | None
    remarks: tuple[str, ...]
    refusal: str

    @property
    def doubtful(self) -> bool:
        """True if a distance or the density is not that of a crystal."""
        return self.account is None or bool(self.account.doubts)


def _decided(
    symmetry: GivenSymmetry, rows: Sequence[AtomRow], lattice: Lattice, block: CifBlock
) -> tuple[Reading, Structure, Account, tuple[str, ...]]:
    """Return the one crystal that all readings come to, or the one that the contents bear out."""
    tried = [_tried(reading, rows, lattice, block) for reading in symmetry.readings]
    good = [one for one in tried if not one.refusal]
    if not good:
        raise StructureError(tried[0].refusal)
    likely = [one for one in good if not one.doubtful] or good
    first = likely[0]
    for other in likely[1:]:
        if not _one_crystal(first.structure, other.structure):
            raise StructureError(
                f"can be read in two ways, by {first.reading.said} and by {other.reading.said}, which give different "
                "crystals. List the symmetry operations, or give the setting as in 'F d -3 m:2'."
            )
    said = list(first.remarks)
    dropped = [one.reading.said for one in tried if one not in likely]
    if dropped:
        said.append(
            f"Read by {first.reading.said}; {', '.join(dropped)} would contradict the contents or put atoms too near."
        )
    if first.structure is None or first.account is None:
        raise StructureError(first.refusal)
    said += _other_types(symmetry, first.structure, first.reading)
    return first.reading, first.structure, first.account, tuple(said)


def _tried(reading: Reading, rows: Sequence[AtomRow], lattice: Lattice, block: CifBlock) -> _Tried:
    try:
        structure, remarks = expanded(rows, reading.operations, lattice)
        structure = checked(structure)
    except StructureError as error:
        return _Tried(reading, None, None, (), str(error))
    account = account_of(structure, block)
    return _Tried(reading, structure, account, tuple(remarks), next(iter(account.contradictions), ""))


def _other_types(symmetry: GivenSymmetry, structure: Structure, reading: Reading) -> list[str]:
    """Return a sentence where a symbol names a space group that the listed atoms have, though the operations do not."""
    said = []
    for number_, source in symmetry.other_types:
        if reading.operations.number == 1 and _number(structure) == number_:
            said.append(f"{source[0].upper()}{source[1:]} names the symmetry of the atoms, which are all listed.")
        else:
            raise StructureError(
                f"contradicts itself: {reading.said} is of space group {reading.operations.number}, {source} of "
                f"{number_}. Remove what is wrong."
            )
    return said


def _number(structure: Structure) -> int:
    # Half a second to import, and few files need it.
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

    try:
        return int(SpacegroupAnalyzer(structure, symprec=SYMPREC_ANGSTROM).get_space_group_number())
    except Exception:  # spglib's own reasons; it finds none
        return 0


def _one_crystal(first: Structure | None, other: Structure | None) -> bool:
    """Return whether two structures in one cell differ by a shift of the origin alone."""
    if first is None or other is None or len(first) != len(other):
        return False
    kinds = [sorted(site.species_string for site in one) for one in (first, other)]
    if kinds[0] != kinds[1]:
        return False
    rare = min(set(kinds[0]), key=kinds[0].count)
    fixed = first[[site.species_string for site in first].index(rare)]
    species = np.array([site.species_string for site in other])
    own = np.array([site.species_string for site in first])
    for place in np.flatnonzero(species == rare):
        step = first.frac_coords - fixed.frac_coords + other[int(place)].frac_coords
        apart = first.lattice.get_all_distances(step, other.frac_coords)
        apart[own[:, None] != species] = np.inf
        if apart.min(1).max() < SYMPREC_ANGSTROM:
            return True
    return False


def _poscar(text: str) -> tuple[Structure, list[str]]:
    # Half a second to import, and few files need it.
    from pymatgen.io.vasp import Poscar
    from pymatgen.io.vasp.inputs import BadPoscarWarning

    lines = text.splitlines()
    if len(lines) < 8:
        raise StructureError(f"is not a POSCAR: it has {len(lines)} lines of at least 8. {_FORMATS}")
    # Comments may follow the values of the first lines.
    lines[1:8] = [re.sub(r"\s[!#].*", "", line) for line in lines[1:8]]
    # The parser makes room for all atoms that the line of the numbers asks for, which may be anywhere.
    asked = max((int(text[:20]) for line in lines[5:7] for text in line.split() if text.isdecimal()), default=0)
    if asked > LARGEST_CELL_SITES:
        raise StructureError(too_many_sites(asked))
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            structure = Poscar.from_str("\n".join(lines)).structure
    except Exception as error:  # the parser raises a dozen kinds, down to bare IndexError
        raise _parser_error(error) from error
    if any(issubclass(warning.category, BadPoscarWarning) for warning in caught):
        raise StructureError(
            "does not name its elements. Add a line with their symbols, as 'Na Cl', above the line with the numbers "
            "of atoms."
        )
    _refuse_other_counts(lines)
    return structure, [str(warning.message) for warning in caught]


def _refuse_other_counts(lines: Sequence[str]) -> None:
    """Refuse a POSCAR whose elements, numbers of atoms and lines of coordinates do not go together."""
    names, texts = lines[5].split(), lines[6].split()
    if not all(text.isdecimal() for text in texts):
        raise StructureError(f"gives {lines[6].strip()[:40]!r} as the numbers of its atoms. Mend the line.")
    counts = [int(text) for text in texts]
    if len(names) != len(counts):
        raise StructureError(
            f"names {len(names)} elements ({' '.join(names)}) but gives {len(counts)} numbers of atoms "
            f"({' '.join(map(str, counts))}). Give as many of both."
        )
    start = 9 if lines[7].strip()[:1].lower() == "s" else 8
    after = lines[start + sum(counts)].split() if len(lines) > start + sum(counts) else []
    # Velocities and other blocks stand after an empty line or one of words.
    if len(after) > 2 and all(_NUMBER.fullmatch(part) for part in after[:3]):
        raise StructureError(
            f"lists more coordinates than the {sum(counts)} atoms that it numbers. Mend the line of the numbers, or "
            "leave an empty line after the last atom."
        )
    kinds = [name for name, count in zip(names, counts, strict=True) for _ in range(count)]
    for kind, line in zip(kinds, lines[start:], strict=False):
        label = line.split()[3:4] if start == 8 else []
        element = re.match(r"[A-Z][a-z]?", kind)
        if label and element and Element.is_valid_symbol(label[0]) and label[0] != element[0]:
            raise StructureError(f"names an atom {label[0]} where its numbers of atoms say {element[0]}. Mend one.")


def _by_pymatgen(path: Path) -> tuple[Structure, list[str]]:
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            structure = Structure.from_file(path)
    except Exception as error:  # the parsers raise a dozen kinds, down to bare IndexError
        raise _parser_error(error) from error
    if not isinstance(structure, Structure):
        raise StructureError(f"holds no crystal. {_FORMATS}")
    return structure, [str(warning.message) for warning in caught]


def _parser_error(error: Exception) -> StructureError | CellError:
    if isinstance(error.__cause__ or error, np.linalg.LinAlgError):
        return CellError(f"has a cell without volume. {_CELL_ADVICE}")
    said = " ".join(str(error.__cause__ or error).split()).rstrip(".!") or type(error).__name__
    return StructureError(f"is not a crystal structure that pymatgen can read ({said[:200]}). {_FORMATS}")


def crystal_of_structure(structure: Structure) -> Crystal:
    """Return what is known of a crystal whose atoms are all given; spglib finds its space group. Errors as
    `read_crystal`."""
    crystal = _of_listed_atoms(structure, ())
    return replace(crystal, origin=crystal.formula)


def _of_listed_atoms(structure: Structure, warned: Sequence[str]) -> Crystal:
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

    plain, remarks = plain_elements(structure)
    plain = checked(plain)
    account = account_of(plain)
    if account.contradictions:
        raise StructureError(account.contradictions[0])
    try:
        found = SpacegroupAnalyzer(plain, symprec=SYMPREC_ANGSTROM)
        symbol, number_ = found.get_space_group_symbol(), int(found.get_space_group_number())
    except Exception:  # spglib's own reasons; the pattern needs no symmetry
        symbol, number_ = "of unknown symmetry", 0
    told = [f"pymatgen: {' '.join(text.split())}" for text in dict.fromkeys(warned)]
    return Crystal(plain, symbol, number_, account.z, (*told, *remarks, *account.remarks, *account.doubts))


def checked(structure: Structure) -> Structure:
    """Return the structure if a pattern can be computed from it.

    Raises:
        StructureError: no sites, numbers that are not finite, or sites that coincide.
        CellError: the cell has no volume.
    """
    if len(structure) == 0:
        raise StructureError("has no atom sites: a pattern needs at least one.")
    lattice = structure.lattice
    if min(lattice.abc) <= 0:
        raise CellError(f"has a cell without volume. {_CELL_ADVICE}")
    if not np.isfinite(lattice.matrix).all() or lattice.volume < MIN_RELATIVE_VOLUME * np.prod(lattice.abc):
        raise CellError(f"has a cell without volume: {_cell_text(lattice.abc, lattice.angles)}. {_CELL_ADVICE}")
    if not np.isfinite(structure.frac_coords).all():
        raise StructureError("has a coordinate that is not a finite number: mend the file.")
    heights = 1 / np.array(lattice.reciprocal_lattice_crystallographic.abc)
    if heights.min() < THINNEST_CELL_ANGSTROM:
        raise CellError(
            f"has a cell {heights.min():.2g} angstrom thin: {_cell_text(lattice.abc, lattice.angles)}. Mend it."
        )
    refuse_density(structure)
    _refuse_coincident(structure)
    return structure


def plain_elements(structure: Structure) -> tuple[Structure, list[str]]:
    """Return the structure with elements without charge or mass, and what that left out in sentences."""
    if all(isinstance(item, Element) and item.symbol not in ("D", "T") for site in structure for item in site.species):
        return structure, []
    species = [_plain(site.species) for site in structure]
    remarks = []
    kinds = {item for site in structure for item in site.species}
    if any(getattr(item, "oxi_state", None) for item in kinds):
        remarks.append(
            "Charged species were taken as neutral atoms: charge changes only how they scatter at low angles."
        )
    if any(item.symbol in ("D", "T") for item in kinds):
        remarks.append("Deuterium or tritium scatters X-rays as hydrogen does and was taken for it.")
    return Structure(structure.lattice, species, structure.frac_coords), remarks


def _plain(species: Composition) -> Composition:
    """Return the elements without oxidation states; the hydrogen isotopes together."""
    amounts: dict[str, float] = {}
    for item, amount in species.items():
        if isinstance(item, DummySpecies):
            raise StructureError(
                f"has an atom of unknown kind {str(item)!r}: X-ray scattering needs chemical elements. Replace it by "
                "the element that sits there."
            )
        symbol = "H" if item.symbol in ("D", "T") else item.symbol
        amounts[symbol] = amounts.get(symbol, 0.0) + amount
    if not amounts:
        raise StructureError("has a site without any atom: remove it or give its occupancy.")
    if not 0 < sum(amounts.values()) <= 1 + 1e-6:
        raise StructureError(f"has a site of occupancy {sum(amounts.values()):g}: at most 1 is possible. Mend it.")
    return Composition(amounts)


def _refuse_coincident(structure: Structure) -> None:
    """Refuse sites that coincide, unless they cannot be filled at once (split positions)."""
    here, there, _, apart = structure.get_neighbor_list(MIN_SITE_DISTANCE_ANGSTROM)
    filled = np.array([site.species.num_atoms for site in structure])
    clash = (filled[here] + filled[there] > 1 + 1e-6) & (here <= there)
    if clash.any():
        first = int(np.flatnonzero(clash)[0])
        i, j = int(here[first]), int(there[first])
        raise StructureError(
            f"has {int(clash.sum())} pair(s) of sites on top of each other: {structure[i].species_string} (site "
            f"{i + 1}) and {structure[j].species_string} (site {j + 1}) are {apart[first]:.2f} angstrom apart. Remove "
            "duplicates, or give occupancies that add up to at most 1."
        )
