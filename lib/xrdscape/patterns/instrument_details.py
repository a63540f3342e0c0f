"""Details that files of instruments give beyond angles and intensities: wavelengths, attenuators, uncertainties,
times."""

import io
import re
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from xrdscape.errors import PatternError
from xrdscape.patterns.decoding import lines_of
from xrdscape.patterns.pattern import Values
from xrdscape.patterns.scan import CPS, FileRadiation, Scan
from xrdscape.patterns.sources import refuse_other_sources
from xrdscape.patterns.wavelengths import doublet, radiation_of_lines

BANK = re.compile(r"^BANK\s+\d+\s+\d+\s+\d+\s+\w+", re.MULTILINE)
"""Line that a bank of GSAS begins with."""

START_APART = 0.1
"""Ratio of first angles, by the header of a bank and by its points, from which one is not in its unit."""

LARGEST_MEMBER = 2**28
"""Bytes of a file inside an archive, unpacked, that are read at most."""


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
    parts = re.split(r"^[ \t]*\*RAS_INT_START[ \t]*$", content.decode(), maxsplit=1, flags=re.MULTILINE)
    head, rest = parts if len(parts) == 2 else (parts[0], "")
    pairs = [line.split(None, 1) for line in lines_of(head) if line.startswith("*")]
    told = {pair[0]: pair[1].strip('" ') for pair in pairs if len(pair) > 1}
    scale = 10.0 if told.get("*HW_XG_WAVE_LENGTH_UNIT", "").lower().startswith("nm") else 1.0
    radiation = _tube(
        [_float(told.get(f"*HW_XG_WAVE_LENGTH_{line}"), scale) for line in ("ALPHA1", "ALPHA2", "BETA")],
        None,
        "*HW_XG_WAVE_LENGTH",
        told.get("*MEAS_COND_XG_WAVE_TYPE", "Ka"),
    )
    cps = told.get("*MEAS_SCAN_UNIT_Y", "").lower() == "cps"
    return _with(_attenuated(scan, rest.partition("*RAS_INT_END")[0], cps, path), radiation, *[CPS] * cps)


def _rasx(content: bytes, scan: Scan, path: Path) -> Scan:
    """Add wavelengths, and multiply by the attenuator's factors, which stand in the third column."""
    told = _elements(_member(content, r"Data0/Mea?surementConditions\d*\.xml$"))
    radiation = _tube(
        [_float(told.get(f"WavelengthK{line}")) for line in ("alpha1", "alpha2", "beta")],
        None,
        "WavelengthKalpha1 and 2",
        told.get("WaveType", "Ka"),
    )
    cps = told.get("IntensityUnit", "").lower() == "cps"
    return _with(_attenuated(scan, _member(content, r"Data0/Profile\d*\.txt$"), cps, path), radiation, *[CPS] * cps)


def _tube(lines: list[float | None], ratio: float | None, source: str, intended: str) -> FileRadiation:
    """Return the radiation of a tube, of whose lines K-alpha 1, 2 and K-beta, angstrom, one or the doublet is used."""
    first, second, beta = lines
    if re.search(r"b(?:eta)?\s*$", intended.strip(), re.IGNORECASE):
        return doublet(beta, None, None, f"{source} (K-beta)")
    return doublet(first, second, ratio, source, intended)


def _attenuated(scan: Scan, body: str, cps: bool, path: Path) -> Scan:
    """Return a scan whose intensities are multiplied by the third of its columns, the factors of an attenuator.

    Raises:
        PatternError: for a third column that does not hold a factor for each point.
    """
    rows = [line.replace(",", " ").split() for line in body.splitlines() if line.strip("\ufeff \t")]
    if all(len(row) < 3 for row in rows):
        return scan
    position, factors = (_floats([row[place] for row in rows if len(row) > 2]) for place in (0, 2))
    if position is None or factors is None or len(factors) != len(scan.intensity) or not (factors > 0).all():
        raise PatternError(
            f"{path}: the third column, of the attenuator, does not hold a factor above 0 for each point. Export the "
            "pattern again, or as two columns (.xy)."
        )
    if (factors == 1).all():
        return scan
    if position[0] > position[-1]:
        factors = factors[::-1]
    most = f"up to {factors.max():g}"
    remark = f"Intensities were multiplied by the factors of the attenuator in the third column, {most}."
    return replace(
        scan,
        intensity=scan.intensity * factors,
        sigma=None if cps else _counted(scan.intensity, factors),
        remarks=(*scan.remarks, remark),
    )


