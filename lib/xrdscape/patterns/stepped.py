"""Patterns as a start, a step and an end, and then intensities alone, some in each line."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from xrdscape.patterns.columns import COMMENTS
from xrdscape.patterns.pattern import Values
from xrdscape.patterns.scan import Scan
from xrdscape.patterns.sources import refuse_other_sources
from xrdscape.patterns.wavelengths import radiation_of_lines

_NUMBER = r"([-+]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eEdD][-+]?\d++)?)"
_KEYS = {
    "start": re.compile(rf"(?<![a-z])(?:start|begin|min)[\s_a-z]{{0,12}}[=:,]\s*{_NUMBER}", re.IGNORECASE),
    "step": re.compile(rf"(?<![a-z])(?:step|increment|inc)[\s_a-z]{{0,12}}[=:,]\s*{_NUMBER}", re.IGNORECASE),
    "stop": re.compile(rf"(?<![a-z])(?:stop|end|finish|max)[\s_a-z]{{0,12}}[=:,]\s*{_NUMBER}", re.IGNORECASE),
}
_THREE = re.compile(rf"{_NUMBER}\s+{_NUMBER}\s+{_NUMBER}(?![\d.])")
_START = re.compile(_NUMBER)
ROUNDING = 0.1
"""Steps that the end of a range may stray by from the last point."""

MOST_HEADER = 200
"""Lines among which a start, a step and an end are looked for."""


def read_stepped(lines: Sequence[str], path: Path) -> Scan | None:
    """Return the pattern in lines that give the ends of a range and its step, and then as many intensities as it has.

    The ends stand in one line, "start step stop" (Fullprof, DBWS, LHPM), or are named ("*START = 10").
    """
    named: dict[str, float] = {}
    for place, line in enumerate(lines[:MOST_HEADER]):
        for key, pattern in _KEYS.items():
            if found := pattern.search(line):
                named[key] = _float(found[1])
        three = _THREE.match(line)
        after = next((text for text in lines[place + 1 : place + 9] if text), "")
        if not three and not (len(named) == len(_KEYS) and _START.match(after)):
            continue
        ends = [_float(text) for text in three.groups()] if three else [named[key] for key in _KEYS]
        scan = _of_range(lines, place, ends, len(re.split(r"[\s,]+", after.strip(" ,"))))
        if scan is not None:
            refuse_other_sources(lines[: place + 1], path)
        return scan
    return None


def _of_range(lines: Sequence[str], place: int, ends: Sequence[float], fields: int) -> Scan | None:
    """Return the pattern whose range, (start, step, stop), a line gives; None if what follows are not its intensities.

    Args:
        lines: of the file.
        place: of that line.
        ends: of the range.
        fields: of the first line that follows; two or three are columns.
    """
    start, step, stop = ends
    values = _values(lines[place + 1 :]) if fields not in (2, 3) and 0 < step < stop - start else None
    if values is None or abs((stop - start) / step + 1 - len(values)) > ROUNDING:
        return None
    remark = f"The file has intensities alone; its header says from {start:g} in steps of {step:g} to {stop:g}°."
    return Scan(
        np.asarray(start + step * np.arange(len(values)), dtype=np.float64),
        values,
        axis="two-theta",
        radiation=radiation_of_lines(lines[: place + 1]),
        remarks=(remark,),
    )


def _float(text: str) -> float:
    return float(re.sub("[dD]", "e", text))


def _values(lines: Sequence[str]) -> Values | None:
    """Return the numbers of lines that hold nothing else, or None."""
    texts = re.split(r"[\s,]+", " ".join(line for line in lines if not line.startswith(COMMENTS)).strip(" ,"))
    try:
        return np.array(texts, dtype=np.float64)
    except ValueError:
        return None
