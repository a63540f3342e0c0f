"""The wavelength that the lines of a header tell of: only from a labelled, plausible value whose unit is known or can
only be one. Powder CIFs (`pdcif`) and files of instruments (`instrument_details`) have fields of their own for it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from xrdscape.diffraction.radiation import (
    AG_K_ALPHA,
    CO_K_ALPHA,
    CR_K_ALPHA,
    CU_K_ALPHA,
    FE_K_ALPHA,
    MO_K_ALPHA,
    EmissionLine,
    Radiation,
)
from xrdscape.patterns.pattern import LONGEST_ANGSTROM, SHORTEST_ANGSTROM
from xrdscape.patterns.scan import UNKNOWN, FileRadiation

ANGSTROM_KEV = 12.398419843320026
"""Wavelength times energy of a photon, angstrom keV: h c / e, exact in the SI."""

KX_ANGSTROM = 1.0020770
"""Angstrom in the kX unit that wavelengths were given in before 1947. Source: CODATA 2018, Cu x unit."""

TUBES = (AG_K_ALPHA, CO_K_ALPHA, CR_K_ALPHA, CU_K_ALPHA, FE_K_ALPHA, MO_K_ALPHA)

SAME, PAIR = 2e-4, 0.012
"""Relative difference of wavelengths that are one, rounded, and of the two lines of a doublet at most."""

ALPHA_RATIO = 0.5
"""Weight of K-alpha 2 by that of K-alpha 1, of the numbers of electrons, where a file does not tell."""

MOST_LINES, MOST_CHARACTERS = 2000, 300
"""Lines of a header, and characters of a line, that are searched at most."""

_UNITS = {
    "nm": 10.0, "pm": 0.01, "m": 1e10, "kev": -1.0, "ev": -0.001, "nanometer": 10.0, "nanometre": 10.0,
    "nanometers": 10.0, "nanometres": 10.0, "picometer": 0.01, "picometre": 0.01, "meter": 1e10, "metre": 1e10,
    "meters": 1e10, "metres": 1e10, "kx": KX_ANGSTROM, "kxu": KX_ANGSTROM,
}  # fmt: skip
"""Angstrom in a unit of length; minus keV in one of energy."""

_UNIT = (
    r"(?P<unit{0}>ångstr[öo�]ms?|[aå�]ngstr[öo�]e?ms?|ang\.?|å|Å|a|�|10\^?-10\s*m|nanomet(?:er|re)s?|picomet(?:er|re)|met(?:er|re)s?|nm|pm|"
    r"kev|ev|kxu?|m)(?![^\W\d_])"
)
_NUMBER = r"(?P<number>\d+(?:[.,]\d+)?(?:e[-+]?\d+)?|\.\d+(?:e[-+]?\d+)?)"
_LABEL = re.compile(
    r"(?P<ratio>ratio|verh[äa�]ltnis|rapport|(?<![a-z])i[\s_]?\(?2\)?\s*/\s*i[\s_]?\(?1\)?(?!\d))|"
    r"(?P<beta>k[\s_-]*(?:beta|β)|(?<![a-z])beta(?![a-z])|wave[\s_-]*length[\s_-]*beta|(?<![a-z])wl3(?!\d))|"
    r"(?P<wave>wave[\s_-]*length|wellenl(?:ä|ae|a|�)nge|longueurs? d.onde|longitud de onda|comprimento de onda|"
    r"lunghezza d.onda|golflengte|v[åa]gl[äa]ngd|d[łl]ugo[śs][ćc] fali|длина волны|波長|波长|lambda|λ|(?<![a-z])wl)"
    r"(?:[\s_\-(\[]*(?P<index>[12](?!\.?\d|,\d{3,}(?![.\d]))))?|"
    r"(?P<alpha>(?<![a-z])(?:cu|co|mo|ag|fe|cr)?[\s_-]*k(?:[\s_-]*(?:alpha|α)|[_-]?a)(?![a-z])|alpha(?=[\s_-]*[12](?!\.?\d|,\d{3,}(?![.\d]))))"
    r"[\s_\-(\[]*(?P<alpha_index>[12](?!\.?\d|,\d{3,}(?![.\d])))?|"
    r"(?P<energy>(?:photon |beam |x-?ray )?energ(?:y|ie|ía|ia)(?![a-z])|énergie|(?<![a-z])e(?=\s*[=:]))",
)
_BETWEEN = re.compile(
    r"(?:[\s_\-'\"()\[\]{}:=,;|\t~≈<>]|/(?=\s*(?:å|a|nm|pm|m|kev|ev|ang)\b)|(?<![^\W_])(?:used|value|of|is|the|in|x-?rays?|radiation|incident|beam|"
    r"primary|mean|average|avg|averaged|weighted|effective|intended|length|cu|co|mo|ag|fe|cr|synchrotron|source|angstroms?|"
    r"k|line|lines|ist|der|in|photon|units?|est|de|et|and|was|were|set|to|at|for|with|about|approx)(?![^\W\d_])|"
    + _UNIT.format("")
    + ")*+"
)
_NOT_THE_BEAM = re.compile(r"thresh|cut|lower|upper|window|trim|resol|calib|edge|fluor|energy loss|activ|spread")
_OF_A_BEAM = re.compile(
    r"(?:^|[^a-zäöüàéèíóß\s_-]|(?<![a-z])(?:photon|beam|x-?rays?|r[öo�]ntgen|incident|incoming|primary|radiation|mono\w*|mean|"
    r"average|synchrotron|source|nominal|calibrated|dcm|beamline|undulator|working|operating|set|exact|used|at|the|with|and)|"
    r"^\W*\w\s)[\s_-]*$"
)
"""Text before the word energy that lets it be one of the beam."""
_OTHER_LIGHT = re.compile(
    r"(?:laser|raman|optical|visible|uv|uv-?vis|infrared|ir|phonon|luminescence|excitation|emission|absorption|thermal|conductivity|"
    r"lorentz\w*|box-?cox|decay|plasma)[\s_:,-]*$"
)
"""Text before a wavelength, or a lambda, that is none of X-rays."""


_FOREIGN = re.compile(r"\s*(?:mm|cm|um|µm|μm|km|s|sec|min|deg|°|%|hz|k|v|kv|ma|inch|in)(?![a-z])")
"""Units that no wavelength of X-rays has."""


@dataclass(frozen=True)
class _Told:
    """A wavelength, angstrom, as a line labels it: of K-alpha 1, of K-alpha 2, of an energy, or without more words.

    `assumed` is the unit that was taken for one that the line does not name.
    """

    kind: str
    wavelength: float
    line: str
    assumed: str


@dataclass(frozen=True)
class _Found:
    """Contents of lines on wavelengths: wavelengths, weights of K-alpha 2 by K-alpha 1, and clauses on values that
    cannot be taken."""

    told: list[_Told]
    ratios: list[float]
    wrong: list[str]


def radiation_of_lines(lines: Sequence[str]) -> FileRadiation:
    """Return the radiation that lines of a header tell of.

    >>> found = radiation_of_lines(["doped, lambda scan 2.5 mm", "wavelength = 0.15406 nm"])
    >>> found.radiation.lines[0].wavelength_angstrom, found.source
    (1.5406, "the line 'wavelength = 0.15406 nm'")
    """
    found = _Found([], [], [])
    for line in lines[:MOST_LINES]:
        _read_line(line[:MOST_CHARACTERS], found)
    return _decided(found.told, found.ratios, found.wrong)


def doublet(
    alpha_1: float | None, alpha_2: float | None, ratio: float | None, source: str, intended: str = "K-Alpha"
) -> FileRadiation:
    """Return the radiation of a tube whose lines a file has in fields of their own, angstrom.

    Args:
        alpha_1, alpha_2: wavelengths; None or 0 for one that is not told.
        ratio: weight of the second line by the first; None where it is not told.
        source: what the fields are called.
        intended: what the file says is in the beam; K-alpha 2 is not where this ends in 1.
    """
    first = alpha_1 if alpha_1 and _plausible(alpha_1) else None
    second = alpha_2 if alpha_2 and _plausible(alpha_2) else None
    if first is None:
        return UNKNOWN if not alpha_1 else FileRadiation(trouble=implausible(source, alpha_1))
    if seems_nanometres(first):
        return FileRadiation(trouble=f"{source} gives {first:g} as angstrom, which seems to be in nm")
    if re.search(r"1\s*$", intended.strip()) or second is None or ratio == 0:
        return FileRadiation(Radiation.of(first), source)
    return _two_lines(first, second, ratio, source)


def _two_lines(first: float, second: float, ratio: float | None, source: str) -> FileRadiation:
    first, second = min(first, second), max(first, second)
    weight = ratio if ratio is not None and 0 < ratio <= 1 else ALPHA_RATIO
    how = "as the file says" if weight == ratio else "as it is in theory; the file does not tell"
    lines = (EmissionLine(first, 1.0), EmissionLine(second, weight))
    remark = f"The weights of the two lines are 1 : {weight:g}, {how}."
    return FileRadiation(Radiation(lines), source, (remark,))


def implausible(source: str, wavelength: float) -> str:
    """Return a clause on what in a file gives a wavelength, angstrom, that is none of X-ray diffraction."""
    return (
        f"{source} gives {wavelength:g} angstrom, which is not one of X-ray diffraction ({SHORTEST_ANGSTROM:g} to "
        f"{LONGEST_ANGSTROM:g})"
    )


def _plausible(wavelength: float) -> bool:
    return SHORTEST_ANGSTROM < wavelength < LONGEST_ANGSTROM


def _read_line(line: str, found: _Found) -> None:
    """Add what a line tells to what was found before."""
    text = line.lower().replace("ångström", "angstrom")
    labels = list(_LABEL.finditer(text))
    pending: list[re.Match[str]] = []
    for place, label in enumerate(labels):
        pending.append(label)
        end = labels[place + 1].start() if place + 1 < len(labels) else len(text)
        segment = text[label.end() : end]
        number = re.search(rf"(?<![\w.])[-+]?{_NUMBER}", segment.replace("10^-10", "______").replace("10-10", "_____"))
        if number is None:
            if not _BETWEEN.fullmatch(segment.strip("/& ")):
                pending = []
            continue
        indices = {match["index"] or match["alpha_index"] for match in pending}
        if any(match["ratio"] for match in pending) or {"1", "2"} <= indices:
            percent = 0.01 if segment[number.end() :].lstrip().startswith("%") else 1.0
            found.ratios.append(percent * float(number["number"].replace(",", ".")))
        elif _BETWEEN.fullmatch(segment[: number.start()]) and not any(match["beta"] for match in pending):
            kind, before = _kind(pending), text[: pending[0].start()]
            if not (_OTHER_LIGHT.search(before) if kind != "energy" else _is_other_energy(before, text)):
                _take(kind, segment, number, line, found)
        pending = []


def _is_other_energy(before: str, line: str) -> bool:
    """Return whether the energy that stands in a line after some text is not one of the beam."""
    return bool(_NOT_THE_BEAM.search(line)) or not _OF_A_BEAM.search(before)


def _kind(labels: Sequence[re.Match[str]]) -> str:
    """Return what labels that follow each other speak of."""
    for label in labels:
        index = label["index"] or label["alpha_index"]
        if index:
            return index
    return "energy" if all(label["energy"] for label in labels) else "plain"


def _take(kind: str, segment: str, number: re.Match[str], line: str, found: _Found) -> None:
    """Add the number of a segment of a line, and a second and a third that follow it without a label."""
    rest = segment[number.end() :]
    unit = re.match(r"[\s\"'_]*[(\[]?\s*" + _UNIT.format("_after"), rest)
    before = list(re.finditer(r"(?<![a-z])" + _UNIT.format("_before"), segment[: number.start()]))
    name = unit["unit_after"] if unit else before[-1]["unit_before"] if before else ""
    if not unit and _FOREIGN.match(rest):
        return
    if kind == "energy" and name not in ("kev", "ev"):
        return
    value = float(number["number"].replace(",", "."))
    # A number of 1e-10 can only be in m.
    assumed = "" if name else "m" if _plausible(1e10 * value) else "angstrom"
    value = _in_angstrom(value, name or assumed)
    shown = " ".join(line.split())
    if not _plausible(value):
        if kind == "plain" and (name or re.search("[.,=:]", segment)):
            found.wrong.append(implausible(f"the line {shown!r}", value))
        return
    if not name and seems_nanometres(value):
        found.wrong.append(f"the line {shown!r} has no unit, and seems to be in nm")
        return
    # `_WL1` and its like are keywords of UXD, in angstrom.
    assumed = "" if shown.startswith("_WL") else assumed
    found.told.append(_Told(kind, value, shown, assumed))
    if kind == "plain":
        more = [float(text.replace(",", ".")) for text in re.findall(r"(?<![\w.])\d*[.,]\d+(?![\w.])", rest)]
        following = [_in_angstrom(other, name) for other in more[:1]]
        if following and SAME < abs(following[0] / value - 1) < PAIR:
            found.told[-1:] = [
                _Told(kind, length, shown, assumed)
                for kind, length in zip("12", sorted((value, *following)), strict=True)
            ]
            found.ratios.extend(other for other in more[1:2] if 0 <= other <= 1)


def seems_nanometres(value: float) -> bool:
    """Return whether a number is the wavelength of a line of a tube in nm."""
    return any(abs(10 * value / known - 1) < 2e-3 for tube in TUBES for known in _known(tube))


def _known(tube: Radiation) -> tuple[float, ...]:
    return (*(line.wavelength_angstrom for line in tube.lines), tube.mean_wavelength_angstrom)


def _in_angstrom(value: float, unit: str) -> float:
    factor = 1e10 if unit.startswith("m") else _UNITS.get(unit, 1.0)
    if factor < 0:
        return ANGSTROM_KEV / (value * -factor) if value else 0.0
    if unit.startswith("10"):
        return value
    return float(f"{value * factor:.12g}")


def _decided(told: Sequence[_Told], ratios: Sequence[float], wrong: Sequence[str]) -> FileRadiation:
    """Return the radiation that labelled wavelengths make, or why they make none."""
    kinds = {kind: [item for item in told if item.kind == kind] for kind in ("1", "2", "plain", "energy")}
    for items in kinds.values():
        if items and max(item.wavelength for item in items) / min(item.wavelength for item in items) - 1 > SAME:
            return FileRadiation(trouble="different lines give " + " and ".join(_shown(item) for item in items))
    chosen = (kinds["1"] or kinds["plain"] or kinds["energy"])[:1]
    if not chosen:
        return FileRadiation(trouble="; ".join(dict.fromkeys(wrong)))
    first = chosen[0]
    rivals = [item for item in told if item.kind != "2" and abs(item.wavelength / first.wavelength - 1) > PAIR / 4]
    if rivals:
        return FileRadiation(
            trouble="different lines give " + " and ".join(_shown(item) for item in (first, *rivals[:1]))
        )
    seconds, ratio = kinds["2"], ratios[-1] if ratios else None
    source = f"the line {first.line!r}"
    if first.kind == "1" and seconds and SAME < abs(seconds[0].wavelength / first.wavelength - 1) < PAIR and ratio != 0:
        if seconds[0].line != first.line:
            source = f"the lines {first.line!r} and {seconds[0].line!r}"
        return _two_lines(first.wavelength, seconds[0].wavelength, ratio, source)
    remarks = (
        (f"The file gives the wavelength without a unit; it was taken for {first.assumed}.",) if first.assumed else ()
    )
    return FileRadiation(Radiation.of(first.wavelength), source, remarks)


def _shown(item: _Told) -> str:
    return f"{item.wavelength:g} angstrom ({item.line!r})"
