"""Formats of instruments: geddes reads their angles and intensities, and what it leaves out is read here."""

import io
import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import geddes
import numpy as np

from xrdscape.errors import PatternError
from xrdscape.patterns.decoding import decoded, lines_of
from xrdscape.patterns.pattern import Values
from xrdscape.patterns.scan import UNKNOWN, FileRadiation, Scan
from xrdscape.patterns.sources import refuse_other_sources
from xrdscape.patterns.wavelengths import doublet, radiation_of_lines

TEXT_FORMATS = {
    "xrdml": re.compile(r"<(?:\w+:)?xrdMeasurements\b"),
    "ras": re.compile(r"^\s*\*RAS_(?:DATA|INT|HEADER)_START", re.MULTILINE),
    "uxd": re.compile(r"^_(?:2THETA)?(?:COUNTS|CPS)\s*$", re.MULTILINE),
    "gsas": re.compile(r"^BANK\s+\d+\s+\d+\s+\d+\s+\w+", re.MULTILINE),
}
"""What shows the format of a text, whatever the file is called."""

LARGEST_MEMBER = 2**28
"""Bytes of a file inside an archive, unpacked, that are read at most."""

CPS = "Intensities are counts per second; their weights are those of counts but for a factor."


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
            f"{path} is an archive without a pattern: unpack it, and give the file of the pattern that is in it."
        )
    if kind in TEXT_FORMATS:
        content = "\n".join(lines_of(decoded(content, path))).encode()
    position, intensity = _read(content, kind, 0, path)
    remarks = []
    if _has_more(content, kind, path):
        remarks.append("The file holds several scans; the first was read.")
    scan = DETAILS[kind](content, Scan(position, intensity, axis="two-theta"), path)
    return Scan(
        scan.position, scan.intensity, scan.sigma, scan.axis, scan.radiation, remarks=(*remarks, *scan.remarks)
    )


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


def _member(content: bytes, pattern: str) -> str:
    """Return the text of the first file in an archive whose name matches, or nothing."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for info in archive.infolist():
            if re.search(pattern, info.filename) and info.file_size <= LARGEST_MEMBER:
                try:
                    return archive.read(info).decode("utf-8-sig", errors="replace")
                except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, ValueError):
                    return ""
    return ""


def _bruker_raw(content: bytes, scan: Scan, path: Path) -> Scan:
    """Add the wavelengths of a RAW file of version 3 or 4, from the fields of its header."""
    start = 624 if content.startswith(b"RAW1.01") else _source_record(content) + 80
    if start == 79 or len(content) < start + 32:
        return scan
    # K-alpha 1, K-alpha 2, K-beta, and the ratio of the first two.
    first, second, _, ratio = struct.unpack_from("<4d", content, start)
    return _with(scan, doublet(_sound(first), _sound(second), _sound(ratio), "the header of the RAW file"))


def _source_record(content: bytes) -> int:
    """Return where the record of the X-ray source, of type 30, begins in a RAW file of version 4; -1 without one."""
    place = 61
    while place + 8 <= len(content):
        kind, length = struct.unpack_from("<2I", content, place)
        if kind == 30:
            return place
        if kind in (0, 160) or length < 8:
            return -1
        place += length
    return -1


def _sound(value: float) -> float | None:
    return value if np.isfinite(value) and 0 < value < 100 else None


def _uxd(content: bytes, scan: Scan, path: Path) -> Scan:
    lines = lines_of(content.decode())
    refuse_other_sources(lines[:200], path)
    cps = any(re.match(r"_(?:2THETA)?CPS", line) for line in lines)
    return _with(scan, radiation_of_lines([line for line in lines if line.startswith(("_", ";"))]), *[CPS] * cps)


def _ras(content: bytes, scan: Scan, path: Path) -> Scan:
    """Add wavelengths, and multiply by the attenuator's factors, which stand in the third column."""
    text = content.decode()
    header = [line for line in lines_of(text.partition("*RAS_INT_START")[0]) if line.startswith("*")]
    told = {line.split(None, 1)[0]: line.partition(" ")[2].strip('" ') for line in header}
    body = text.partition("*RAS_INT_START")[2].partition("*RAS_INT_END")[0]
    unit = told.get("*HW_XG_WAVE_LENGTH_UNIT", "angstrom").lower()
    scale = 10.0 if unit.startswith("nm") else 1.0
    alpha = [_float(told.get(f"*HW_XG_WAVE_LENGTH_ALPHA{index}")) for index in (1, 2)]
    radiation = doublet(
        *(value * scale if value else None for value in alpha),
        None,
        "*HW_XG_WAVE_LENGTH_ALPHA1 and 2",
        told.get("*HW_XG_WAVE_TYPE", "Ka"),
    )
    scan = _attenuated(scan, body)
    return _with(scan, radiation, *[CPS] * (told.get("*MEAS_SCAN_UNIT_Y", "").lower() == "cps"))


