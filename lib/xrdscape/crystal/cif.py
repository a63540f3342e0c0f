"""CIF files: their text, read by gemmi, to blocks of items whose names are the same however a file writes them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import gemmi

from xrdscape.errors import StructureError

LARGEST_FILE_BYTES = 50_000_000
"""No CIF of a crystal, its reflections included, is as large as this."""

LARGEST_NUMBER = 10**15
"""No quantity of a crystal is larger, in the units of CIF."""

LONGEST_NUMBER = 100
"""Characters of a number at most."""

_BYTE_ORDER_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_CIF_2 = re.compile(r"#\\#CIF_2\.0", re.IGNORECASE)
_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][+-]?\d{1,3})?)(?:\(\d*\))?")
_QUOTIENT = re.compile(r"([+-]?\d{1,4})/(\d{1,4})")
_HEADING = re.compile(r"\s*(#[^\n]*\n\s*)*(data_|loop_|global_|_[a-z])", re.IGNORECASE)

_HEADS = re.compile(r"\s*(_\w|loop_|data_|$)", re.IGNORECASE)
_ITEM = re.compile(r"\s*(_[^\s]+)(\s.*|)")

Value = str | None
"""A value of a CIF; None where the file says `.` (does not apply) or `?` (not known)."""


@dataclass(frozen=True)
class CifBlock:
    """One data block of a CIF.

    Args:
        name: what stands after `data_`.
        columns: values of each item, one without a loop; names in lower case with `_` for `.`.
        unknown: places (item, row) of values given as `?`.
        contradicted: items that the block gives twice with different values.
    """

    name: str
    columns: Mapping[str, tuple[Value, ...]]
    unknown: frozenset[tuple[str, int]]
    contradicted: frozenset[str]

    def column(self, *names: str) -> tuple[Value, ...]:
        """Return the values of the first of these items that the block has; nothing where it has none of them.

        Raises:
            StructureError: the block gives the item twice with different values.
        """
        for name in names:
            if name in self.contradicted:
                raise StructureError(f"gives {name} twice with different values. Remove the wrong one.")
            if name in self.columns:
                return self.columns[name]
        return ()

    def value(self, *names: str) -> Value:
        """Return the first value that is given of these items, or None."""
        return next((value for name in names for value in self.column(name) if value), None)


def looks_like_cif(text: str) -> bool:
    """Return whether a text begins as a CIF does."""
    return _HEADING.match(text) is not None


def file_text(path: Path) -> str:
    """Return the text of a file in any of the encodings that editors leave, with line ends as here.

    Raises:
        StructureError: the file cannot be read, is too large for a crystal, or is not text.
    """
    try:
        if path.stat().st_size > LARGEST_FILE_BYTES:
            raise StructureError(f"is larger than {LARGEST_FILE_BYTES / 1e6:.0f} MB. Keep only the crystal's block.")
        raw = path.read_bytes()
    except OSError as error:
        raise StructureError(f"cannot be read ({error.strerror}).") from error
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS.items() if raw.startswith(mark)), "utf-8")
    text = raw.decode(encoding, errors="replace")
    if "\0" in text:
        raise StructureError("is not a text file. Give a CIF or a POSCAR.")
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\x1a", "").replace("\xa0", " ")


def cif_blocks(text: str) -> tuple[list[CifBlock], list[str]]:
    """Return the data blocks of a CIF, and what had to be mended to read it in sentences.

    Raises:
        StructureError: the text is not a CIF.
    """
    if _CIF_2.match(text):
        text = _cif_1(text)
    try:
        return _parsed(text), []
    except _ERRORS as error:
        mended, lines = _mended(text)
        try:
            blocks = _parsed(mended)
        except _ERRORS:
            said = " ".join(str(error).split()).removeprefix("string:") or "it could not be parsed"
            raise StructureError(f"is not a valid CIF (line:column {said}). Mend the line named.") from error
    where = f"line{'s' * (len(lines) > 1)} {', '.join(map(str, lines[:5]))}{' and others' * (len(lines) > 5)}"
    return blocks, [f"Not a valid CIF: text without quotes, or an item without a value, was mended on {where}."]


_ERRORS = (ValueError, RuntimeError, UnicodeError)
"""Errors that gemmi raises of a text that it cannot parse."""


def _parsed(text: str) -> list[CifBlock]:
    return [_block(block) for block in gemmi.cif.read_string(text, check_level=0)]


def _mended(text: str) -> tuple[str, list[int]]:
    """Return a text with values of several words in quotes and `?` for values left out, and the lines where; not in
    loops."""
    lines = text.split("\n")
    mended: list[int] = []
    loop = field = False
    for place, line in enumerate(lines):
        if line.startswith(";"):
            field = not field
        found = _ITEM.fullmatch(line)
        if not found:
            loop = line.strip().lower().startswith("loop_") or (loop and not line.strip())
        elif not loop and not field:
            tag, rest = found[1], found[2].strip()
            if not rest and _HEADS.match(_next_line(lines, place)):
                lines[place] = f"{tag} ?"
                mended.append(place + 1)
            elif re.search(r"\s", rest) and not re.match(r"['\"#;]|\S+\s+#|\S+\s+_", rest):
                lines[place] = f'{tag} "{rest}"'
                mended.append(place + 1)
    return "\n".join(lines), mended


def _next_line(lines: list[str], place: int) -> str:
    """Return the next line that is neither empty nor a comment."""
    rest = (lines[after] for after in range(place + 1, len(lines)))
    return next((line for line in rest if line.strip() and not line.startswith("#")), "")


def _block(block: gemmi.cif.Block) -> CifBlock:
    columns: dict[str, tuple[Value, ...]] = {}
    unknown, contradicted = set(), set()
    for tag, values in _columns(block):
        name = tag.lower().replace(".", "_")
        read = tuple(None if gemmi.cif.is_null(value) else _plain(value) or None for value in values)
        known = columns.get(name)
        if known and any(known) and any(read) and known != read:
            contradicted.add(name)
        if not known or not any(known):
            columns[name] = read
        unknown |= {(name, row) for row, value in enumerate(values) if value == "?"}
    return CifBlock(block.name.strip() or "without a name", columns, frozenset(unknown), frozenset(contradicted))


def _columns(block: gemmi.cif.Block) -> Iterator[tuple[str, list[str]]]:
    for item in block:
        if item.pair is not None:
            tag, value = cast(list[str], item.pair)
            yield tag, [value]
        elif item.loop is not None:
            width, values = item.loop.width(), item.loop.values
            for place, tag in enumerate(item.loop.tags):
                yield tag, values[place::width]


def _plain(value: str) -> str:
    return " ".join(gemmi.cif.as_string(value).split())


def number(value: Value) -> Fraction | None:
    """Return the exact value of a CIF number without its standard uncertainty, or of a quotient; None for anything
    else.

    >>> number("0.3333(2)"), number("1/3"), number("nan")
    (Fraction(3333, 10000), Fraction(1, 3), None)
    """
    text = (value or "").strip().replace("\N{MINUS SIGN}", "-")
    if len(text) > LONGEST_NUMBER:
        return None
    if found := _NUMBER.fullmatch(text):
        exact = Fraction(found[1].replace("d", "e").replace("D", "e"))
        return exact if abs(exact) < LARGEST_NUMBER else None
    if (found := _QUOTIENT.fullmatch(text)) and int(found[2]):
        return Fraction(int(found[1]), int(found[2]))
    return None


_TOKEN = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)
    |(?P<long>'''(?:.*?)'''|\"\"\"(?:.*?)\"\"\")
    |(?P<field>(?:(?<=\n)|\A);.*?\n;)
    |(?P<quoted>'[^'\n]*'|"[^"\n]*")
    |(?P<open>[\[{])|(?P<close>[\]}])
    |(?P<word>[^\s\[\]{}]+)""",
    re.VERBOSE | re.DOTALL,
)


def _cif_1(text: str) -> str:
    """Return a CIF 2 text as CIF 1: triple-quoted strings as text fields, lists and tables as single values."""
    parts, depth = [], 0
    for token in _TOKEN.finditer(text):
        kind, said = token.lastgroup, token[0]
        depth += (kind == "open") - (kind == "close" and depth > 0)
        if kind == "space":
            parts.append(said)
        elif depth or kind == "close":
            parts.append(" list " if kind == "close" and not depth else "")
        elif kind == "long":
            parts.append(f"\n;{said[3:-3]}\n;\n" if "\n;" not in said else "\n;\n;\n")
        else:
            parts.append(said)
    return "".join(parts)
