"""The symmetry that a CIF gives: as a list of operations, by Hall, by Hermann-Mauguin, by number; each beside the
cell and beside the others."""

from collections.abc import Sequence
from dataclasses import dataclass

import gemmi

from xrdscape.crystal.cif import CifBlock
from xrdscape.crystal.operations import (
    Operations,
    operations_of_gemmi,
    operations_of_hall,
    operations_of_list,
    to_gemmi,
)
from xrdscape.crystal.space_groups import (
    Symbol,
    extension,
    number_of_schoenflies,
    parsed_symbol,
    settings,
    settings_of_number,
    unique_axis,
)
from xrdscape.errors import StructureError

LISTS = (
    ("_space_group_symop_operation_xyz", "_space_group_symop_operation_xyz_"),
    ("_symmetry_equiv_pos_as_xyz", "_symmetry_equiv_pos_as_xyz_"),
)
SYMBOLS = (
    "_space_group_name_h-m_alt",
    "_symmetry_space_group_name_h-m",
    "_space_group_name_h-m",
    "_space_group_name_h-m_full",
    "_space_group_name_h-m_ref",
)
HALL = ("_space_group_name_hall", "_symmetry_space_group_name_hall")
NUMBERS = ("_space_group_it_number", "_symmetry_int_tables_number")
SCHOENFLIES = "_space_group_name_schoenflies"
MAGNETIC = ("_space_group_symop_magn_operation_xyz", "_space_group_symop_magn_centering_xyz")

ADVICE = (
    "Add the operations (_space_group_symop_operation_xyz), the Hall symbol, or the Hermann-Mauguin symbol with its "
    "setting, as in 'F d -3 m:2' or 'R -3 c:H'; a crystal whose atoms are all listed has the one operation 'x,y,z'."
)


@dataclass(frozen=True, eq=False)
class Reading:
    """One way to read the symmetry of a file.

    Args:
        operations: of the space group.
        said: where they come from, in words.
    """

    operations: Operations
    said: str


@dataclass(frozen=True)
class GivenSymmetry:
    """Symmetry of a crystal as its file gives it.

    Args:
        readings: the ways to read it, the first that of the best source; several where they are to be decided.
        other_types: space-group numbers that other sources name and the first reading has not, with their words.
        remarks: what was assumed, in sentences.
    """

    readings: tuple[Reading, ...]
    other_types: tuple[tuple[int, str], ...] = ()
    remarks: tuple[str, ...] = ()


def given_symmetry(block: CifBlock, lengths: Sequence[float], angles_deg: Sequence[float]) -> GivenSymmetry:
    """Read the symmetry of a block.

    Args:
        block: of a CIF.
        lengths: of its cell, angstrom.
        angles_deg: of its cell.

    Raises:
        StructureError: no symmetry is given, it cannot be read, or the cell contradicts it.
    """
    symbols, numbers, hall, remarks = _symbols(block), _numbers(block), _hall(block), []
    first = _listed(block)
    if first is None and hall and hall.operations:
        first, hall = Reading(hall.operations, hall.said), None
    if hall and not hall.operations:
        remarks.append(f"{hall.said} is not a Hall symbol and was not used.")
        hall = None
    for text, _, named in symbols:
        if not named and (first or numbers):
            remarks.append(f"The space-group symbol {text!r} is not known and was not used.")
    if first:
        _refuse_beside_cell(first, lengths, angles_deg)
        return _compared(first, hall, symbols, numbers, remarks)
    return _by_name(symbols, numbers, lengths, angles_deg, remarks)


@dataclass(frozen=True)
class _Hall:
    said: str
    operations: Operations | None


def _hall(block: CifBlock) -> _Hall | None:
    symbol = block.value(*HALL)
    return _Hall(f"the Hall symbol {symbol!r}", operations_of_hall(symbol)) if symbol else None


def _symbols(block: CifBlock) -> list[tuple[str, Symbol, tuple[gemmi.SpaceGroup, ...]]]:
    texts = dict.fromkeys(value for name in SYMBOLS for value in block.column(name) if value)
    parsed = [(text, parsed_symbol(text)) for text in texts]
    return [(text, symbol, settings(symbol)) for text, symbol in parsed]


def _numbers(block: CifBlock) -> list[int]:
    texts = dict.fromkeys(value for name in NUMBERS for value in block.column(name) if value)
    wrong = [text for text in texts if not (text.isdecimal() and int(text) <= 230)]
    if wrong:
        raise StructureError(f"gives {wrong[0]!r} as the number of its space group: they go from 1 to 230. Mend it.")
    numbers = [int(text) for text in texts if int(text)]
    return numbers or [found for text in block.column(SCHOENFLIES) if text and (found := number_of_schoenflies(text))]


def _listed(block: CifBlock) -> Reading | None:
    found = [[value for value in block.column(*names) if value] for names in LISTS]
    if block.column(MAGNETIC[0]):
        found.append(_magnetic(block))
    groups = [operations_of_list(texts) for texts in found if texts]
    if any(group.as_set != groups[0].as_set for group in groups[1:]):
        raise StructureError("lists its symmetry operations twice, differently. Remove the wrong list.")
    return Reading(groups[0], f"the list of {len(groups[0])} operations") if groups else None