def _counted(counts: Values, factor: Values) -> Values:
    """Return the standard uncertainties of counts that were multiplied by factors [n]."""
    return factor * np.sqrt(np.maximum(counts, 1))


def _brml(content: bytes, scan: Scan, path: Path) -> Scan:
    """Add the wavelengths of the tube."""
    text = "".join(_member(content, name) for name in (r"RawData0\.xml$", r"MeasurementContainer\.xml$"))
    told = dict(re.findall(r"<(?:\w+:)?WaveLength(Alpha1|Alpha2|Ratio)\b[^>]*?\bValue\s*=\s*\"([^\"]*)\"", text))
    first, second, ratio = (_float(told.get(name)) for name in ("Alpha1", "Alpha2", "Ratio"))
    return _with(scan, doublet(first, second, ratio, "WaveLengthAlpha1 and 2"))


def _xrdml(content: bytes, scan: Scan, path: Path) -> Scan:
    """Add wavelengths, the uncertainties of attenuated counts, and bring unequal counting times to their mean."""
    told = _elements(content.decode())
    scale = 10.0 if told.get("kAlpha1/unit", "").lower().startswith("n") else 1.0
    radiation = _tube(
        [_float(told.get(name), scale) for name in ("kAlpha1", "kAlpha2", "kBeta")],
        _float(told.get("ratioKAlpha2KAlpha1")),
        "usedWavelength",
        told.get("usedWavelength/intended", "K-Alpha"),
    )
    remarks = [CPS] if told.get("intensities/unit", "").lower() == "cps" else []
    factors = _floats(told.get("beamAttenuationFactors", "").split())
    if factors is not None and len(factors) == len(scan.intensity) and "intensities" not in told:
        scan = replace(scan, sigma=_counted(scan.intensity / factors, factors))
        remarks.append("Counts were multiplied by the factors of the attenuator.")
    times = _floats(told.get("countingTimes", "").split())
    if times is not None and len(times) == len(scan.intensity) and (times > 0).all() and np.ptp(times) > 0:
        factor = times.mean() / times
        sigma = _counted(scan.intensity, factor) if scan.sigma is None else scan.sigma * factor
        scan = replace(scan, intensity=scan.intensity * factor, sigma=sigma)
        remarks.append(
            f"Counting times differ, {times.min():g} to {times.max():g} s; intensities were brought to their mean."
        )
    return _with(scan, radiation, *remarks)


def _gsas(content: bytes, scan: Scan, path: Path) -> Scan:
    """Add the uncertainties of an ESD or FXYE bank."""
    lines = lines_of(content.decode(), in_columns=True)
    begin = next(place for place, line in enumerate(lines) if BANK.match(line))
    refuse_other_sources(lines[:begin], path)
    radiation = radiation_of_lines([*lines[:begin], *(line for line in lines[begin:] if line.startswith("#"))])
    remarks = [f"Angles are those of the line {lines[begin]!r}, in hundredths of a degree."]
    body = []
    for line in lines[begin + 1 :]:
        if line.startswith("BANK"):
            break
        body += [line] if line.strip() and not line.startswith(("#", "!")) else []
    header = lines[begin].upper().split()
    _refuse_other_start(scan, header, lines[begin], path)
    sigma = _gsas_sigma(body, header, len(scan.intensity))
    return _with(replace(scan, sigma=sigma), radiation, *remarks)


