"""Patterns in the powder CIF format; crystals in CIFs are read by `crystal.cif`."""

import re
from pathlib import Path
from typing import NoReturn, cast

import gemmi
import numpy as np
from numpy.typing import NDArray

from xrdscape.diffraction.radiation import EmissionLine, Radiation
from xrdscape.errors import PatternError
from xrdscape.patterns.pattern import LONGEST_ANGSTROM, SHORTEST_ANGSTROM, Values
from xrdscape.patterns.scan import UNKNOWN, AxisName, FileRadiation, Scan
from xrdscape.patterns.sources import refuse_source
from xrdscape.patterns.wavelengths import doublet, implausible, seems_nanometres

# Each in order of preference; totals have the counts that the weights need.
COUNTS, TIMES = "_pd_meas_counts_total", "_pd_meas_step_count_time"
INTENSITIES = (
    COUNTS,
    "_pd_meas_intensity_total",
    "_pd_proc_intensity_total",
    "_pd_proc_intensity_net",
    "_pd_meas_intensity_net",
)
ANGLES = ("_pd_proc_2theta_corrected", "_pd_meas_2theta_scan", "_pd_meas_2theta_corrected")
OTHER_POSITIONS: dict[str, AxisName] = {"_pd_proc_recip_len_q": "q-angstrom", "_pd_proc_d_spacing": "d"}
# Not `_pd_proc_ls_weight`: some programs write weights there, and others uncertainties.
RANGES = ("_pd_meas_2theta_range", "_pd_proc_2theta_range")
FLIGHT_TIMES = ("_pd_meas_time_of_flight", "_pd_meas_tof")
WAVELENGTHS = (
    "_diffrn_radiation_wavelength",
    "_diffrn_radiation_wavelength_value",
    "_diffrn_radiation_wavelength_wavelength",
    "_pd_proc_wavelength",
)
WEIGHTS = ("_diffrn_radiation_wavelength_wt", "_diffrn_radiation_wavelength_weight")
SOURCES = (
    "_diffrn_radiation_probe",
    "_diffrn_radiation_source",
    "_diffrn_measurement_device",
    "_diffrn_measurement_device_type",
    "_diffrn_radiation_type",
    "_diffrn_source",
    "_diffrn_source_type",
    "_diffrn_source_details",
)
OFFSET = "_pd_calib_2theta_offset"
UNCORRECTED = ("_pd_meas_2theta_scan", "_pd_meas_2theta_range")
"""Angles that the offset is for; corrected ones have it."""

EXCLUDED = "_pd_proc_info_excluded_regions"

LONGEST_TEXT = 2000
"""Characters of a text on excluded regions that are read."""

_UNCERTAINTY = re.compile(r"^([-+]?)(\d*+)\.?(\d*+)(?:[eE]([-+]?\d{1,3}))?\((\d{1,20})\)$")
_REGION = re.compile(
    r"(\d+(?:\.\d*)?|\.\d+)\s*(?:°|deg\w*\.?)?\s*(?:to|-|–|—|until|and|,|\.\.+|\s)\s*(\d+(?:\.\d*)?)",
    re.IGNORECASE,
)

Block = dict[str, list[str]]


def read_pdcif(text: str, path: Path) -> Scan:
    """Return the first measured profile of a powder CIF; calculated ones are passed over.

    Raises:
        PatternError: for a text that is not CIF, or without a measured profile over 2theta, Q or d.
    """
    try:
        document = gemmi.cif.read_string(text)
    except (ValueError, RuntimeError) as error:
        raise PatternError(
            f"{path} is not a CIF that can be read ({error}). Give the pattern as columns of text."
        ) from error
    blocks = {block.name: _items(block) for block in document}
    scans = {name: _scan(block) for name, block in blocks.items()}
    found = [(name, scan) for name, scan in scans.items() if scan is not None]
    if not found:
        _refuse_without_profile(blocks, path)
    name, scan = found[0]
    # The radiation may stand with the structure, in another block.
    ordered = [blocks[name], *blocks.values()]
    own = any(tag in blocks[name] for tag in SOURCES)
    for told in (text for block in ordered[: 1 if own else None] for tag in SOURCES for text in block.get(tag, [])):
        refuse_source(told, path)
    others = (
        (f"The file holds {len(found)} measured profiles; the first, {name!r}, was read.",) if len(found) > 1 else ()
    )
    return Scan(
        scan.position, scan.intensity, scan.sigma, scan.axis, _radiation(ordered), remarks=(*others, *scan.remarks)
    )


