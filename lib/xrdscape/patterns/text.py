"""Patterns in two or three columns of text: 2theta, intensity and, where a third stands, its uncertainty."""

import re
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

import numpy as np

from xrdscape import __version__
from xrdscape.diffraction.profile import PeakProfile
from xrdscape.diffraction.radiation import EmissionLine, Radiation
from xrdscape.diffraction.widths import CagliotiWidth, SizeWidth
from xrdscape.errors import PatternError
from xrdscape.patterns.pattern import Pattern

COMMENTS = ("#", "!", "%", "'", '"', "/", "*")
OURS, RADIATION, PROFILE, NO_BACKGROUND = "xrdscape ", "radiation:", "profile:", "background: none"
"""What lines of the header begin with that `xy_text` writes and `read_text` understands."""
MONOCHROMATOR = "monochromator_two_theta_deg"
_WAVELENGTH = re.compile(r"(?:wave ?length|lambda)[^\n.]{0,25}?(\d+\.\d+)", re.IGNORECASE)
_SETTING = re.compile(r"(\w+)=([-+.\deE]+)")


def xy_text(pattern: Pattern) -> str:
    """Return a pattern as columns of text, with all else that is known of it in a header."""
    header = [f"{OURS}{__version__}", *([f"from: {pattern.origin}"] if pattern.origin else []), *pattern.remarks]
    if pattern.radiation is not None:
        header.append(f"{RADIATION} {_radiation_text(pattern.radiation)}")
    if pattern.profile is not None:
        header.append(f"{PROFILE} {_settings(**vars(pattern.profile.width), eta=pattern.profile.eta)}")
    if not pattern.has_background:
        header.append(NO_BACKGROUND)
    columns = [pattern.two_theta_deg, pattern.intensity, *([] if pattern.sigma is None else [pattern.sigma])]
    header.append("two_theta_deg intensity" + ("" if pattern.sigma is None else " sigma"))
    rows = [f"{angle:.8g} " + " ".join(f"{y:.8g}" for y in values) for angle, *values in zip(*columns, strict=True)]
    return "\n".join([*(f"# {line}" for line in header), *rows]) + "\n"


def _settings(**values: float) -> str:
    return ", ".join(f"{name}={value:.10g}" for name, value in values.items())


def _radiation_text(radiation: Radiation) -> str:
    lines = [_settings(**vars(line)) for line in radiation.lines]
    angle = radiation.monochromator_two_theta_deg
    return "; ".join([*lines, *([] if angle is None else [_settings(**{MONOCHROMATOR: angle})])])


def read_text(text: str, path: Path) -> Pattern:
    """Parse a pattern in columns, apart by spaces, tabs, commas or semicolons (then decimals may have commas).

    Lines before the numbers that hold no numbers, and comments anywhere, are a header; a wavelength is taken from it,
    and all that `xy_text` writes.

    Raises:
        PatternError: for a line that is not two or three numbers.
    """
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    lines = [(number, line) for number, line in lines if line]
    header = [line.lstrip("# ") for _, line in takewhile(lambda item: _numbers(item[1]) is None, lines)]
    body = [item for item in lines[len(header) :] if not item[1].startswith(COMMENTS)]
    rows = [_row(number, line, path) for number, line in body]
    if not rows:
        raise PatternError(f"{path} holds no numbers: a pattern is a line 'two_theta intensity' for each angle.")
    if len({len(row) for row in rows}) > 1:
        odd = next(number for (number, _), row in zip(body, rows, strict=True) if len(row) != len(rows[0]))
        raise PatternError(f"{path}, line {odd}: the number of columns changes. Give two or three in every line.")
    columns = np.array(rows, dtype=np.float64).T
    radiation, profile = _known(header, path)
    return Pattern(
        columns[0],
        columns[1],
        sigma=columns[2] if len(columns) == 3 else None,
        radiation=radiation,
        profile=profile,
        has_background=NO_BACKGROUND not in header,
        origin=str(path),
    )


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


def _known(header: Sequence[str], path: Path) -> tuple[Radiation | None, PeakProfile | None]:
    """Return radiation and profile as `xy_text` writes them or, in a file from elsewhere, as far as they are named."""
    if header and header[0].startswith(OURS):
        try:
            return _radiation(_after(RADIATION, header)), _profile(_after(PROFILE, header))
        except (KeyError, TypeError, ValueError) as error:
            raise PatternError(f"{path}: radiation or profile in the header make no sense ({error}).") from error
    found = _WAVELENGTH.search("\n".join(header))
    return (Radiation.of(float(found[1])) if found else None), None


def _radiation(told: str | None) -> Radiation | None:
    if told is None:
        return None
    parts = [{name: float(value) for name, value in _SETTING.findall(part)} for part in told.split(";")]
    lines = tuple(EmissionLine(**part) for part in parts if MONOCHROMATOR not in part)
    return Radiation(lines, next((part[MONOCHROMATOR] for part in parts if MONOCHROMATOR in part), None))


def _profile(told: str | None) -> PeakProfile | None:
    if told is None:
        return None
    settings = {name: float(value) for name, value in _SETTING.findall(told)}
    eta = settings.pop("eta")
    return PeakProfile(SizeWidth(**settings) if "size_angstrom" in settings else CagliotiWidth(**settings), eta)


def _after(start: str, header: Sequence[str]) -> str | None:
    return next((line.removeprefix(start) for line in header if line.startswith(start)), None)
