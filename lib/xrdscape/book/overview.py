"""The parameters of all chapters in one table."""

import re

import pandas as pd

from xrdscape.book.pages import Book, chapter_names
from xrdscape.book.parameters import chapter_parameters
from xrdscape.paths import REFERENCE_NAMES

CRYSTAL = re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in REFERENCE_NAMES))
"""Names of crystals as they are typed."""


def parameters_table(book: Book | None = None) -> pd.DataFrame:
    """Return every parameter of every chapter, as its `parameters` cell declares it: one row each, in reading order.

    Names of crystals are code in the ranges: they are to be typed, and the page would set their digits as subscripts.
    """
    book = book or Book()
    rows = [
        (chapter, f"`{p.name}`", f"`{p.default!r}`", p.meaning, CRYSTAL.sub(r"`\g<0>`", p.range))
        for chapter in chapter_names(book)
        for p in chapter_parameters(chapter, book).values()
    ]
    return pd.DataFrame(rows, columns=["Chapter", "Parameter", "Default", "Meaning and unit", "Range"])