def gsas_lines(text: str, path: Path) -> list[str]:
    """Return the lines of a GSAS file, with blanks before them where the places of characters matter.

    Fields of eight characters of an STD bank hold the number of counters in two, and the counts in six; some programs
    write counts into all eight, which are read free.

    Raises:
        PatternError: for fields that may be either.
    """
    lines = lines_of(text, in_columns=True)
    begin = next((place for place, line in enumerate(lines) if BANK.match(line)), len(lines))
    if begin == len(lines) or not {"CONST", "STD"} <= set(lines[begin].upper().split()):
        return lines
    body = [line for line in lines[begin + 1 :] if line.strip() and not line.startswith(("BANK", "#", "!"))]
    fields = [line[at : at + 8] for line in body for at in range(0, len(line), 8)]
    counters = all(re.match(r"[ \d]\d", field) for field in fields)
    if counters and all(re.match(r"[ \d]\d[\d.]", field) for field in fields):
        raise PatternError(
            f"{path}: fields of the STD bank as {fields[0]!r} may be of counts alone, or of counters and counts. "
            "Export the pattern as FXYE, or as two columns (.xy)."
        )
    return lines if counters else lines_of(text)


def _refuse_other_start(scan: Scan, header: list[str], line: str, path: Path) -> None:
    """Refuse a bank whose first angle, in hundredths of a degree, is far from the one that its line names."""
    start = _float(header[5], 0.01) if len(header) > 5 else None
    first = float(scan.position[0])
    if start and not START_APART < first / start < 1 / START_APART:
        raise PatternError(
            f"{path}: read in hundredths of a degree, the line {line!r} begins at {start:g} deg, and the points at "
            f"{first:g}. Mend the one that is in degrees."
        )


def _gsas_sigma(body: list[str], header: list[str], count: int) -> Values | None:
    """Return the uncertainties in the lines of a bank, in rising order of angle; None for one without them."""
    sigma = None
    if "FXYE" in header:
        rows = [row for line in body if len(row := line.split()) > 2]
        position, sigma = (_floats([row[place] for row in rows]) for place in (0, 2))
        if position is not None and sigma is not None and len(sigma) and position[0] > position[-1]:
            sigma = sigma[::-1]
    elif "ESD" in header:
        # Ten numbers of eight characters in a line, or free.
        sigma = _floats([line[at : at + 8] for line in body for at in range(8, len(line), 16)])
        if sigma is None or len(sigma) < count:
            sigma = _floats(" ".join(body).split()[1::2])
    return sigma[:count] if sigma is not None and len(sigma) >= count else None


def _with(scan: Scan, radiation: FileRadiation, *remarks: str) -> Scan:
    return replace(scan, radiation=radiation, remarks=(*scan.remarks, *remarks))


def _elements(xml: str) -> dict[str, str]:
    """Return the first text of each element by its name, and attributes by element/attribute."""
    told: dict[str, str] = {}
    try:
        root = ElementTree.fromstring(xml.encode() if xml.lstrip().startswith("<?xml") else xml)
    except (ElementTree.ParseError, ValueError, LookupError):
        return told
    for element in root.iter():
        name = element.tag.rpartition("}")[2]
        told.setdefault(name, (element.text or "").strip())
        for key, value in element.attrib.items():
            told.setdefault(f"{name}/{key}", value)
    return told


def _float(text: str | None, scale: float = 1.0) -> float | None:
    """Return a number, times a factor; None for what is none."""
    try:
        value = float((text or "").strip('" '))
    except ValueError:
        return None
    return float(f"{value * scale:.12g}") if np.isfinite(value) else None


def _floats(texts: list[str]) -> Values | None:
    """Return numbers; None where one of them is none."""
    try:
        return np.array([text.replace("D", "E") for text in texts], dtype=np.float64)
    except ValueError:
        return None


DETAILS: dict[str, Callable[[bytes, Scan, Path], Scan]] = {
    "raw": _bruker_raw, "brml": _brml, "uxd": _uxd, "ras": _ras, "rasx": _rasx, "xrdml": _xrdml, "gsas": _gsas,
}  # fmt: skip
