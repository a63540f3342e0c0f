"""The pattern that a search is given: an object or a file, with the wavelength that the user says."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from xrdscape.diffraction.radiation import Radiation
from xrdscape.diffraction.sticks import CU_K_ALPHA_ANGSTROM
from xrdscape.patterns.pattern import Pattern
from xrdscape.patterns.reading import read_pattern
from xrdscape.patterns.scan import AxisName


def given_pattern(
    pattern: Pattern | str | Path,
    axis: AxisName | None = None,
    wavelength_angstrom: float | Sequence[float] | None = None,
) -> Pattern:
    """Return the pattern that is meant. A file over Q or d needs no wavelength: its angles are then of Cu K-alpha.

    Args:
        pattern: itself, or the path of its file.
        axis: of a file's positions, as of `read_pattern`.
        wavelength_angstrom: instead of the pattern's own; several for lines that are in the beam together, the stronger
            of which is the shorter.

    Raises:
        PatternError: for a file that holds no pattern of X-rays.
    """
    lines = [wavelength_angstrom] if isinstance(wavelength_angstrom, int | float) else wavelength_angstrom
    radiation = Radiation.of(*sorted(lines)) if lines else None
    if not isinstance(pattern, Pattern):
        return read_pattern(pattern, radiation, axis, CU_K_ALPHA_ANGSTROM)
    return pattern if radiation is None else replace(pattern, radiation=radiation)
