"""Patterns in two or three columns of text: 2theta, intensity and, where a third stands, its uncertainty."""

import re
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

import numpy as np

from xrdscape.diffraction.profile import PeakProfile
from xrdscape.diffraction.widths import CagliotiWidth
from xrdscape.errors import PatternError
from xrdscape.patterns.measured import Raw

COMMENTS = ("#", "!", "%", "'", '"', "/", "*")
_WAVELENGTH = re.compile(r"(?:wave ?length|lambda)[^\n.]{0,25}?(\d+\.\d+)", re.IGNORECASE)
_SETTING = re.compile(r"(\w+)=([-+.\deE]+)")


def read_text(text: str, path: Path) -> Raw:
    """Parse a pattern in columns, apart by spaces, tabs, commas or semicolons (then decimals may have commas).

    Lines before the numbers that hold no numbers, and comments anywhere, are a header; a wavelength and the instrument
    of `xrdscape simulate` are taken from it.

    Raises:
        PatternError: for a line that is not two or three numbers.
    """
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    lines = [(number, line) for number, line in lines if line]
    header = [line for _, line in takewhile(lambda item: _numbers(item[1]) is None, lines)]
    body = [item for item in lines[len(header) :] if not item[1].startswith(COMMENTS)]
    rows = [_row(number, line, path) for number, line in body]
    if not rows:
        raise PatternError(f"{path} holds no numbers: a pattern is a line 'two_theta intensity' for each angle.")
    if len({len(row) for row in rows}) > 1:
        odd = next(number for (number, _), row in zip(body, rows, strict=True) if len(row) != len(rows[0]))
        raise PatternError(f"{path}, line {odd}: the number of columns changes. Give two or three in every line.")
    columns = np.array(rows, dtype=np.float64).T
    wavelengths, profile = _told(header)
    simulated = any(line.lstrip("# ").startswith("xrdscape ") for line in header)
    return Raw(columns[0], columns[1], columns[2] if len(columns) == 3 else None, wavelengths, profile, simulated)


def _numbers(line: str) -> list[float] | None:
    fields = [part.replace(",", ".") for part in line.split(";")] if ";" in line else re.split(r"[\s,]+", line)
    try:
        return [float(part) for part in fields if part.strip()]
    except ValueError:
        return None


def _row(number: int, line: str, path: Path) -> list[float]:
    values = _numbers(line)
    if values is None or len(values) not in (2, 3):
        shown = line if len(line) <= 40 else line[:40] + " ..."
        raise PatternError(
            f"{path}, line {number}: expected 2theta, intensity and perhaps its uncertainty, received {shown!r}. "
            "Keep these columns only, and begin comments with #."
        )
    return values


def _told(header: Sequence[str]) -> tuple[tuple[float, ...], PeakProfile | None]:
    """Return wavelengths and profile, as far as a header tells them."""
    settings = {
        name: float(value) for line in header if "instrument:" in line for name, value in _SETTING.findall(line)
    }
    profile = (
        PeakProfile(CagliotiWidth(settings["U"], settings["V"], settings["W"]), settings["eta"])
        if {"U", "V", "W", "eta"} <= set(settings)
        else None
    )
    wavelengths = [value for name, value in settings.items() if re.fullmatch(r"wavelength_(\d_)?angstrom", name)]
    if wavelengths:
        return tuple(wavelengths), profile
    found = _WAVELENGTH.search("\n".join(header))
    return ((float(found[1]),) if found else ()), profile
