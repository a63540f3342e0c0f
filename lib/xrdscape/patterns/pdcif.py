"""Patterns in the powder CIF format."""

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.io.cif import CifFile

from xrdscape.diffraction.radiation import Radiation
from xrdscape.errors import PatternError
from xrdscape.patterns.pattern import Pattern, Values

# Each in order of preference; totals have the counts that the weights need.
INTENSITIES = (
    "_pd_meas_counts_total",
    "_pd_meas_intensity_total",
    "_pd_proc_intensity_total",
    "_pd_proc_intensity_net",
    "_pd_meas_intensity_net",
)
ANGLES = ("_pd_proc_2theta_corrected", "_pd_meas_2theta_scan", "_pd_meas_2theta_corrected")
# Not `_pd_proc_ls_weight`: some programs write weights there, and others uncertainties.
RANGES = ("_pd_meas_2theta_range", "_pd_proc_2theta_range")
WAVELENGTHS = ("_diffrn_radiation_wavelength", "_diffrn_radiation_wavelength_wavelength", "_pd_proc_wavelength")

_UNCERTAINTY = re.compile(r"^([-+]?)(\d*)\.?(\d*)(?:[eE]([-+]?\d+))?\((\d+)\)$")

Block = Mapping[str, Any]


def read_pdcif(path: Path) -> Pattern:
    """Read the first measured profile of a powder CIF; calculated ones are passed over.

    Raises:
        PatternError: for a file that is not CIF, or without a measured profile over 2theta.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            blocks = [block.data for block in CifFile.from_file(path).data.values()]
    except Exception as error:  # the parser raises what it likes
        raise PatternError(
            f"{path} is not a CIF that can be read ({error}). Give the pattern as columns of text."
        ) from error
    for block in blocks:
        profile = _profile(block, path)
        if profile is not None:
            angle, intensity, sigma, name = profile
            # The radiation may stand with the structure, in another block.
            _refuse_neutrons([block, *blocks], path)
            radiation = _radiation([block, *blocks])
            return Pattern(
                angle, intensity, sigma, radiation, origin=str(path), remarks=(f"Intensities are {name} of the file.",)
            )
    raise PatternError(
        f"{path} holds no measured pattern over 2theta: looked for {', '.join(INTENSITIES)} in a loop with "
        f"{' or '.join(ANGLES)}, or with {RANGES[0]}_min, _max and _inc. Give it as columns of text instead."
    )


def _profile(block: Block, path: Path) -> tuple[Values, Values, Values | None, str] | None:
    """Return angles, intensities, uncertainties and which intensities they are; None for a block without a pattern."""
    for name in INTENSITIES:
        if not isinstance(block.get(name), list):
            continue
        intensity, sigma = _column(block[name])
        angle = _angles(block, len(intensity))
        if angle is None:
            continue
        if isinstance(block.get(f"{name}_su"), list):
            sigma = _column(block[f"{name}_su"])[0]
        known = np.isfinite(angle) & np.isfinite(intensity)
        uncertain = None if np.isnan(sigma[known]).any() else sigma[known]
        return angle[known], intensity[known], uncertain, name
    return None


def _angles(block: Block, count: int) -> Values | None:
    """Return the angles of `count` intensities: from a list of that length, or from a range and its step."""
    for name in ANGLES:
        if isinstance(block.get(name), list) and len(block[name]) == count:
            return _column(block[name])[0]
    for name in RANGES:
        ends = [_number(block.get(f"{name}_{part}")) for part in ("min", "max", "inc")]
        if np.isfinite(ends).all() and ends[2] > 0 and round((ends[1] - ends[0]) / ends[2]) + 1 == count:
            return np.asarray(ends[0] + ends[2] * np.arange(count), dtype=np.float64)
    return None


def _column(texts: list[str]) -> tuple[Values, Values]:
    """Return numbers and the uncertainties in parentheses; NaN where there are none."""
    pairs = np.array([_with_uncertainty(text) for text in texts], dtype=np.float64)
    return pairs[:, 0], pairs[:, 1]


def _with_uncertainty(text: str) -> tuple[float, float]:
    """Return a number of a CIF and its uncertainty.

    >>> _with_uncertainty("32.7(18)"), _with_uncertainty("2E+1")
    ((32.7, 1.8), (20.0, nan))
    """
    found = _UNCERTAINTY.match(text)
    if not found:
        try:
            return float(text), np.nan
        except ValueError:
            return np.nan, np.nan
    sign, whole, decimals, exponent, uncertainty = found.groups()
    power = int(exponent or 0)
    value = float(f"{sign}{whole or 0}.{decimals or 0}e{power}")
    return value, float(f"{uncertainty}e{power - len(decimals)}")


def _number(value: Any) -> float:
    return _with_uncertainty(value)[0] if isinstance(value, str) else np.nan


def _radiation(blocks: list[Block]) -> Radiation | None:
    """Return the lines of the first block that has wavelengths; two are a doublet."""
    for block in blocks:
        for name in WAVELENGTHS:
            value = block.get(name)
            numbers = [_number(text) for text in (value if isinstance(value, list) else [value])]
            wavelengths = [number for number in numbers if np.isfinite(number)]
            if wavelengths:
                return Radiation.of(*wavelengths)
    return None


def _refuse_neutrons(blocks: list[Block], path: Path) -> None:
    for block in blocks:
        probe = " ".join(str(block.get(f"_diffrn_radiation_{part}", "")) for part in ("probe", "type")).lower()
        if "neutron" in probe or "electron" in probe:
            raise PatternError(f"{path} was measured with {probe.strip()}; only X-ray patterns can be simulated here.")