def _items(block: gemmi.cif.Block) -> Block:
    """Return the values of a block by their tags in small letters, whether of a loop or alone."""
    items: Block = {}
    for item in block:
        if item.pair is not None:
            tag, value = cast(tuple[str, str], item.pair)
            items[_plain(tag)] = [gemmi.cif.as_string(value)]
        elif item.loop is not None:
            tags, values = item.loop.tags, item.loop.values
            for place, name in enumerate(tags):
                items[_plain(name)] = [gemmi.cif.as_string(value) for value in values[place :: len(tags)]]
    return items


def _plain(tag: str) -> str:
    """Return a tag in small letters, and as it was before dictionaries put a point in it."""
    return tag.lower().replace(".", "_")


def _refuse_without_profile(blocks: dict[str, Block], path: Path) -> NoReturn:
    if any(tag.startswith(FLIGHT_TIMES) for block in blocks.values() for tag in block):
        raise PatternError(f"{path} is over times of flight, of neutrons; only X-ray patterns can be simulated here.")
    raise PatternError(
        f"{path} holds no measured pattern over 2theta, Q or d: looked for {', '.join(INTENSITIES)} in a loop with "
        f"{' or '.join((*ANGLES, *OTHER_POSITIONS))}, or with {RANGES[0]}_min, _max and _inc. Give it as "
        "columns of text instead."
    )


def _scan(block: Block) -> Scan | None:
    """Return positions and intensities of a block; None for one without a pattern."""
    for name in INTENSITIES:
        intensity, sigma = _column(block.get(name, []))
        placed = _positions(block, len(intensity)) if len(intensity) > 1 else None
        if placed is None:
            continue
        source, position, axis = placed
        remarks = [f"Intensities are {name} of the file."]
        if source in UNCORRECTED:
            position = position + _offset(block, position, remarks)
        if len(block.get(f"{name}_su", [])) == len(intensity):
            sigma = _column(block[f"{name}_su"])[0]
        if name == COUNTS:
            factor = _times(block, len(intensity), remarks)
            sigma = np.where(factor == 1, sigma, factor * np.where(np.isnan(sigma), np.sqrt(intensity.clip(1)), sigma))
            intensity = intensity * factor
        known = np.isfinite(position) & np.isfinite(intensity)
        if not known.all():
            remarks.append(f"Points without a number, {(~known).sum()} of {len(known)}, were left out.")
        if axis == "two-theta":
            known &= ~_excluded(block, position, remarks)
        sigma = sigma[known]
        uncertain = None if np.isnan(sigma).any() else sigma
        return Scan(position[known], intensity[known], uncertain, axis, remarks=tuple(remarks))
    return None


def _times(block: Block, count: int, remarks: list[str]) -> Values:
    """Return factors [n] that bring counts of unequal times to the mean time; ones where times are equal or not told.

    Source: the powder dictionary (cif_pd.dic): counts are not scaled for counting time, intensities are.
    """
    times = _column(block.get(TIMES, []))[0]
    if len(times) != count or not (times > 0).all() or np.ptp(times) == 0:
        return np.ones(count)
    remarks.append(f"Counting times differ, {times.min():g} to {times.max():g} s; counts were brought to their mean.")
    return np.asarray(times.mean() / times, dtype=np.float64)


def _positions(block: Block, count: int) -> tuple[str, Values, AxisName] | None:
    """Return what positions of `count` intensities are called, themselves, and their axis; angles before others."""
    for name in ANGLES:
        if len(block.get(name, [])) == count:
            return name, _column(block[name])[0], "two-theta"
    for name in RANGES:
        ends = [_number(block, f"{name}_{part}") for part in ("min", "max", "inc")]
        if np.isfinite(ends).all() and ends[2] > 0 and abs((ends[1] - ends[0]) / ends[2] + 1 - count) < 0.5:
            return name, np.asarray(ends[0] + ends[2] * np.arange(count), dtype=np.float64), "two-theta"
    for name, axis in OTHER_POSITIONS.items():
        if len(block.get(name, [])) == count:
            return name, _column(block[name])[0], axis
    return None


def _offset(block: Block, angle: Values, remarks: list[str]) -> Values:
    """Return what is to be added to measured angles [n]: a constant, or interpolated between the points of a table.

    Source: `_pd_calib_2theta_offset` of the powder dictionary (cif_pd.dic): the true angle is the measured one plus it.
    """
    offset = _column(block.get(OFFSET, []))[0]
    offset = offset[np.isfinite(offset)]
    if not len(offset) or not offset.any():
        return np.zeros_like(angle)
    points = _column(block.get("_pd_calib_2theta_off_point", []))[0]
    low, high = (_column(block.get(f"_pd_calib_2theta_off_{end}", []))[0] for end in ("min", "max"))
    if len(points) == len(offset) > 1 and (np.diff(points) > 0).all():
        added = np.interp(angle, points, offset)
    elif len(low) == len(high) == len(offset):
        inside = (angle[:, None] >= low) & (angle[:, None] <= high)
        added = np.where(inside.any(1), offset[inside.argmax(1)], 0.0)
    elif len(offset) == 1:
        added = np.full_like(angle, offset[0])
    else:
        remarks.append(f"The file has {len(offset)} values of {OFFSET} without their angles; none was applied.")
        return np.zeros_like(angle)
    remarks.append(f"Angles have the {OFFSET} of the file added, {added.min():g} to {added.max():g}°.".replace(
        f"{added.min():g} to {added.min():g}", f"{added.min():g}"))  # fmt: skip
    return added


