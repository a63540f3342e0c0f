"""Tables of the book: numbered, captioned, and computed at the moment the chapter runs."""

from numbers import Integral, Real
from typing import Any

import pandas as pd
from IPython.display import Markdown


def numbered_table(frame: pd.DataFrame, label: str, caption: str, precision: int = 2) -> Markdown:
    """Return a data frame as a table that the site numbers and that {numref}`label` can point to.

    Args:
        frame: the table; its index is left out, so reset it where it matters.
        label: target of cross-references, such as `table-1`.
        caption: text of the caption in MyST; numbers in it come from the same run, by an f-string.
        precision: decimals of real numbers; integers get commas from 10,000 on, text stays as it is, missing values
            are a dash.

    Returns:
        What a cell shows: MyST Markdown with a `table` directive.
    """
    head = [str(column) for column in frame.columns]
    numeric = [pd.api.types.is_numeric_dtype(kind) for kind in frame.dtypes]
    rule = ["---:" if right else ":---" for right in numeric]
    body = [[_cell(value, precision) for value in row] for row in frame.itertuples(index=False, name=None)]
    lines = ["| " + " | ".join(row) + " |" for row in [head, rule, *body]]
    one_line = " ".join(caption.split())
    return Markdown("\n".join([f":::{{table}} {one_line}", f":name: {label}", "", *lines, ":::"]))


def _cell(value: Any, precision: int) -> str:
    if value is None or value is pd.NA or (isinstance(value, Real) and value != value):
        return "–"
    if isinstance(value, Real) and not isinstance(value, Integral):
        return f"{value:.{precision}f}".replace("-", "−")
    if isinstance(value, Integral) and abs(int(value)) >= 10_000:
        return f"{int(value):,}".replace("-", "−")
    return str(value).replace("|", "\\|")
