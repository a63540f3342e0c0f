"""Roles of the columns of a text: positions, intensities, uncertainties, factors of attenuators, or something else."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from xrdscape.errors import PatternError
from xrdscape.patterns.axis_of_file import NamedAxis, axis_of_name
from xrdscape.patterns.scan import AxisName
from xrdscape.patterns.uncertainties import named as names_uncertainty
from xrdscape.patterns.uncertainties import squared_or_relative

_INTENSITY = re.compile(
    r"(?<![a-z])(?:intens\w*|counts?|cts|cps|counts?/s|impulse|zählrate|zaehlrate|i|y|yobs|y_?obs|i_?obs|iobs|signal|det\w*)(?![a-z])|"
    r"強度|强度|интенс",
    re.IGNORECASE,
)
_OBSERVED = re.compile(r"obs|meas|exp(?![a-z]{3})|raw|gemessen|total", re.IGNORECASE)
_NOT_OBSERVED = re.compile(
    r"cal(?:c|k)|(?:^|[^a-z])sim|model|fit(?![a-z])|bac?kg|backgr|bgr|untergrund|diff|resid|delta|weight|gewicht|(?:^|[^a-z])w(?:t|gt)?$|"
    r"norm_|mask|flag|fwhm",
    re.IGNORECASE,
)
_ATTENUATOR = re.compile(r"att(?:en\w*)?(?![a-z])|absorber", re.IGNORECASE)


@dataclass(frozen=True)
class Roles:
    """Places of the columns, from 0, and what is known of them.

    Args:
        position, intensity: of the columns.
        third: of the one that may hold uncertainties.
        third_is_named: whether its name says so.
        attenuator: of the one that holds factors.
        axis: of the positions, as their name says.
        rest: names of the other columns.
    """

    position: int = 0
    intensity: int = 1
    third: int | None = None
    third_is_named: bool = False
    attenuator: int | None = None
    axis: NamedAxis | None = None
    rest: tuple[str, ...] = ()


def roles_of(names: Sequence[str], count: int, axis: AxisName | None, path: object) -> Roles:
    """Return what the columns are, by their names or, without any, by their places.

    Args:
        names: of the columns; empty where they have none.
        count: of the columns.
        axis: that the user asks for.
        path: of the file.

    Raises:
        PatternError: for one column, or more than three without names.
    """
    axes = [axis_of_name(name) for name in names]
    intensities = [place for place, name in enumerate(names) if _is_intensity(name)]
    if count == 1 or (count > 3 and not (any(axes) and intensities)):
        raise PatternError(
            f"{path} has {count} column{'s' * (count > 1)} of numbers in a line"
            f"{' and no line above them that names 2theta and the intensity' if count > 1 else ''}: keep 2theta, "
            "intensity and perhaps its uncertainty."
        )
    if not any(axes) and not intensities:
        return Roles(third=2 if count == 3 else None)
    if not intensities and axes[0] is None and names[0].strip().lower() != "x":
        # A line on the scan, and not names of columns.
        return Roles(third=2 if count == 3 else None)
    words = [axis for axis in axes if axis is not None]
    if len(words) == count and len({axis.name for axis in words} - {None}) <= 1:
        # The words of one label, as "2-theta angle".
        label = next((axis for axis in words if axis.name is None), words[0])
        return Roles(third=2 if count == 3 else None, axis=label)
    position = _position(names, axes, axis)
    others = [place for place in range(count) if place != position and axes[place] is None]
    observed = sorted(
        (place for place in intensities if place in others), key=lambda place: not _OBSERVED.search(names[place])
    )
    plain = [
        place for place in others if not names_uncertainty(names[place]) and not _NOT_OBSERVED.search(names[place])
    ]
    chosen = [*observed, *plain]
    if not chosen:
        raise PatternError(
            f"{path}: none of the columns {', '.join(map(repr, names))} is called an intensity. Name it 'intensity'."
        )
    intensity = chosen[0]
    left = [place for place in others if place != intensity]
    attenuator = next((place for place in left if _ATTENUATOR.search(names[place])), None)
    left = [place for place in left if place != attenuator]
    known = next((place for place in left if names_uncertainty(names[place]) and not _is_no_esd(names[place])), None)
    rest = tuple(names[place] for place in range(count) if place not in (position, intensity, attenuator, known))
    return Roles(position, intensity, known, known is not None, attenuator, axes[position], rest)


def _position(names: Sequence[str], axes: Sequence[NamedAxis | None], wanted: AxisName | None) -> int:
    """Return the column of the axis that is asked for, else of 2theta, of Q, of d, else the first."""
    found = {axis.name: place for place, axis in reversed(list(enumerate(axes))) if axis is not None}
    for name in (wanted, "two-theta", "q-angstrom", "q-nm", "d"):
        if name is not None and name in found:
            return found[name]
    other = found.get(None, 0)
    return other if other == 0 or _is_intensity(names[0]) else 0


def _is_intensity(name: str) -> bool:
    return bool(_INTENSITY.search(name.replace("_", " "))) and not names_uncertainty(name) and not _is_other(name)


def _is_no_esd(name: str) -> bool:
    return _is_other(name) or squared_or_relative(name)


def _is_other(name: str) -> bool:
    return bool(_NOT_OBSERVED.search(name) or _ATTENUATOR.search(name))
