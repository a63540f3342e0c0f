"""The text that this program writes of a pattern, and what its header tells when it is read again."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from xrdscape.diffraction.profile import PeakProfile
from xrdscape.diffraction.radiation import EmissionLine, Radiation
from xrdscape.diffraction.widths import CagliotiWidth, SizeWidth
from xrdscape.errors import PatternError
from xrdscape.patterns.pattern import Pattern
from xrdscape.version import __version__

OURS, RADIATION, PROFILE, NO_BACKGROUND = "xrdscape ", "radiation:", "profile:", "background: none"
"""Beginnings of lines of the header that `xy_text` writes and `own_header` understands."""
MONOCHROMATOR = "monochromator_two_theta_deg"
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


@dataclass(frozen=True)
class OwnHeader:
    """Contents of the header of a file that this program wrote."""

    radiation: Radiation | None
    profile: PeakProfile | None
    has_background: bool


def own_header(header: Sequence[str], path: Path) -> OwnHeader | None:
    """Return what `xy_text` wrote into the lines of a header, or None for a file from elsewhere.

    Raises:
        PatternError: for a header that was edited and makes no sense any more.
    """
    if not header or not header[0].startswith(OURS):
        return None
    try:
        radiation, profile = _radiation(_after(RADIATION, header)), _profile(_after(PROFILE, header))
    except (KeyError, TypeError, ValueError) as error:
        raise PatternError(f"{path}: radiation or profile in the header make no sense ({error}).") from error
    return OwnHeader(radiation, profile, NO_BACKGROUND not in header)


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
