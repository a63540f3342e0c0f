"""The atom table of a CIF: every row is used, named as left out, or refused."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction
from itertools import takewhile

from pymatgen.core import Element

from xrdscape.crystal.cif import CifBlock, Value, number
from xrdscape.errors import StructureError

LARGEST_CELL_SITES = 10_000
"""Sites of a cell at most: a pattern of more would take hours, since such cells have millions of reflections."""

OVERFULL = Fraction(102, 100)
"""Occupancies of a site add up to at most this: rounding of refined values, which are scaled to 1."""

EMPTY = Fraction(1, 10**6)
"""Occupancies below this are none."""

HEAVIEST = 98
"""Form factors are tabulated up to californium; what reads as a heavier element is a group such as CN, NH or NO."""

THIRDS_WRITTEN = Fraction(1, 10_000)
"""Coordinates of four digits or more that are those of 1/3 or 2/3 stand for the fraction; of fewer, the special
position nearby decides."""

ISOTOPES_APART = 0.2
"""Relative difference at most between the mass numbers of isotopes and the mean of their element; 6Li has 0.14."""

_WITHOUT_HYDROGEN = {"OH": "O", "OH2": "O", "H2O": "O", "OD": "O", "D2O": "O", "WAT": "O", "WATER": "O",
                     "OW": "O", "HW": "H", "DW": "H", "NH4": "N", "ND4": "N", "NH3": "N",
                     "HOH": "O", "DOD": "O"}  # fmt: skip
"""Groups and habits that stand for one heavy atom, or for one of the hydrogen atoms of water."""

_WATER = {"WAT", "WATER", "OW", "HW", "DW", "OH", "HOH", "DOD"}
"""Those of them that labels begin with."""

_ADD_TYPE = "Add _atom_site_type_symbol."

_VACANCIES = {"VA", "VAC", "VACANCY", "VOID", "\N{WHITE SQUARE}"}
_ISOTOPES = {"D", "T"}
_ISOTOPE = re.compile(r"\(?([23])\)?H|H\(?\^?([23])\)?", re.IGNORECASE)
_MASS_NUMBER = re.compile(r"\(?\^?(\d{1,3})\^?\)?([A-Z][a-z]?)")
_CHARGED = re.compile(r"([A-Za-z]{1,2})(?:\(?(\d*\.?\d*[+-]|[+-]\d*\.?\d*)\)?)")
_VALENCE = {"CVAL": "C", "SIVA": "Si", "SIVAL": "Si"}
_MIXTURE = re.compile(r"(\d*\.?\d+)\s*(?:\(\d+\))?\s*([A-Z][a-z]?)[^+]*")


@dataclass(frozen=True)
class AtomRow:
    """A row of the atom table.

    Args:
        label: of the row.
        amounts: occupancy by element.
        coords: fractional coordinates, exact.
    """

    label: str
    amounts: dict[str, Fraction]
    coords: tuple[Fraction, Fraction, Fraction]

    @property
    def filled(self) -> Fraction:
        """Occupancy of the row by all elements."""
        return sum(self.amounts.values(), Fraction(0))


def atom_rows(block: CifBlock, elements: Collection[str]) -> tuple[list[AtomRow], list[str]]:
    """Return the rows of the atom table, and what was assumed of them in sentences.

    Args:
        block: of a CIF.
        elements: those that the file names elsewhere, which tell how a label is meant; may be empty.

    Raises:
        StructureError: no rows, or one that cannot be used.
    """
    coords = [block.column(f"_atom_site_fract_{axis}") for axis in "xyz"]
    count = len(coords[0])
    if not count or any(len(column) != count for column in coords):
        cartesian = " It gives Cartesian coordinates, which are not read." if block.column("_atom_site_cartn_x") else ""
        raise StructureError(f"has no table of atom sites with fractional coordinates.{cartesian}")
    if count > LARGEST_CELL_SITES:
        raise StructureError(too_many_sites(count))
    columns = {
        name: _column(block, f"_atom_site_{name}", count)
        for name in ("label", "type_symbol", "occupancy", "calc_flag", "attached_hydrogens", "disorder_group")
    }
    groups: dict[str, list[Fraction]] = {}
    rows, notes = [], _Notes()
    for place in range(count):
        said = {name: column[place] for name, column in columns.items()}
        label = said["label"] or said["type_symbol"] or f"row {place + 1}"
        if said["calc_flag"] == "dum":
            notes.add("left out as a dummy site", label)
            continue
        amounts = _amounts(said["type_symbol"], said["label"], label, elements, notes)
        occupancy = _occupancy(said["occupancy"], ("_atom_site_occupancy", place) in block.unknown, label, notes)
        if not amounts or occupancy < EMPTY:
            if amounts:
                notes.add("left out: its occupancy is 0", label)
            continue
        if (number(said["disorder_group"]) or 0) > 0:
            groups.setdefault(str(said["disorder_group"]), []).append(occupancy)
        if (number(said["attached_hydrogens"]) or 0) > 0:
            notes.add("used without the hydrogen atoms that the file attaches to it", label)
        position = tuple(_coordinate(column[place], axis, label) for column, axis in zip(coords, "xyz", strict=True))
        scaled = {element: amount * occupancy for element, amount in amounts.items()}
        rows.append(AtomRow(label, scaled, (position[0], position[1], position[2])))
    if not rows:
        raise StructureError("has no atom that scatters: every row of its atom table is a vacancy, empty or a dummy.")
    told = notes.sentences()
    if len(groups) > 1 and all(occupancy == 1 for group in groups.values() for occupancy in group):
        told.append(f"The disorder groups {', '.join(groups)} are alternatives, but all their sites are given as full.")
    return rows, told


def too_many_sites(count: int) -> str:
    """Return the reason for refusing a cell of so many sites."""
    return (
        f"has {count} sites in its cell, more than the {LARGEST_CELL_SITES} that are read: give the asymmetric unit "
        "of a smaller cell."
    )


class _Notes:
    """Assumptions, each with the rows that it was made of."""

    def __init__(self) -> None:
        self._labels: dict[str, list[str]] = {}

    def add(self, said: str, label: str) -> None:
        self._labels.setdefault(said, []).append(label)

    def sentences(self) -> list[str]:
        """Return one sentence for each thing assumed."""
        return [f"{_listed(labels)}: {said}." for said, labels in self._labels.items()]


def _listed(labels: list[str]) -> str:
    shown = ", ".join(dict.fromkeys(labels[:5]))
    return f"Site {shown}" if len(labels) == 1 else f"Sites {shown}{f' and {len(labels) - 5} more' * (len(labels) > 5)}"


def _column(block: CifBlock, name: str, count: int) -> tuple[Value, ...]:
    column = block.column(name)
    if column and len(column) != count:
        raise StructureError(f"gives {name} {len(column)} times for {count} atom sites. Keep them in one loop.")
    return column or (None,) * count


def _coordinate(value: Value, axis: str, label: str) -> Fraction:
    found = number(value)
    if found is None:
        raise StructureError(f"gives {value or '. or ?'} as coordinate {axis} of site {label}: a number is needed.")
    if abs(found) > 1000:
        raise StructureError(
            f"gives {value} as coordinate {axis} of site {label}, in units of the cell's edge. Mend it."
        )
    third = Fraction(round(found * 3), 3)
    written = Fraction(1, found.denominator) if found.denominator % 3 else Fraction(0)
    return third if abs(third - found) < written <= THIRDS_WRITTEN else found


def _occupancy(value: Value, unknown: bool, label: str, notes: _Notes) -> Fraction:
    if value is None:
        if unknown:
            notes.add("its occupancy is given as ? and was taken as 1", label)
        return Fraction(1)
    found = number(value)
    if found is None or not 0 <= found <= OVERFULL:
        raise StructureError(f"gives {value} as the occupancy of site {label}: a number from 0 to 1 is needed.")
    return found


def _amounts(symbol: Value, label: Value, shown: str, elements: Collection[str], notes: _Notes) -> dict[str, Fraction]:
    """Return the elements of a row with their share; empty for a vacancy."""
    if symbol is None:
        element = _of_label(label or "", elements, notes)
        return {element: Fraction(1)} if element else {}
    if " + " in symbol:
        return _mixture(symbol, shown)
    kind = _of_symbol(symbol, notes, shown)
    if kind is None:
        raise StructureError(
            f"has site {shown} of kind {symbol!r}, which is no chemical element. Replace it by the element that "
            "sits there, or remove the row."
        )
    return {kind: Fraction(1)} if kind else {}


def _mixture(symbol: str, label: str) -> dict[str, Fraction]:
    """Return the amounts of `0.8Nb + 0.2Zr`."""
    parts = [_MIXTURE.fullmatch(part.strip()) for part in symbol.split(" + ")]
    found = {part[2]: Fraction(part[1]) for part in parts if part and Element.is_valid_symbol(part[2])}
    if len(found) != len(parts):
        raise StructureError(f"has site {label} of kind {symbol!r}, which cannot be read. Give each element a row.")
    return found


def _of_symbol(symbol: str, notes: _Notes, label: str) -> str | None:
    """Return the element of a type symbol, empty for a vacancy, or None."""
    plain = symbol.strip()
    if plain.upper() in _VACANCIES:
        notes.add(f"left out: {plain} is a vacancy", label)
        return ""
    if _ISOTOPE.fullmatch(plain) and plain.upper() not in ("H2", "H3"):
        return _hydrogen(notes, label)
    if (isotope := _MASS_NUMBER.fullmatch(plain)) and _has_mass(isotope[2], int(isotope[1])):
        notes.add(f"the isotope {plain}, which scatters X-rays as {isotope[2]} does", label)
        return _neutral(isotope[2], notes, label)
    charged = _CHARGED.fullmatch(plain)
    letters = charged[1] if charged else "".join(takewhile(str.isalpha, plain))
    rest = plain[len(letters) :]
    for group in (plain, plain.rstrip("+-"), letters):
        if group.upper() in _WITHOUT_HYDROGEN:
            return _grouped(group, notes, label)
    if letters.upper() in _VALENCE:
        return _VALENCE[letters.upper()]
    # T1 and T2 are the tetrahedra of silicates, and no tritium.
    if letters.upper() == "T" and rest[:1].isdigit() and not charged:
        return None
    element = _element(letters)
    # NO3 is no nobelium, CN- no copernicium, PO4 no polonium.
    molecule = len(letters) == 2 and letters.isupper() and all(map(_element, letters)) and rest and "+" not in rest
    if not element or molecule or (re.search("[A-Z]", rest) and not re.fullmatch(r"\([IV]+\)", rest)):
        return None
    if charged and (re.search(r"[1-9]", rest) or not re.search("0", rest)):
        notes.add("taken as a neutral atom: its charge changes only how it scatters at low angles", label)
    elif rest not in ("", "0") and not charged:
        notes.add(f"its kind {plain} was read as {element}", label)
    return _neutral(element, notes, label)


def _has_mass(element: str, number: int) -> bool:
    """Return whether an element has, or may have, an isotope of a mass number."""
    return bool(_element(element)) and abs(number / float(Element(element).atomic_mass) - 1) < ISOTOPES_APART


def _neutral(element: str | None, notes: _Notes, label: str) -> str | None:
    return _hydrogen(notes, label) if element in _ISOTOPES else element


def _hydrogen(notes: _Notes, label: str) -> str:
    notes.add("deuterium or tritium, which scatters X-rays as hydrogen does", label)
    return "H"


def _grouped(group: str, notes: _Notes, label: str) -> str:
    element = _WITHOUT_HYDROGEN[group.upper()]
    notes.add(f"its kind {group} was read as {element} alone, without other hydrogen atoms", label)
    return element


def _element(letters: str) -> str | None:
    name = letters.capitalize()
    known = name in _ISOTOPES or (Element.is_valid_symbol(name) and Element(name).Z <= HEAVIEST)
    return name if known else None


def _of_label(label: str, elements: Collection[str], notes: _Notes) -> str:
    """Return the element that a label names, empty for a vacancy; what the file names elsewhere decides between two."""
    found = re.match(r"[A-Za-z]+", label)
    if not found or label.upper().startswith("H2O"):
        raise StructureError(
            f"has a site {label or 'without a label'!r} whose element is not given. Add _atom_site_type_symbol."
        )
    letters = found[0]
    upper = letters.upper()
    _refuse_two_elements(label)
    if upper == "T" or (re.match(r"T[A-Za-z]", label) and not _element(letters[:2])):
        raise StructureError(f"has a site {label!r}, a tetrahedron perhaps, without its element. {_ADD_TYPE}")
    if upper in _VACANCIES and not {"V"} & set(elements):
        notes.add("left out: its label is that of a vacancy", label)
        return ""
    long, short = _element(letters[:2]) if len(letters) > 1 else None, _element(letters[0].replace("T", ""))
    choices = [element for element in dict.fromkeys((long, short)) if element]
    known = [element for element in choices if _named(element, elements)]
    if upper in _WATER:
        return _grouped(letters, notes, label)
    if elements and len(known) == 1:
        choices = known
    elif long and letters[1].islower():
        choices = [long]
    elif long and short:
        raise StructureError(
            f"has a site {label!r} that may be {long} or {short}. Add _atom_site_type_symbol, or the formula."
        )
    if not choices:
        raise StructureError(f"has a site {label!r} whose label names no element. Add _atom_site_type_symbol.")
    if choices[0] != letters.capitalize() and choices[0] == short and letters[1:2].islower():
        notes.add(f"read as {choices[0]} by its label", label)
    return _neutral(choices[0], notes, label) or ""


def _refuse_two_elements(label: str) -> None:
    """Refuse labels of two elements, as `La/Sr` and `FeMn1`, whose shares nothing tells."""
    two = re.match(r"([A-Z][a-z]?)(?:\d*[+-])?\s*[/,+&|]\s*([A-Z][a-z]?)", label) or re.match(
        r"([A-Z][a-z])([A-Z][a-z])(?![a-z])", label
    )
    if two and _element(two[1]) and _element(two[2]):
        raise StructureError(f"has a site {label!r} that may be {two[1]} or {two[2]}. Give each a row with its share.")


def _named(element: str, elements: Collection[str]) -> bool:
    return element in elements or (element in _ISOTOPES and "H" in elements)