def _excluded(block: Block, angle: Values, remarks: list[str]) -> NDArray[np.bool_]:
    """Return whether each angle [n] is in a region that the file excludes."""
    excluded = np.zeros(len(angle), dtype=bool)
    for text in block.get(EXCLUDED, []):
        pairs = _REGION.findall(" ".join(text[:LONGEST_TEXT].split()))
        regions = [(float(low), float(high)) for low, high in pairs if float(low) < float(high) <= 180]
        for low, high in regions:
            excluded |= (angle >= low) & (angle <= high)
        if regions:
            shown = ", ".join(f"{low:g} to {high:g}°" for low, high in regions)
            remarks.append(f"Regions that the file excludes were left out: {shown}.")
        elif re.search(r"\d", text):
            shown = " ".join(text.split())[:80]
            remarks.append(
                f"The file excludes regions in words that were not understood ({shown!r}); nothing was left out."
            )
    return excluded


def _column(texts: list[str]) -> tuple[Values, Values]:
    """Return numbers and the uncertainties in parentheses; NaN where there are none."""
    try:
        return np.array(texts, dtype=np.float64), np.full(len(texts), np.nan)
    except ValueError:
        pairs = np.array([_with_uncertainty(text) for text in texts], dtype=np.float64).reshape(-1, 2)
        return pairs[:, 0], pairs[:, 1]


def _with_uncertainty(text: str) -> tuple[float, float]:
    """Return a number of a CIF and its uncertainty.

    >>> _with_uncertainty("32.7(18)"), _with_uncertainty("2E+1")
    ((32.7, 1.8), (20.0, nan))
    """
    found = _UNCERTAINTY.match(text)
    if not found:
        return gemmi.cif.as_number(text), np.nan
    sign, whole, decimals, exponent, uncertainty = found.groups()
    power = int(exponent or 0)
    value = float(f"{sign}{whole or 0}.{decimals or 0}e{power}")
    return value, float(f"{uncertainty}e{power - len(decimals)}")


def _number(block: Block, tag: str) -> float:
    """Return the number that a tag has alone; NaN without one."""
    texts = block.get(tag, [])
    return float(_column(texts)[0][0]) if len(texts) == 1 else np.nan


def _radiation(blocks: list[Block]) -> FileRadiation:
    """Return the lines of the first block that has wavelengths, with the weights that it gives them."""
    for block in blocks:
        for name in WAVELENGTHS:
            wavelengths = _column(block.get(name, []))[0]
            weights = next((_column(block[tag])[0] for tag in WEIGHTS if tag in block), np.array([]))
            told = np.isfinite(wavelengths)
            if told.any():
                return _of_lines(wavelengths[told], weights[told] if len(weights) == len(told) else None, name)
    return UNKNOWN


def _of_lines(wavelengths: Values, weights: Values | None, name: str) -> FileRadiation:
    """Return the radiation of wavelengths [n], angstrom, with weights [n] or of a doublet without."""
    wrong = wavelengths[~((wavelengths > SHORTEST_ANGSTROM) & (wavelengths < LONGEST_ANGSTROM))]
    if len(wrong):
        return FileRadiation(trouble=implausible(name, float(wrong[0])))
    if any(seems_nanometres(float(wavelength)) for wavelength in wavelengths):
        return FileRadiation(
            trouble=f"{name} gives {wavelengths[0]:g}, which should be in angstrom and seems to be in nm"
        )
    if weights is not None and np.isfinite(weights).all() and (weights >= 0).all() and weights.any():
        pairs = zip(wavelengths, weights, strict=True)
        lines = tuple(EmissionLine(float(line), float(weight)) for line, weight in pairs if weight > 0)
        remarks = ("The weights of the lines are those of the file.",) if len(lines) > 1 else ()
        return FileRadiation(Radiation(lines), name, remarks)
    different = np.unique(wavelengths)
    if len(different) > 2:
        return FileRadiation(trouble=f"{name} gives {len(different)} wavelengths without their weights")
    if len(different) == 2:
        return doublet(float(different[0]), float(different[1]), None, name)
    return FileRadiation(Radiation.of(float(different[0])), name)
