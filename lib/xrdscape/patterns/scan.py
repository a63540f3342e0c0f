"""Contents of a file of a pattern, before its axis is 2theta."""

from dataclasses import dataclass
from typing import Literal

from xrdscape.diffraction.profile import PeakProfile
from xrdscape.diffraction.radiation import Radiation
from xrdscape.patterns.pattern import Values

AxisName = Literal["two-theta", "q-angstrom", "q-nm", "d"]
AXES: tuple[AxisName, ...] = ("two-theta", "q-angstrom", "q-nm", "d")
"""Axes that a file may have: 2theta in degrees, Q = 2 pi / d in 1/angstrom or 1/nm, d in angstrom."""


CPS = "Intensities are counts per second; their weights are those of counts but for a factor."


@dataclass(frozen=True)
class FileRadiation:
    """The radiation that a file tells of.

    Args:
        radiation: None where nothing can be taken for it.
        source: what in the file it comes from, as a sentence quotes it.
        remarks: what was assumed, a sentence each.
        trouble: what is told and cannot be taken, as a clause: refused unless the user gives the wavelength.
    """

    radiation: Radiation | None = None
    source: str = ""
    remarks: tuple[str, ...] = ()
    trouble: str = ""


UNKNOWN = FileRadiation()


@dataclass(frozen=True)
class Scan:
    """The numbers of a file and what it tells of them.

    Args:
        position: on the axis [n].
        intensity: [n].
        sigma: standard uncertainties [n], where the file has them.
        axis: of the positions; None where the file does not tell.
        radiation: what the file tells of it.
        profile: of the peaks, in a file that this program wrote.
        has_background: whether something may lie beneath the peaks.
        remarks: what was assumed, a sentence each.
    """

    position: Values
    intensity: Values
    sigma: Values | None = None
    axis: AxisName | None = None
    radiation: FileRadiation = UNKNOWN
    profile: PeakProfile | None = None
    has_background: bool = True
    remarks: tuple[str, ...] = ()
