"""Patterns in columns of text: positions, intensities and, where a column is one, their uncertainties."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from xrdscape.errors import PatternError
from xrdscape.patterns.axis_of_file import NamedAxis, axis_of_lines
from xrdscape.patterns.columns import Table, read_table
from xrdscape.patterns.decoding import lines_of
from xrdscape.patterns.own_text import own_header
from xrdscape.patterns.pattern import Values
from xrdscape.patterns.roles import Roles, roles_of
from xrdscape.patterns.scan import CPS, AxisName, FileRadiation, Scan
from xrdscape.patterns.sources import refuse_other_sources
from xrdscape.patterns.stepped import read_stepped
from xrdscape.patterns.uncertainties import like_counts, like_intensities, like_no_uncertainties
from xrdscape.patterns.wavelengths import radiation_of_lines

ERROR_SUFFIXES = (".xye", ".fxye", ".xyd3")
"""Endings of files whose format has uncertainties in the third column."""

MOST_TITLES = 5
"""Lines of numbers before a pattern that may be titles."""

ODD_STEP, ODD_STEP_OF_EVEN, EVEN = 20.0, 1.5, 0.02
"""A title's number stands away from the pattern by so many of its largest steps at least, or in the wrong direction;
the second where the steps of the pattern differ by no more than the third, relative to the largest."""


def read_text(text: str, path: Path, axis: AxisName | None = None) -> Scan:
    """Return the pattern in a text.

    Args:
        text: of the file.
        path: of the file.
        axis: that the user says the positions are on.

    Raises:
        PatternError: for a text that is no pattern in columns.
    """
    lines = lines_of(text)
    stepped = read_stepped(lines, path)
    if stepped is not None:
        return stepped
    table = _without_titles(read_table(lines, path))
    refuse_other_sources(table.header, path)
    roles = roles_of(table.names, len(table.columns), axis, path)
    named = None if axis else _axis(table, roles, path)
    intensity, remarks = table.columns[roles.intensity], list(table.remarks)
    _refuse_slope(intensity, table, path)
    if roles.attenuator is not None:
        intensity = intensity * table.columns[roles.attenuator]
        remarks.append(f"Intensities were multiplied by the column {table.names[roles.attenuator]!r}.")
    if roles.rest:
        remarks.append(f"Columns that were left out: {', '.join(map(repr, roles.rest))}.")
    if table.names and re.search(r"(?<![a-z])cps|counts?\s*/\s*s|/\s*sec", table.names[roles.intensity], re.IGNORECASE):
        remarks.append(CPS)
    sigma = _sigma(table, roles, intensity, path, remarks)
    own = own_header([line.lstrip("# ") for line in table.header], path)
    scan = Scan(
        table.columns[roles.position] * (named.factor if named else 1.0),
        intensity,
        sigma,
        named.name if named else None,
        radiation_of_lines(table.header),
        remarks=tuple(remarks),
    )
    if own is None:
        return scan
    return replace(
        scan,
        radiation=FileRadiation(own.radiation, "its header"),
        profile=own.profile,
        has_background=own.has_background,
    )


def _refuse_slope(intensity: Values, table: Table, path: Path) -> None:
    """Raise PatternError for a column that rises or falls all the way: d or an angle, which no name tells."""
    steps = np.diff(intensity)
    if not table.names and len(steps) > 1 and ((steps > 0).all() or (steps < 0).all()):
        raise PatternError(
            f"{path}: the second column rises or falls all the way, as d or an angle does, and no pattern. Keep "
            "2theta, intensity and perhaps its uncertainty, or name the columns in a line above them."
        )


def _axis(table: Table, roles: Roles, path: Path) -> NamedAxis | None:
    """Return the axis that the name of the column or a line of the header tells.

    Raises:
        PatternError: for one that no pattern can be read over.
    """
    chi = path.suffix.lower() == ".chi" and len(table.header) > 1
    try:
        named = roles.axis or axis_of_lines(table.header[:100], table.header[1] if chi else "")
    except PatternError as error:
        raise PatternError(f"{path}: {error}") from error
    if named is not None and named.name is None:
        raise PatternError(
            f"{path}: the axis {named.text.strip()!r} {named.why}. If it is one of them, say which with "
            "--axis two-theta, q-angstrom, q-nm or d (in Python axis=)."
        )
    return named


def _sigma(table: Table, roles: Roles, intensity: Values, path: Path, remarks: list[str]) -> Values | None:
    """Return the column of uncertainties, if there is one, and say why another one is none."""
    if roles.third is None:
        return None
    third = table.columns[roles.third]
    if roles.third_is_named:
        return third
    if like_counts(intensity, third):
        remarks.append(
            "The third column was taken for uncertainties, as it follows the square root of the intensities."
        )
        return third
    if path.suffix.lower() in ERROR_SUFFIXES and not (
        like_intensities(intensity, third) or like_no_uncertainties(third)
    ):
        remarks.append(f"The third column was taken for uncertainties, as in {path.suffix.lower()} files.")
        return third
    remarks.append(
        "The third column was left out: nothing names it an uncertainty, and it does not follow the square root of the "
        "intensities. If it holds factors of an attenuator, name it so."
    )
    return None


def _without_titles(table: Table) -> Table:
    """Return a table without lines of numbers at its begin that are out of line with all that follow.

    Where columns have names, nothing but their numbers follows.
    """
    if table.names:
        return table
    position = table.columns[0]
    for skipped in range(1, min(MOST_TITLES, len(position) - 3) + 1):
        steps = np.diff(position[skipped:])
        if not ((steps >= 0).all() or (steps <= 0).all()):
            continue
        jump, largest = float(position[skipped] - position[skipped - 1]), float(np.abs(steps).max())
        even = np.ptp(np.abs(steps)) <= EVEN * largest
        if (
            abs(jump) <= (ODD_STEP_OF_EVEN if even else ODD_STEP) * largest
            and jump * (position[-1] - position[skipped]) >= 0
        ):
            return table
        shown = "; ".join(" ".join(f"{column[place]:g}" for column in table.columns) for place in range(skipped))
        which = "line of numbers" if skipped == 1 else f"{skipped} lines of numbers"
        remark = f"The first {which}, {shown}, stood apart; it was taken for a title."
        return replace(
            table,
            columns=tuple(column[skipped:] for column in table.columns),
            remarks=(*table.remarks, remark),
        )
    return table
