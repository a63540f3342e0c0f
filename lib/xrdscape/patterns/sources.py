"""Sources of other radiation than X-rays."""

import re
from collections.abc import Sequence
from pathlib import Path

from xrdscape.errors import PatternError

OTHER_SOURCES = re.compile(
    r"neutron|reactor|spallation|electron[\s_-]*(?:gun|beam|diffraction|microscope)|(?<![a-z])tem(?![a-z])|^\s*electrons?\s*(?:$|[,;(])",
    re.IGNORECASE,
)
"""Words on a source that is none of X-rays; electrons in a storage ring make X-rays."""

NEUTRON_PLACES = re.compile(
    r"(?<![A-Za-z\d])(?:ILL|ISIS|SNS|HFIR|LANSCE|J-?PARC|SINQ|FRM[\s-]?(?:II|2)|D2B|D1B|D1A|D20|3T2|HRPT|SPODI|ECHIDNA|Echidna|"
    r"WOMBAT|Wombat|POWGEN|HRPD|BT-?1)(?![A-Za-z\d])"
)
"""Sources and powder diffractometers that have neutrons alone, in the field of a source or an instrument."""

MOST_LINES, LONGEST_LINE = 2000, 300
"""Lines of a header, and characters of a line, that are searched at most."""

_LABELLED = re.compile(
    r"(?:radiation|source|probe|beam|instrument|type|strahlung|strahlenquelle|rayonnement|quelle)[\s_a-z]{0,20}[:=,;\t]\s*(?P<what>.+)",
    re.IGNORECASE,
)


def refuse_source(told: str, path: Path) -> None:
    """Raise PatternError for words on a source, or a radiation, that is none of X-rays."""
    if OTHER_SOURCES.search(told) or NEUTRON_PLACES.search(told):
        raise PatternError(
            f"{path} was measured with {told.strip()}; only X-ray patterns can be simulated here. Give one of X-rays."
        )


def refuse_other_sources(header: Sequence[str], path: Path) -> None:
    """Raise PatternError for a line of a header that names such a source, or a diffractometer of neutrons."""
    for line in (line[:LONGEST_LINE] for line in header[:MOST_LINES]):
        found = _LABELLED.search(line)
        if found:
            refuse_source(found["what"], path)
        if re.search(r"neutron[\s-]*(?:powder|diffract|source|beam|data|wavelength|radiation)", line, re.IGNORECASE):
            refuse_source(line.strip("#!;%* "), path)