def _magnetic(block: CifBlock) -> list[str]:
    """Return the operations of a magnetic group without their time reversal: the crystal that X-rays see."""
    plain = [[",".join(text.split(",")[:3]) for text in block.column(name) if text] or ["x,y,z"] for name in MAGNETIC]
    turns, shifts = ([gemmi.Op(text) for text in texts] for texts in map(_readable, plain))
    return [(shift * turn).wrap().triplet() for shift in shifts for turn in turns]


def _readable(texts: list[str]) -> list[str]:
    try:
        return [gemmi.Op(text).triplet() for text in texts]
    except RuntimeError as error:
        raise StructureError(f"lists a magnetic symmetry operation that cannot be read ({error}).") from error


def _refuse_beside_cell(reading: Reading, lengths: Sequence[float], angles_deg: Sequence[float]) -> None:
    if not reading.operations.shows_on(lengths, angles_deg):
        raise StructureError(
            f"has a cell ({_cell(lengths, angles_deg)}) without the symmetry of {reading.said}. Mend one."
        )


def _cell(lengths: Sequence[float], angles_deg: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in (*lengths, *angles_deg))


def _compared(
    first: Reading,
    hall: _Hall | None,
    symbols: list[tuple[str, Symbol, tuple[gemmi.SpaceGroup, ...]]],
    numbers: list[int],
    remarks: list[str],
) -> GivenSymmetry:
    """Return the first reading beside the other sources: each agrees, is another setting, or another type."""
    others, types = [], []
    own = first.operations
    if hall and hall.operations and hall.operations.as_set != own.as_set:
        others.append((hall.operations.number, Reading(hall.operations, hall.said)))
    for text, symbol, named in symbols:
        readings = [Reading(operations_of_gemmi(group.operations()), f"the symbol {text!r}") for group in named]
        if named and not any(
            _agrees(own, reading.operations, group, symbol) for reading, group in zip(readings, named, strict=True)
        ):
            others += [(group.number, reading) for reading, group in zip(readings, named, strict=True)]
    for number, reading in others:
        if number != own.number and number is not None:
            types.append((number, reading.said))
    types += [(number, f"the space-group number {number}") for number in numbers if number != own.number]
    alike = [reading for number, reading in others if number == own.number]
    return GivenSymmetry((first, *alike), tuple(dict.fromkeys(types)), tuple(remarks))


def _agrees(own: Operations, other: Operations, group: gemmi.SpaceGroup, symbol: Symbol) -> bool:
    """Return whether operations are those of a setting; without a mark, a symbol says nothing of the origin."""
    if own.as_set == other.as_set:
        return True
    marked = bool(symbol.mark and extension(group))
    return not marked and own.number == group.number and own.characters == other.characters


def _by_name(
    symbols: list[tuple[str, Symbol, tuple[gemmi.SpaceGroup, ...]]],
    numbers: list[int],
    lengths: Sequence[float],
    angles_deg: Sequence[float],
    remarks: list[str],
) -> GivenSymmetry:
    """Return the readings by symbol, or by number where there is none."""
    known = [(text, named) for text, _, named in symbols if named]
    if known:
        said = " and ".join(f"the symbol {text!r}" for text, _ in known)
        hall = set.intersection(*({group.hall for group in named} for _, named in known))
        groups = [group for group in known[0][1] if group.hall in hall]
        if numbers and not all(any(group.number == number for group in groups) for number in numbers):
            said += f" and the space-group number {numbers[0]}"
            groups = []
        if not groups:
            raise StructureError(f"contradicts itself: {said} name different space groups. Remove what is wrong.")
    elif numbers:
        groups, said = list(settings_of_number(numbers[0])), f"the space-group number {numbers[0]}"
        if len(numbers) > 1:
            raise StructureError(f"gives two space-group numbers, {numbers[0]} and {numbers[1]}. Remove the wrong one.")
    elif symbols:
        raise StructureError(f"gives the space group as {symbols[0][0]!r}, which is not known. {ADVICE}")
    else:
        raise StructureError(f"says nothing of its symmetry. {ADVICE}")
    readings = [(group, Reading(operations_of_gemmi(group.operations()), _name(group))) for group in groups]
    fitting = [pair for pair in readings if pair[1].operations.shows_on(lengths, angles_deg)]
    if not fitting:
        raise StructureError(f"has a cell ({_cell(lengths, angles_deg)}) without the symmetry of {said}. Mend one.")
    chosen = [pair for pair in fitting if unique_axis(pair[0]) == unique_axis(fitting[0][0])]
    if len(chosen) < len(fitting) or not known:
        remarks.append(f"The file gives only {said}: {_name(chosen[0][0])} was taken.")
    return GivenSymmetry(tuple(reading for _, reading in chosen), remarks=tuple(remarks))


def _name(group: gemmi.SpaceGroup) -> str:
    return f"the setting {group.xhm()}"


def symbol_of(operations: Operations) -> str:
    """Return the Hermann-Mauguin symbol of a group with its setting, or that of its type where the setting has none."""
    group = to_gemmi(operations)
    found = gemmi.find_spacegroup_by_ops(group) if group else None
    if found is not None:
        return str(found.xhm())
    standard = gemmi.find_spacegroup_by_number(operations.number) if operations.number else None
    return f"{standard.hm} (another setting)" if standard else "unknown"