def _rasx(content: bytes, scan: Scan, path: Path) -> Scan:
    """Add wavelengths, and multiply by the attenuator's factors, which stand in the third column."""
    told = _elements(_member(content, r"Data0/Mea?surementConditions\d*\.xml$"))
    radiation = doublet(
        _float(told.get("WavelengthKalpha1")),
        _float(told.get("WavelengthKalpha2")),
        None,
        "WavelengthKalpha1 and 2",
        told.get("WaveType", "Ka"),
    )
    scan = _attenuated(scan, _member(content, r"Data0/Profile\d*\.txt$"))
    return _with(scan, radiation, *[CPS] * (told.get("IntensityUnit", "").lower() == "cps"))


def _attenuated(scan: Scan, body: str) -> Scan:
    """Return a scan whose intensities are multiplied by the third of its columns, the factors of an attenuator."""
    rows = [line.replace(",", " ").split() for line in body.splitlines() if line.strip()]
    factors = [_float(row[2]) if len(row) > 2 else None for row in rows]
    if len(factors) != len(scan.intensity) or any(factor is None for factor in factors):
        return scan
    factor = np.array(factors, dtype=np.float64)
    position = [_float(row[0]) or 0.0 for row in rows]
    factor = factor[::-1] if position[0] > position[-1] else factor
    if (factor <= 0).any() or (factor == 1).all():
        return scan
    remark = f"Intensities were multiplied by the factors of the attenuator in the third column, up to {factor.max():g}."
    return Scan(scan.position, scan.intensity * factor, axis=scan.axis, remarks=(*scan.remarks, remark))


def _brml(content: bytes, scan: Scan, path: Path) -> Scan:
    """Add the wavelengths of the tube."""
    text = "".join(_member(content, name) for name in (r"RawData0\.xml$", r"MeasurementContainer\.xml$"))
    fields = {}
    for name in ("Alpha1", "Alpha2", "Ratio"):
        found = re.search(rf"<(?:\w+:)?WaveLength{name}\b[^>]*?\bValue\s*=\s*\"([^\"]*)\"", text)
        fields[name] = _float(found[1]) if found else None
    return _with(scan, doublet(fields["Alpha1"], fields["Alpha2"], fields["Ratio"], "WaveLengthAlpha1 and 2"))


