"""Reading a pattern, whatever its format."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from xrdscape.diffraction.radiation import Radiation
from xrdscape.errors import PatternError
from xrdscape.patterns.axis_of_file import refuse_unlikely_angles, two_theta_of
from xrdscape.patterns.decoding import decoded
from xrdscape.patterns.instrument_files import instrument_format, read_instrument_file
from xrdscape.patterns.pattern import Pattern, checked
from xrdscape.patterns.pdcif import read_pdcif
from xrdscape.patterns.scan import AXES, AxisName, FileRadiation, Scan
from xrdscape.patterns.text import read_text

IN_WORDS: dict[AxisName, str] = {
    "two-theta": "2θ in degrees", "q-angstrom": "Q in 1/Å", "q-nm": "Q in 1/nm", "d": "d in Å",
}  # fmt: skip

FARTHEST = 0.9999
"""Sine of half the scattering angle up to which positions are kept that an assumed wavelength does not all reach."""


def read_pattern(
    path: str | Path,
    radiation: Radiation | None = None,
    axis: AxisName | None = None,
    assumed_angstrom: float | None = None,
) -> Pattern:
    """Return the powder pattern in a file, over 2theta, whatever its format.

    Files of instruments (.raw, .brml, .uxd, .ras, .rasx, .xrdml), of GSAS (.gsas, .fxye), powder CIFs, and columns of
    text (.xy, .xye, .chi, .dat, .csv, ...) are told by their content. What was assumed is in the pattern's `remarks`.

    Args:
        path: of the file.
        radiation: instead of that in the file, or because it has none.
        axis: of the file's positions, instead of what its header says: "two-theta" (degrees), "q-angstrom"
            (1/angstrom), "q-nm" (1/nm) or "d" (angstrom). Where the header says nothing they are taken for 2theta.
        assumed_angstrom: for who needs Q alone: where positions are Q or d and no wavelength is known, their
            angles are those of this one. Points out of its reach are left out; the radiation stays unknown.

    Raises:
        PatternError: for a file that holds no pattern of X-rays.
    """
    path = Path(path)
    if axis is not None and axis not in AXES:
        raise PatternError(f"unknown axis {axis!r}: give one of {', '.join(AXES)}.")
    what = _fault(path)
    if what:
        raise PatternError(
            f"no pattern file called {str(path)!r}: it {what}. Give the path of a .xy, .xye, .dat, .csv or CIF file, "
            "or of an instrument's."
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PatternError(f"{path} cannot be read: {error}.") from error
    return _pattern(_scan(content, path, axis), path, radiation, axis, assumed_angstrom)


def _fault(path: Path) -> str:
    """Return what is wrong with a path of a file, in words; nothing if it can be tried."""
    try:
        if path.is_file():
            return ""
        return "is a folder" if path.is_dir() else "is no file" if path.exists() else "does not exist"
    except OSError as error:
        return f"cannot be looked up ({error.strerror})"


def _scan(content: bytes, path: Path, axis: AxisName | None) -> Scan:
    """Return what a file holds."""
    if not content.strip():
        raise PatternError(f"{path} holds no numbers: it is empty. Export the pattern again.")
    binary = instrument_format(content, None)
    text = "" if binary else decoded(content, path)
    kind = binary or instrument_format(content, text)
    if kind is not None:
        return read_instrument_file(content, kind, path)
    if path.suffix.lower() in (".cif", ".pdcif") or _first_word(text).startswith("data_"):
        return read_pdcif(text, path)
    return read_text(text, path, axis)


def _pattern(
    scan: Scan, path: Path, given: Radiation | None, axis: AxisName | None, assumed: float | None
) -> Pattern:  # fmt: skip
    """Return the pattern over 2theta that the numbers of a file make, with a sentence on all that was assumed."""
    told = scan.radiation
    if given is None and told.radiation is None and told.trouble:
        raise PatternError(
            f"{path}: no wavelength can be taken from the file, as {told.trouble}. Give it with --wavelength-angstrom "
            "(in Python as radiation)."
        )
    radiation = given or told.radiation
    remarks = [*_radiation_remarks(told, given), *scan.remarks]
    name = axis or scan.axis or "two-theta"
    if axis is not None:
        remarks.append(f"The positions were taken for {IN_WORDS[name]}, as asked.")
    elif scan.axis is None:
        refuse_unlikely_angles(scan.position, radiation, str(path))
        remarks.append("Nothing in the file names the first column; it was taken for 2θ in degrees.")
    elif name != "two-theta":
        remarks.append(f"The positions are {IN_WORDS[name]}, as the file says.")
    finite = np.isfinite(scan.position)
    if not finite.all():
        raise PatternError(f"{path} has {(~finite).sum()} positions that are not finite numbers: remove those lines.")
    converted = radiation
    if name != "two-theta" and radiation is None and assumed is not None:
        converted = Radiation.of(assumed)
        scan, left_out = _within_reach(scan, name, assumed)
        remarks += left_out
    pattern = checked(
        Pattern(
            two_theta_of(scan.position, name, converted, str(path)),
            scan.intensity,
            scan.sigma,
            radiation,
            scan.profile,
            scan.has_background,
            str(path),
            tuple(remarks),
        )
    )
    if converted is None or name == "two-theta":
        return pattern
    sine = np.sin(np.radians(pattern.two_theta_deg / 2))
    return replace(pattern, q_inv_angstrom=4 * math.pi / converted.wavelength_angstrom * sine)


def _within_reach(scan: Scan, axis: AxisName, wavelength: float) -> tuple[Scan, list[str]]:
    """Return the part of a scan over Q or d that a wavelength, angstrom, reaches, and a sentence on the rest."""
    end = 4 * math.pi / wavelength
    with np.errstate(divide="ignore"):
        q = 2 * math.pi / scan.position if axis == "d" else scan.position / (10 if axis == "q-nm" else 1)
    inside = np.abs(q) < FARTHEST * end
    if inside.all():
        return scan, []
    sigma = None if scan.sigma is None else scan.sigma[inside]
    part = replace(scan, position=scan.position[inside], intensity=scan.intensity[inside], sigma=sigma)
    return part, [f"{(~inside).sum()} points beyond Q = {FARTHEST * end:.3f} 1/Å were left out."]


def _first_word(text: str) -> str:
    """Return the first line of a text that is not a comment, in small letters."""
    lines = (line.strip() for line in text[:100_000].splitlines())
    return next((line.lower() for line in lines if line and not line.startswith("#")), "")


def _radiation_remarks(told: FileRadiation, given: Radiation | None) -> tuple[str, ...]:
    """Return sentences on where the wavelength comes from; none where there is no wavelength."""
    found = told.radiation
    if given is None:
        if found is None:
            return ()
        return (f"The wavelength is {_shown(found)}, from {told.source}.", *told.remarks)
    if found is None or found == given:
        return (f"The wavelength is {_shown(given)}, as given.",)
    return (f"The wavelength is {_shown(given)}, as given; the file says {_shown(found)}.",)


def _shown(radiation: Radiation) -> str:
    return " and ".join(f"{line.wavelength_angstrom:g} Å" for line in radiation.lines)
