"""A measured pattern as its file gives it, and the checks that it is one."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xrdscape.errors import PatternError

Values = NDArray[np.float64]

FEWEST_POINTS = 50
"""Fewer are a list of peaks, not a pattern."""

SHORTEST_ANGSTROM, LONGEST_ANGSTROM = 0.05, 5.0
"""X-ray wavelengths of powder diffraction lie well inside."""


@dataclass(frozen=True)
class Profile:
    """Peak widths and shape as in `Instrument`: H^2 = U tan^2 + V tan + W in deg^2, eta the Gaussian fraction."""

    U: float
    V: float
    W: float
    eta: float


@dataclass(frozen=True)
class Raw:
    """What stands in a file, unchecked.

    Args:
        two_theta_deg, intensity: [n], as written.
        sigma: standard uncertainty of each intensity, where the file has it.
        wavelength_angstrom: where the file has it.
        profile: of the peaks, where the file has it.
        simulated: by `xrdscape simulate`, so without background.
        remarks: what was assumed on reading, a sentence each.
    """

    two_theta_deg: Values
    intensity: Values
    sigma: Values | None = None
    wavelength_angstrom: float | None = None
    profile: Profile | None = None
    simulated: bool = False
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Measured:
    """A pattern in order: angles that rise, finite intensities, a wavelength. Attributes as in `Raw`."""

    two_theta_deg: Values
    intensity: Values
    sigma: Values | None
    wavelength_angstrom: float
    profile: Profile | None
    simulated: bool
    remarks: tuple[str, ...]


def checked(raw: Raw, path: Path, wavelength_angstrom: float | None) -> Measured:
    """The pattern of a file in order, or a clear refusal.

    Args:
        raw: what stands in the file.
        path: names it in messages.
        wavelength_angstrom: as the user gives it, before that of the file.

    Raises:
        PatternError: for what is no powder pattern, and when no wavelength is known.
    """
    angle, intensity, sigma = _ordered(raw, path)
    if not np.isfinite(intensity).all():
        raise PatternError(f"{path} has an intensity that is not a finite number: remove that line.")
    if intensity.max() <= max(intensity.min(), 0):
        raise PatternError(f"{path} shows no peak: every intensity is {intensity.max():g}, or none is above zero.")
    remarks = list(raw.remarks)
    if sigma is not None and not (np.isfinite(sigma).all() and (sigma > 0).any()):
        sigma = None
        remarks.append("The uncertainties in the file are not all numbers; weights are those of counts instead.")
    wavelength = _wavelength(raw, path, wavelength_angstrom, remarks)
    return Measured(angle, intensity, sigma, wavelength, raw.profile, raw.simulated, tuple(remarks))


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


def _wavelength(raw: Raw, path: Path, given: float | None, remarks: list[str]) -> float:
    wavelength, whose = (given, "given") if given is not None else (raw.wavelength_angstrom, f"in {path}")
    if wavelength is None:
        raise PatternError(
            f"{path} does not tell its wavelength: give it with --wavelength-angstrom, as 1.5406 (Cu K-alpha 1), "
            "1.5418 (Cu K-alpha, both lines) or 0.7107 (Mo K-alpha)."
        )
    if not SHORTEST_ANGSTROM < wavelength < LONGEST_ANGSTROM:
        raise PatternError(
            f"the wavelength {whose}, {wavelength:g} angstrom, is not one of X-ray diffraction "
            f"({SHORTEST_ANGSTROM:g} to {LONGEST_ANGSTROM:g}). Give it in angstrom with --wavelength-angstrom."
        )
    if given is not None and raw.wavelength_angstrom not in (None, given):
        remarks.append(f"The wavelength given, {given:g} Å, was used, not that in the file, {raw.wavelength_angstrom:g} Å.")
    return wavelength
