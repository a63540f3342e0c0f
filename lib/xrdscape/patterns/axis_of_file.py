"""The axis that a file's positions stand on: named by the file or the user, and made 2theta."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from xrdscape.diffraction.radiation import Radiation
from xrdscape.errors import PatternError
from xrdscape.patterns.pattern import Values
from xrdscape.patterns.scan import AxisName

_ANGSTROM = r"(?:å|Å|ångstr[öo]ms?|angstr[öo]?e?ms?|ang|a)"
_MINUS_ONE = r"\s*(?:\^|\*\*)?\s*[({]?\s*[-−–⁻]\s*[1¹]\s*[)}]?"
PER_ANGSTROM = re.compile(
    rf"1\s*/\s*{_ANGSTROM}(?![a-z])|(?<![a-z]){_ANGSTROM}{_MINUS_ONE}|(?:inverse|reciprocal|per)[\s_-]*{_ANGSTROM}(?![a-z])|"
    rf"inv[\s_-]*{_ANGSTROM}(?![a-z])"
)
PER_NM = re.compile(
    rf"1\s*/\s*(?:nm|nanomet(?:er|re)s?)(?![a-z])|(?<![a-z])(?:nm|nanomet(?:er|re)s?){_MINUS_ONE}|(?:inverse|reciprocal|per|inv)[\s_-]*(?:nm|nanomet)"
)

TWO_THETA = re.compile(
    r"(?:2|two|zwei|deux|dos|due)[\s_*·-]*(?:theta|thêta|teta|tetha|θ|ϑ|th(?![a-z]))|(?<![a-z])(?:tth|ttheta|2th)(?![a-z])|"
    r"^(?:scattering |diffraction )?(?:angles?|winkel|beugungswinkel|ángulo|angulo|angolo|hoek|kąt|угол|角度)"
    r"(?![a-z])|"
    r"^(?:pos|position)\.?\s*[\[(]?\s*°|^°|^deg(?:rees?)?(?![a-z])"
)
COUPLED = re.compile(r"^(?:theta|θ|omega|ω)\s*[-–/:]\s*(?:2|two)")
"""Names of scans over 2theta that begin with another angle."""

Q_NAME = re.compile(
    r"^\|?q\|?(?![a-z])|^(?:modulus of )?(?:the )?(?:scattering|wave|momentum transfer|diffraction)[\s_-]*vector|"
    r"^momentum transfer|^streuvektor|^vecteur de diffusion"
)
D_NAME = re.compile(
    r"^d(?:[\s_-]*(?:spacings?|values?|wert|hkl))?(?![a-z*\d])|^(?:interplanar|lattice|plane)[\s_-]*(?:spacing|distance)|"
    r"^netzebenenabstand|^distance interr[ée]ticulaire"
)
OTHER = re.compile(
    r"time[\s_-]*of[\s_-]*flight|(?<![a-z])t\.?o\.?f(?![a-z])|^(?:micro|µ|μ|u)s(?:ec)?(?![a-z])|^channels?(?![a-z])|^(?:no|nr|index|points?|steps?|#)\.?$|^kanal|^pixels?|"
    r"^radial|^bragg[\s_-]*angle(?!.*2)|^glancing|^half|^angles?[\s_(\[:/-]*(?:theta|θ)|^th(?![a-z])|^s(?![a-z])|^1\s*/\s*d|^(?:sthl|stol)(?![a-z])|"
    r"^wave[\s_-]*number|raman[\s_-]*shift|^r(?![a-z])|^g\(r|^time|^temp|^frequen|"
    r"^radial|^radius|^r[\s_]*[\[(]?mm|^energ|^kev|^(?:theta|thêta|θ|omega|ω|phi|φ|chi|χ|psi|theta_)(?![a-z])|^d\*|"
    r"^(?:2[\s_*-]*)?th(?:eta)?[\s_]*[\[(]?rad|(?:theta|θ|th|angle)[\s_]*(?:in[\s_]*)?[\[(/,]?\s*m?rad|^sin|^q\s*(?:\^\s*2|²|\*\*\s*2)|^q2(?![a-z])"
)
FOREIGN = re.compile(r"[\[(/]\s*(?:mm|cm|[uµμ]m|kev|ev|ms|[uµμ]s|s|sec|m?rad|k|min|px|pixels?)\s*[\])]?\s*$")
"""Units that no axis of a powder pattern has, at the end of a name."""

COARSEST_ANGSTROM = 10.0
"""Spacing that a powder pattern goes beyond: all lines of cells of 20 angstrom would be missing from it."""

UNEVEN, EVENER = 0.002, 10.0
"""Spread of the steps over their mean from which positions are unevenly spaced, and how many times less it is on the
axis that they were measured on."""

NONE_OF_THEM = "is none of 2theta in degrees, Q and d"

_Q_WITH_UNIT = re.compile(
    r"(?<![a-z])(?:q|scattering vector|momentum transfer)[\s_(\[/,=:]*(?:in\s+)?"
    rf"(?:{PER_NM.pattern}|{PER_ANGSTROM.pattern})"
)
_KEY = re.compile(
    r"^(?:x[\s_-]*(?:axis|label|units?|title|name)?|axis|units?|abscissa|scan[\s_-]*axis|columns?|fields?|l)[\s_]*[:=,]\s*"
)
_MARKS, _END_MARKS = "#!;%*/\"' \t<[", "\"' \t]>:"


@dataclass(frozen=True)
class NamedAxis:
    """An axis as a file names it.

    Args:
        name: None for one that is no axis of a powder pattern, or of unknown unit.
        text: as it stands in the file.
        factor: from the file's unit to that of the axis.
        why: what is wrong where there is no name.
    """

    name: AxisName | None
    text: str
    factor: float = 1.0
    why: str = ""


def axis_of_name(text: str) -> NamedAxis | None:
    """Return the axis that the name of a column is one of, if any.

    >>> [axis_of_name(text).name for text in ("2-Theta Angle (Degrees)", "q_nm^-1", "Q [1/Å]", "d-spacing")]
    ['two-theta', 'q-nm', 'q-angstrom', 'd']
    >>> axis_of_name("Intensity") is None, axis_of_name("Q").why
    (True, 'has no unit')
    """
    # Units may be set as TeX does.
    plain = re.sub(r"[$\\{}]", "", text.lstrip(_MARKS).rstrip(_END_MARKS)).lower()
    if OTHER.search(plain) and not COUPLED.search(plain):
        return NamedAxis(None, text, why=NONE_OF_THEM)
    if TWO_THETA.search(plain):
        return NamedAxis("two-theta", text)
    if Q_NAME.search(plain):
        if PER_NM.search(plain):
            return NamedAxis("q-nm", text)
        if PER_ANGSTROM.search(plain):
            return NamedAxis("q-angstrom", text)
        return NamedAxis(None, text, why="has no unit")
    if D_NAME.search(plain):
        unit = re.search(r"(?<![a-z])([np]m)(?![a-z])", plain)
        return NamedAxis("d", text, {"nm": 10.0, "pm": 0.01}[unit[1]] if unit else 1.0)
    if PER_NM.search(plain) or PER_ANGSTROM.search(plain) or FOREIGN.search(plain):
        return NamedAxis(None, text, why=NONE_OF_THEM)
    return None


def axis_of_lines(header: Sequence[str], label: str = "") -> NamedAxis | None:
    """Return the axis that lines of a header name, or None.

    Args:
        header: lines of any kind: a line counts if it begins with an axis and its unit, or a key such as "x-axis:".
        label: a line that is the label of the axis, as in .chi files.

    Raises:
        PatternError: for lines that name different axes.
    """
    found = [axis_of_name(label)] if label else []
    for line in header:
        plain = line.strip(_MARKS).lower()
        key = _KEY.match(plain)
        named = axis_of_name(plain[key.end() :] if key else plain)
        if named is not None and (key or (named.name is not None and _begins_with_axis(plain))):
            found.append(named)
    known = [axis for axis in found if axis is not None]
    if not known:
        spoken = next((line for line in header if _Q_WITH_UNIT.search(line.lower())), None)
        return None if spoken is None else NamedAxis(None, spoken, why="speaks of Q, and no name of a column does")
    names = {axis.name for axis in known}
    if len(names) > 1:
        told = "; ".join(repr(axis.text) for axis in known)
        raise PatternError(f"the header names several axes ({told}): say which it is with --axis (in Python axis=).")
    return known[0]


def _begins_with_axis(plain: str) -> bool:
    """Return whether a line begins with the name of an axis and its unit, rather than with words on one."""
    start = re.match(
        r"(?:q|d|d[\s_-]?spacing|2[\s_-]?theta|2θ|two[\s_-]?theta|tth|2th)(?=[\s_(\[/,:])[\s_:]*(?:in\s)?", plain
    )
    rest = plain[start.end() :].strip(" _([/,") if start else ""
    return any(unit.match(rest) for unit in (PER_ANGSTROM, PER_NM, _UNIT))


_UNIT = re.compile(rf"(?:{_ANGSTROM}|nm|pm|rad|deg\w*|°|angle)(?![a-z])")


def refuse_unlikely_angles(position: Values, radiation: Radiation | None, name: str) -> None:
    """Refuse positions that nothing names, taken for 2theta in degrees, where they seem to be something else.

    Args:
        position: as the file has them [n].
        radiation: of the pattern.
        name: what messages call the pattern.

    Raises:
        PatternError: for positions too small for angles, or whose steps are even only where they are taken for d or Q.
    """
    if radiation is None or len(position) < 3 or position.min() < 0 or not 0 < position.max() < 180:
        return
    end = float(position.max())
    reach = radiation.wavelength_angstrom / (2 * math.sin(math.radians(end) / 2))
    advice = (
        "Say what it is with --axis two-theta, q-angstrom, q-nm or d (in Python axis=), or in a line above the columns."
    )
    if reach > COARSEST_ANGSTROM:
        raise PatternError(
            f"{name}: nothing names the first column, which ends at {end:g}. In degrees of 2theta that is d = "
            f"{reach:.3g} angstrom, too coarse for a powder pattern: it may be Q, d, or an angle in radians. {advice}"
        )
    spread = _spread(position)
    if spread < UNEVEN:
        return
    for axis, words in (("d", "d"), ("q-angstrom", "Q in 1/angstrom"), ("q-nm", "Q in 1/nm")):
        try:
            even = spread > EVENER * _spread(two_theta_of(position, cast(AxisName, axis), radiation, name))
        except PatternError:
            continue
        if even:
            raise PatternError(
                f"{name}: nothing names the first column, whose steps are even if it is {words}, and not if it is "
                f"2theta. {advice}"
            )


def _spread(position: Values) -> float:
    """Return the spread of the steps of positions [n] over their mean."""
    steps = np.abs(np.diff(position))
    return float(np.std(steps) / max(float(np.mean(steps)), 1e-300))


def two_theta_of(position: Values, axis: AxisName, radiation: Radiation | None, name: str) -> Values:
    """Return scattering angles in degrees [n].

    Args:
        position: on the axis, in its unit [n].
        axis: of the positions.
        radiation: whose strongest line Q and d are converted with.
        name: what messages call the pattern.

    Raises:
        PatternError: for Q or d without a wavelength, or out of its reach.
    """
    if axis == "two-theta":
        return position
    what = {"q-angstrom": "Q in 1/angstrom", "q-nm": "Q in 1/nm", "d": "d in angstrom"}[axis]
    if radiation is None:
        raise PatternError(
            f"{name} is over {what}, and 2theta needs the wavelength: give it with --wavelength-angstrom (in Python as "
            "radiation)."
        )
    wavelength = radiation.wavelength_angstrom
    if axis == "d":
        if (position <= 0).any():
            raise PatternError(f"{name} is over {what}, which must be positive; the least is {position.min():g}.")
        sine = wavelength / (2 * position)
    else:
        sine = position * (wavelength / (4 * math.pi * (10 if axis == "q-nm" else 1)))
    if (np.abs(sine) >= 1).any() or not np.isfinite(sine).all():
        ends = sorted((float(position[0]), float(position[-1])))
        raise PatternError(
            f"{name} is over {what}, {ends[0]:g} to {ends[1]:g}, and not all of it can be reached with "
            f"{wavelength:g} angstrom. Check the wavelength, and the axis: give it with --axis (in Python axis=)."
        )
    return np.degrees(2 * np.arcsin(sine))