def _xrdml(content: bytes, scan: Scan, path: Path) -> Scan:
    """Add wavelengths; intensities of unequal counting times are brought to their mean."""
    told = _elements(content.decode())
    radiation = doublet(
        _float(told.get("kAlpha1")),
        _float(told.get("kAlpha2")),
        _float(told.get("ratioKAlpha2KAlpha1")),
        "usedWavelength",
        told.get("usedWavelength/intended", "K-Alpha"),
    )
    if "beta" in told.get("usedWavelength/intended", "").lower():
        radiation = doublet(_float(told.get("kBeta")), None, None, "usedWavelength (K-beta)")
    remarks = [CPS] if told.get("intensities/unit", "").lower() == "cps" else []
    times = [_float(text) for text in told.get("countingTimes", "").split()]
    if len(times) == len(scan.intensity) and all(times) and len(set(times)) > 1:
        time = np.array(times, dtype=np.float64)
        scan = Scan(scan.position, scan.intensity * (time.mean() / time), axis=scan.axis)
        remarks.append(f"Counting times differ, {time.min():g} to {time.max():g} s; intensities were brought to their mean.")
    if "beamAttenuationFactors" in told and "counts" in told and "intensities" not in told:
        remarks.append("Counts were multiplied by the factors of the attenuator.")
    return _with(scan, radiation, *remarks)


def _gsas(content: bytes, scan: Scan, path: Path) -> Scan:
    """Add the uncertainties of an ESD or FXYE bank."""
    lines = lines_of(content.decode())
    begin = next(place for place, line in enumerate(lines) if TEXT_FORMATS["gsas"].match(line))
    refuse_other_sources(lines[:begin], path)
    radiation = radiation_of_lines([*lines[:begin], *(line for line in lines[begin:] if line.startswith("#"))])
    remarks = [f"Angles are those of the line {lines[begin]!r}, in hundredths of a degree."]
    body = []
    for line in lines[begin + 1 :]:
        if line.startswith("BANK"):
            break
        body += [line] if line and not line.startswith(("#", "!")) else []
    style = lines[begin].upper().split()
    sigma = None
    if "FXYE" in style:
        sigma = _floats([line.split()[2] for line in body if len(line.split()) > 2])
    elif "ESD" in style:
        sigma = _floats(" ".join(body).split()[1::2]) 
        if sigma is None or len(sigma) < len(scan.intensity):
            sigma = _floats([line[at : at + 8] for line in body for at in range(8, len(line), 16)])
    if sigma is not None:
        sigma = sigma[: len(scan.intensity)]
    if sigma is None or len(sigma) < len(scan.intensity):
        return _with(scan, radiation, *remarks)
    falling = "FXYE" in style and float(body[0].split()[0]) > float(body[-1].split()[0])
    return _with(
        Scan(scan.position, scan.intensity, sigma[::-1] if falling else sigma, scan.axis), radiation, *remarks
    )


def _with(scan: Scan, radiation: FileRadiation, *remarks: str) -> Scan:
    return Scan(
        scan.position, scan.intensity, scan.sigma, scan.axis, radiation or UNKNOWN, remarks=(*scan.remarks, *remarks)
    )


def _elements(xml: str) -> dict[str, str]:
    """Return the first text of each element by its name, and attributes by element/attribute."""
    told: dict[str, str] = {}
    try:
        root = ElementTree.fromstring(xml.encode() if xml.lstrip().startswith("<?xml") else xml)
    except (ElementTree.ParseError, ValueError):
        return told
    for element in root.iter():
        name = element.tag.rpartition("}")[2]
        told.setdefault(name, (element.text or "").strip())
        for key, value in element.attrib.items():
            told.setdefault(f"{name}/{key}", value)
    return told


def _float(text: str | None) -> float | None:
    try:
        value = float((text or "").strip('" '))
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def _floats(texts: list[str]) -> Values | None:
    try:
        return np.array([text.replace("D", "E") for text in texts], dtype=np.float64)
    except ValueError:
        return None


NAMES = {
    "raw": "a Bruker RAW file", "brml": "a Bruker BRML file", "uxd": "a UXD file", "ras": "a Rigaku RAS file",
    "rasx": "a Rigaku RASX file", "xrdml": "an XRDML file", "gsas": "a GSAS file",
}  # fmt: skip
DETAILS: dict[str, Callable[[bytes, Scan, Path], Scan]] = {
    "raw": _bruker_raw, "brml": _brml, "uxd": _uxd, "ras": _ras, "rasx": _rasx, "xrdml": _xrdml, "gsas": _gsas,
}  # fmt: skip
