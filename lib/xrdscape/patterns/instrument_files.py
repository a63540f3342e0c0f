"""Formats of instruments: geddes reads their angles and intensities, `instrument_details` what it leaves out."""

import io
import re
import zipfile
from pathlib import Path

import geddes
import numpy as np

from xrdscape.errors import PatternError
from xrdscape.patterns.decoding import decoded, lines_of
from xrdscape.patterns.instrument_details import BANK, DETAILS, gsas_lines
from xrdscape.patterns.pattern import Values
from xrdscape.patterns.scan import Scan

TEXT_FORMATS = {
    "xrdml": re.compile(r"<(?:\w+:)?xrdMeasurements\b"),
    "ras": re.compile(r"^[ \t]*\*RAS_(?:DATA|INT|HEADER)_START", re.MULTILINE),
    "uxd": re.compile(r"^_(?:2THETA)?(?:COUNTS|CPS)\s*$", re.MULTILINE),
    "gsas": BANK,
}
"""Marks of the format of a text, whatever the file is called."""

NAMES = {
    "raw": "a Bruker RAW file", "brml": "a Bruker BRML file", "uxd": "a UXD file", "ras": "a Rigaku RAS file",
    "rasx": "a Rigaku RASX file", "xrdml": "an XRDML file", "gsas": "a GSAS file",
}  # fmt: skip


def instrument_format(content: bytes, text: str | None) -> str | None:
    """Return the format of an instrument that a file is in, or None for columns of text.

    Args:
        content: of the file.
        text: that it is; None for one that is none.
    """
    if content.startswith(b"PK"):
        names = _members(content)
        if any(name.endswith("DataContainer.xml") for name in names):
            return "brml"
        return "rasx" if any(re.search(r"Profile\d*\.txt$", name) for name in names) else "archive"
    if content.startswith((b"RAW1.01", b"RAW4.00", b"RAW2", b"RAW ")):
        return "raw"
    if text is None:
        return None
    return next((name for name, mark in TEXT_FORMATS.items() if mark.search(text)), None)


def read_instrument_file(content: bytes, kind: str, path: Path) -> Scan:
    """Return the pattern in a file of an instrument.

    Args:
        content: of the file.
        kind: its format, as `instrument_format` tells.
        path: of the file.

    Raises:
        PatternError: for a file that is damaged, of an unknown version, or not over 2theta.
    """
    if kind == "archive":
        raise PatternError(
            f"{path} is an archive that holds no pattern, or is damaged: unpack it and give the file of the pattern "
            "that is in it, or export the pattern again as two columns (.xy)."
        )
    if kind in TEXT_FORMATS:
        text = decoded(content, path)
        content = "\n".join(gsas_lines(text, path) if kind == "gsas" else lines_of(text)).encode()
    position, intensity = _read(content, kind, 0, path)
    remarks = []
    if _has_more(content, kind, path):
        remarks.append("The file holds several scans; the first was read.")
    scan = DETAILS[kind](content, Scan(position, intensity, axis="two-theta"), path)
    return Scan(scan.position, scan.intensity, scan.sigma, scan.axis, scan.radiation, remarks=(*remarks, *scan.remarks))


def _read(content: bytes, kind: str, index: int, path: Path) -> tuple[Values, Values]:
    """Return the angles and intensities of a scan of a file."""
    try:
        found = geddes.read_bytes(content, f"pattern.{kind}", index=index)
    except (ValueError, OSError, OverflowError) as error:
        raise PatternError(
            f"{path} cannot be read as {NAMES[kind]}: {error}. Export it from its program as two columns (.xy)."
        ) from error
    return np.array(found.x, dtype=np.float64), np.array(found.y, dtype=np.float64)


def _has_more(content: bytes, kind: str, path: Path) -> bool:
    try:
        _read(content, kind, 1, path)
    except PatternError:
        return False
    return True


def _members(content: bytes) -> list[str]:
    try:
        return zipfile.ZipFile(io.BytesIO(content)).namelist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        return []
