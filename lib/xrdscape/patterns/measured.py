"""A measured pattern as its file gives it, and the checks that it is one."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xrdscape.diffraction.profile import PeakProfile
from xrdscape.diffraction.radiation import Radiation
from xrdscape.errors import PatternError

Values = NDArray[np.float64]

FEWEST_POINTS = 50
"""Fewer are a list of peaks, not a pattern."""

SHORTEST_ANGSTROM, LONGEST_ANGSTROM = 0.05, 5.0
"""X-ray wavelengths of powder diffraction lie well inside."""

DOUBLET = 2
"""Emission lines of K-alpha radiation."""


@dataclass(frozen=True)
class Raw:
    """What stands in a file, unchecked.

    Args:
        two_theta_deg, intensity: [n], as written.
        sigma: standard uncertainty of each intensity, where the file has it.
        radiation: emission lines, where the file has them.
        profile: of the peaks, where the file has it.
        simulated: by `xrdscape simulate`, so without background.
        remarks: what was assumed on reading, a sentence each.
    """

    two_theta_deg: Values
    intensity: Values
    sigma: Values | None = None
    radiation: Radiation | None = None
    profile: PeakProfile | None = None
    simulated: bool = False
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Measured:
    """A pattern in order: angles that rise, finite intensities, a wavelength. Attributes as in `Raw`."""

    two_theta_deg: Values
    intensity: Values
    sigma: Values | None
    radiation: Radiation
    profile: PeakProfile | None
    simulated: bool
    remarks: tuple[str, ...]


def checked(raw: Raw, path: Path, wavelengths_angstrom: Sequence[float] = ()) -> Measured:
    """The pattern of a file in order, or a clear refusal.

    Args:
        raw: what stands in the file.
        path: names it in messages.
        wavelengths_angstrom: as the user gives them, before those of the file.

    Raises:
        PatternError: for what is no powder pattern, and when no wavelength is known.
    """
    angle, intensity, sigma = _ordered(raw, path)
    strange = angle[~np.isfinite(intensity)]
    if len(strange):
        raise PatternError(
            f"{path} has {len(strange)} intensities that are not finite numbers, the first at {strange[0]:g} deg: "
            "remove those lines."
        )
    if intensity.max() <= max(intensity.min(), 0):
        raise PatternError(f"{path} shows no peak: every intensity is {intensity.max():g}, or none is above zero.")
    remarks = list(raw.remarks)
    if (intensity < 0).any():
        remarks.append(
            f"Intensities below zero, at {(intensity < 0).sum()} of {len(intensity)} points, were kept as they are; "
            f"the lowest is {intensity.min():g} at {angle[intensity.argmin()]:g}°, the highest {intensity.max():g}."
        )
    if sigma is not None and not (np.isfinite(sigma).all() and (sigma > 0).any()):
        sigma = None
        remarks.append("The uncertainties in the file are not all numbers; weights are those of counts instead.")
    radiation = _radiation(raw, path, wavelengths_angstrom, remarks)
    return Measured(angle, intensity, sigma, radiation, raw.profile, raw.simulated, tuple(remarks))


def _ordered(raw: Raw, path: Path) -> tuple[Values, Values, Values | None]:
    angle, intensity, sigma = raw.two_theta_deg, raw.intensity, raw.sigma
    if len(angle) < FEWEST_POINTS:
        raise PatternError(
            f"{path} has {len(angle)} points, too few for a pattern (at least {FEWEST_POINTS}): give the whole "
            "profile, angle by angle, not a list of peaks."
        )
    if angle[0] > angle[-1]:
        angle, intensity, sigma = angle[::-1], intensity[::-1], None if sigma is None else sigma[::-1]
    wrong = np.flatnonzero(~(np.diff(angle) > 0))
    if len(wrong):
        raise PatternError(
            f"{path}: the angles must rise from line to line, but {angle[wrong[0]]:g} is followed by "
            f"{angle[wrong[0] + 1]:g} deg. Check that the first column is 2theta, that decimals have points, and "
            "that the file holds one scan."
        )
    if angle[0] < 0 or angle[-1] >= 180:
        raise PatternError(
            f"{path} goes from {angle[0]:g} to {angle[-1]:g}: the first column must be 2theta in degrees, 0 to 180."
        )
    return angle, intensity, sigma


def _radiation(raw: Raw, path: Path, given: Sequence[float], remarks: list[str]) -> Radiation:
    radiation, whose = (Radiation.of(*given), "given") if given else (raw.radiation, f"in {path}")
    if radiation is None:
        raise PatternError(
            f"{path} does not tell its wavelength: give it with --wavelength-angstrom, as 1.5406 (Cu K-alpha 1), "
            "1.5418 (Cu K-alpha, both lines) or 0.7107 (Mo K-alpha)."
        )
    for line in radiation.lines:
        if not SHORTEST_ANGSTROM < line.wavelength_angstrom < LONGEST_ANGSTROM:
            raise PatternError(
                f"the wavelength {whose}, {line.wavelength_angstrom:g} angstrom, is not one of X-ray diffraction "
                f"({SHORTEST_ANGSTROM:g} to {LONGEST_ANGSTROM:g}). Give it in angstrom with --wavelength-angstrom."
            )
    shown = _shown(radiation)
    if given and raw.radiation not in (None, radiation):
        remarks.append(f"The wavelength is {shown}, as given; the file says {_shown(raw.radiation)}.")
    else:
        remarks.append(f"The wavelength is {shown}, {'as given' if given else 'from the file'}.")
    if len(radiation.lines) == DOUBLET:
        remarks.append(
            "The descent takes the weighted mean of the two lines; the fit of the profile takes both, the first twice "
            "as strong."
        )
    return radiation


def _shown(radiation: Radiation) -> str:
    """Return the wavelengths in words."""
    return " and ".join(f"{line.wavelength_angstrom:g} Å" for line in radiation.lines)
