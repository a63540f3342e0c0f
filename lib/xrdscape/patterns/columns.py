"""Columns of numbers in a text: which lines hold them, what stands between them, and how their numbers are written."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from xrdscape.errors import PatternError
from xrdscape.patterns.pattern import Values

COMMENTS = ("#", "!", "%", "'", '"', "/", "*", ";", "<", "$", "@")
"""Characters that comments begin with; a quoted number is none."""

_NUMERIC = re.compile(
    r"[\"']?[-+]?(?:[.,]?\d|nan\b|inf\b)(?:[-+\d.,;\s\"'’\u00a0\u202f]++|[eEdD][-+]?\d|nan\b|inf(?:inity)?\b)*+$",
    re.IGNORECASE,
)
_SPACES = "[ '’\u00a0\u202f]"
_GROUPED = {
    ",": re.compile(r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d*)?$"),
    ".": re.compile(r"[-+]?\d{1,3}(?:\.\d{3})+(?:,\d*)?$"),
    " ": re.compile(rf"[-+]?\d{{1,3}}(?:{_SPACES}\d{{3}})+(?:[.,]\d*)?$"),
}
"""Numbers whose digits stand in groups of three."""

_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(?:\.\d{3})+")

Row = list[str]

DECIMAL_COMMAS = "Commas were read as decimal points."

MOST_LINES, LONGEST_LINE = 2000, 1000
"""Lines of a header that are kept, at most."""

LONGEST_ROW = 5000
"""Characters of a line of numbers."""

FIRST = 100
"""Lines that show whether decimals have commas."""


@dataclass(frozen=True)
class Table:
    """The numbers of a text.

    Args:
        header: lines before the numbers, and comments among and after them.
        names: of the columns, where a line of the header has as many as there are columns; else empty.
        columns: of numbers [n] each.
        remarks: what was assumed, a sentence each.
    """

    header: tuple[str, ...]
    names: tuple[str, ...]
    columns: tuple[Values, ...]
    remarks: tuple[str, ...]


def read_table(lines: Sequence[str], path: Path) -> Table:
    """Return the numbers of lines of text.

    Columns stand apart by blanks, tabs, commas or semicolons. Lines before the longest run of lines of numbers are a
    header, as are comments anywhere; numbers may have decimal commas, separators of thousands and Fortran's exponents.

    Raises:
        PatternError: for a text without numbers, or lines among and after them that are none.
    """
    numeric = [len(line) <= LONGEST_ROW and bool(_NUMERIC.match(line)) for line in lines]
    start, stop = _longest_run(lines, numeric)
    if start == stop:
        raise PatternError(f"{path} holds no numbers: a pattern is a line 'two_theta intensity' for each angle.")
    places = [place for place in range(start, stop) if numeric[place]]
    body = [lines[place] for place in places]
    plain = _plain(body)
    if plain is not None:
        columns, between, remarks = plain
        _refuse_rest(lines, numeric, (places[0], stop), len(columns), path)
        return _table(lines, numeric, places[0], between, columns, remarks)
    rows, between = _rows(body)
    count = Counter(map(len, rows)).most_common(1)[0][0]
    first = next(place for place, row in enumerate(rows) if len(row) == count)
    rows, places = rows[first:], places[first:]
    for place, row in zip(places, rows, strict=True):
        if len(row) != count:
            raise PatternError(
                f"{path}, line {place + 1}: the number of columns changes from {count} to {len(row)}. Give as many in "
                "every line."
            )
    _refuse_rest(lines, numeric, (places[0], stop), count, path)
    if (
        between == ","
        and count > 2
        and _only_commas(body[first:])
        and any(row[0] == other[0] for row, other in pairwise(rows))
    ):
        raise PatternError(
            f"{path}, line {places[0] + 1}: commas seem to stand both for decimals and between columns "
            f"({_short(lines[places[0]])!r}). Write decimals with points, or put semicolons between columns."
        )
    if not _names(lines[: places[0]], between, count):
        _refuse_broken_groups(rows, between, path)
    columns, remarks = _numbers(rows, places, path)
    return _table(lines, numeric, places[0], between, columns, remarks)


def _table(
    lines: Sequence[str],
    numeric: Sequence[bool],
    start: int,
    between: str,
    columns: tuple[Values, ...],
    remarks: tuple[str, ...],
) -> Table:
    """Return columns of numbers, which begin in a line, with the header before it and comments after it."""
    comments = [line for place, line in enumerate(lines[start:], start) if not numeric[place]]
    told = [line[:LONGEST_LINE] for line in (*lines[:start], *comments) if line]
    return Table(tuple(told[:MOST_LINES]), _names(lines[:start], between, len(columns)), columns, remarks)


def _plain(body: Sequence[str]) -> tuple[tuple[Values, ...], str, tuple[str, ...]] | None:
    """Return the columns of lines that are all written alike, what stands between them, and what was assumed.

    It is for speed: None leaves to the slower way what is not plain, or may be halves of numbers with separators of
    thousands.
    """
    remarks: tuple[str, ...] = ()
    columns = _split(body, (None, ",", ";"))
    decimal_commas = any("," in re.split(r"[;\s]", line)[0] for line in body[:FIRST])
    if columns is None and decimal_commas and not any("." in line for line in body):
        columns, remarks = _split([line.replace(",", ".") for line in body], (None, ";")), (DECIMAL_COMMAS,)
    if columns is None:
        return None
    if len(columns) > 2 and _only_commas(body):
        return None
    if not remarks and any(_bare_among_decimals(column, body, place) for place, column in enumerate(columns[1:], 1)):
        return None
    if any((column < 1000).all() and (column == np.round(column)).all() for column in columns[2:]):
        return None
    between = next((mark for mark in ";," if mark in body[0] and not (mark == "," and remarks)), "")
    return tuple(columns), between, remarks


def _bare_among_decimals(column: Values, body: Sequence[str], place: int) -> bool:
    """Return whether numbers without a point stand among others with three decimals, which may be thousands."""
    whole = column == np.round(column)
    if whole.all() or not whole.any() or np.abs(1000 * column - np.round(1000 * column)).max() > 1e-3:
        return False
    fields = (re.split(r"[\s,;]+", body[row]) for row in np.flatnonzero(whole)[:FIRST])
    return any("." not in field[place] for field in fields if len(field) > place)


def _only_commas(body: Sequence[str]) -> bool:
    """Return whether lines have commas, and no number has a point."""
    return "," in body[0] and not any("." in line for line in body)


def _split(body: Sequence[str], marks: tuple[str | None, ...]) -> Values | None:
    """Return the columns [m, n] of lines whose numbers stand apart by one of some marks; None stands for blanks."""
    for mark in marks:
        try:
            return np.loadtxt(body, dtype=np.float64, comments=None, delimiter=mark, ndmin=2).T
        except ValueError:
            continue
    return None


def _longest_run(lines: Sequence[str], numeric: Sequence[bool]) -> tuple[int, int]:
    """Return where the longest run of lines of numbers begins and ends; comments and empty lines do not break it."""
    best, start, count = (0, 0, 0), 0, 0
    for place, line in enumerate(lines):
        if numeric[place]:
            start = place if count == 0 else start
            count += 1
            if count > best[0]:
                best = (count, start, place + 1)
        elif line and not line.startswith(COMMENTS):
            count = 0
    return best[1], best[2]


def _refuse_rest(lines: Sequence[str], numeric: Sequence[bool], ends: tuple[int, int], count: int, path: Path) -> None:
    """Raise PatternError for what stands after the numbers and is no comment, or before them and may be of them."""
    start, stop = ends
    for place in range(stop, len(lines)):
        if lines[place] and not lines[place].startswith(COMMENTS):
            _refuse_line(lines[place], place, path)
    before = [place for place in range(start) if numeric[place]]
    alike = [place for place in before if len(_rows([lines[place]])[0][0]) == count]
    if len(alike) > 1:
        for place in range(alike[0], start):
            if lines[place] and not numeric[place] and not lines[place].startswith(COMMENTS):
                _refuse_line(lines[place], place, path)


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:40] + " ..."


def _refuse_line(line: str, place: int, path: Path) -> None:
    raise PatternError(
        f"{path}, line {place + 1}: expected 2theta, intensity and perhaps its uncertainty, received {_short(line)!r}. "
        "Keep these columns of one scan only, and begin comments with #."
    )


def _rows(lines: Sequence[str]) -> tuple[list[Row], str]:
    """Return the fields of lines of numbers, and what stands between them: ";", a tab, "," or "" for blanks."""
    most = 0.9 * len(lines)
    between = ""
    if sum(";" in line for line in lines) > most:
        between = ";"
    elif sum("\t" in line for line in lines) > most:
        between = "\t"
    elif sum(len(parts := line.split()) < 2 or parts[0].endswith(",") for line in lines) > most:
        between = ","
    if not between:
        return [[field.strip("\"'") for field in line.split()] for line in lines], between
    if any('"' in line for line in lines):
        # Each line for itself: a quote that nothing closes would swallow those after it.
        rows = [[field.strip() for field in next(csv.reader([line], delimiter=between), [])] for line in lines]
    else:
        rows = [[field.strip("' ") for field in line.split(between)] for line in lines]
    while rows and all(not row[-1] for row in rows if row):
        rows = [row[:-1] for row in rows]
    if between == "\t" and any(" " in field and not _GROUPED[" "].match(field) for row in rows[:9] for field in row):
        return _rows([line.replace("\t", " ") for line in lines])
    if between != ",":
        rows = [[field for field in row if field] for row in rows] if any(not r[0] for r in rows if r) else rows
    return rows, between


def _numbers(rows: Sequence[Row], places: Sequence[int], path: Path) -> tuple[tuple[Values, ...], tuple[str, ...]]:
    """Return columns of numbers, and what was assumed of how they are written."""
    texts = [list(column) for column in zip(*rows, strict=True)]
    marks = {mark for mark in ".," if any(mark in text for text in texts[0])}
    if len(marks) > 1:
        raise PatternError(f"{path}: the first column has points and commas. Write its numbers with points alone.")
    remarks: dict[str, None] = {}
    return tuple(
        _column(column, places, "".join(marks), number, path, remarks) for number, column in enumerate(texts, 1)
    ), tuple(remarks)


def _column(
    column: Sequence[str], places: Sequence[int], mark: str, number: int, path: Path, remarks: dict[str, None]
) -> Values:
    """Return the numbers of a column.

    Args:
        column: as written [n].
        places: of their lines [n].
        mark: of decimals in the first column; empty where it has none.
        number: of the column, from 1.
        path: of the file.
        remarks: is given what was assumed.
    """
    commas, points = (any(sign in text for text in column) for sign in ",.")
    if mark == "" and commas and all(_GROUPED[","].match(text) for text in column if "," in text):
        raise PatternError(
            f"{path}: the commas of column {number} may be of decimals or of thousands. Write its numbers with points "
            "for decimals and nothing for thousands."
        )
    mark = mark or ("," if commas else ".")
    if mark == "." and not commas and number > 1:
        _refuse_mixed_groups(column, places, number, path)
    if mark == "." and commas:
        column = _without_groups(column, ",", number, path, remarks)
    elif mark == ",":
        column = _without_groups(column, ".", number, path, remarks) if points else column
        column = [text.replace(",", ".") for text in column]
        remarks[DECIMAL_COMMAS] = None
    if any(_GROUPED[" "].match(text) for text in column):
        remarks[f"Blanks among the digits of column {number} were read as separators of thousands."] = None
        column = [re.sub(_SPACES, "", text) if _GROUPED[" "].match(text) else text for text in column]
    try:
        return np.array(column, dtype=np.float64)
    except ValueError:
        plain = [re.sub(r"(?<=[\d.])[dD](?=[-+\d])", "e", text) for text in column]
    try:
        return np.array(plain, dtype=np.float64)
    except ValueError:
        wrong = next(place for place, text in enumerate(plain) if not _is_number(text))
        raise PatternError(
            f"{path}, line {places[wrong] + 1}: {_short(column[wrong])!r} in column {number} is no number. Remove that "
            "line, or write the number with a point for decimals and no other mark."
        ) from None


def _refuse_mixed_groups(column: Sequence[str], places: Sequence[int], number: int, path: Path) -> None:
    """Raise PatternError for a column of whole numbers and of some with a point before three digits, as thousands."""
    pointed = [place for place, text in enumerate(column) if "." in text]
    if 0 < len(pointed) < len(column) and all(_THOUSANDS.fullmatch(column[place]) for place in pointed):
        raise PatternError(
            f"{path}, line {places[pointed[0]] + 1}: the point of {column[pointed[0]]!r} in column {number} may be of "
            "decimals or of thousands, as other numbers of the column have none. Write its numbers without separators "
            "of thousands."
        )


def _without_groups(
    column: Sequence[str], mark: str, number: int, path: Path, remarks: dict[str, None]
) -> Sequence[str]:
    """Return a column without the mark between groups of three digits.

    Raises:
        PatternError: for a mark that stands elsewhere, too.
    """
    grouped = _GROUPED[mark]
    odd = next((text for text in column if mark in text and not grouped.match(text)), None)
    large = next((text for text in column if mark not in text and re.match(r"[-+]?\d{4}", text)), None)
    if odd is not None or large is not None:
        kind = "comma" if mark == "," else "point"
        raise PatternError(
            f"{path}: {_short(odd or large or '')!r} in column {number} has its {kind} neither for decimals like the "
            "first column nor for thousands like the others of the column. Write the numbers with points for decimals "
            "and nothing for thousands."
        )
    kind = "Commas" if mark == "," else "Points"
    remarks[f"{kind} in column {number} were read as separators of thousands."] = None
    return [text.replace(mark, "") for text in column]


def _refuse_broken_groups(rows: Sequence[Row], between: str, path: Path) -> None:
    """Raise PatternError for rows of which two fields are the halves of numbers with separators of thousands."""
    for place in range(2, len(rows[0])):
        three = all(re.fullmatch(r"\d{3}", row[place]) for row in rows)
        short = between == "," and all(re.fullmatch(r"\d{1,3}", row[place - 1]) for row in rows)
        if three and (short or any(row[place].startswith("0") for row in rows)):
            raise PatternError(
                f"{path}: a column of three digits each ({rows[0][place]}, ...) seems to be the thousands of the one "
                "before it. Write the numbers without separators of thousands, or name the columns."
            )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _names(header: Sequence[str], between: str, count: int) -> tuple[str, ...]:
    """Return the names of columns that one of the last lines of a header has, or none."""
    for line in [line for line in reversed(header) if line.strip("#!;%*/ \t-=_'\"")][:3]:
        bare = line[:LONGEST_LINE].lstrip("#!;%*/ \t" if between != ";" else "#!%*/ \t")
        for split in (between, None, r"\s{2,}|\t|[;,|]\s*", r"\s+(?![(\[]|[^(\[]*[)\]])", r"\s+"):
            if split is None:
                parts = next(csv.reader([bare], skipinitialspace=True), []) if "," in bare else []
            else:
                parts = re.split(re.escape(split) if split == between and split else split, bare) if split else []
            parts = [part.strip(" \t\"'") for part in parts]
            while parts and not parts[-1]:
                parts.pop()
            if (
                len(parts) == count
                and not any(part.endswith(":") or "=" in part for part in parts)
                and not any(_NUMERIC.match(part) and not re.search("[a-zθ]", part) for part in parts)
            ):
                return tuple(parts)
    return ()
