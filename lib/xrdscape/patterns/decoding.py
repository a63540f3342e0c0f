"""Text of a file from its bytes."""

import codecs
import re
from pathlib import Path

from xrdscape.errors import PatternError

MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""Byte-order marks, the longer before those that they begin with."""

CONTROLS = re.compile(r"[\x00-\x08\x0e-\x19\x1b-\x1f]")
"""Characters of no text; files of DOS end in 1A."""

_AROUND = " \t\x0b\x0c\x1a\ufeff"

HEAD, MOST = 4096, 0.8
"""Bytes that show whether every other one is zero, and how many of those must be."""


def decoded(content: bytes, path: Path) -> str:
    """Return the text of a file: by its byte-order mark, else UTF-8 or, where it is not that, Windows-1252.

    Raises:
        PatternError: for bytes that are no text.
    """
    text = _decoded(content)
    if CONTROLS.search(text):
        raise PatternError(
            f"{path} is not text, nor a format of an instrument that can be read: export the pattern from its program "
            "as two columns (.xy)."
        )
    return text


def _decoded(content: bytes) -> str:
    for mark, encoding in MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, errors="replace")
    even, odd = content[:HEAD:2], content[1:HEAD:2]
    for zeros, others, encoding in ((odd, even, "utf-16-le"), (even, odd, "utf-16-be")):
        if zeros.count(0) > MOST * len(zeros) and others.count(0) < (1 - MOST) * len(others):
            return content.decode(encoding, errors="replace")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def lines_of(text: str, in_columns: bool = False) -> list[str]:
    """Return the lines of a text, whichever system ended them, without blanks around them.

    Args:
        text: of a file.
        in_columns: whether the places of characters in a line matter, so that the blanks before it are kept.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [line.rstrip(_AROUND) if in_columns else line.strip(_AROUND) for line in lines]
