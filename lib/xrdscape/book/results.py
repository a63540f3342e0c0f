"""The results of an executed chapter, as plain text for a terminal."""

import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

from xrdscape.errors import ChapterError

WIDTH = 80
"""Width of the lines of a caption; tables are as wide as they are."""

# MyST roles, such as {numref}`fig-1`, of which a terminal shows the text.
ROLE = re.compile(r"\{[\w:]+\}`([^`]*)`")


def results_text(notebook: Path, label: str | None = None) -> str:
    """Return the tables of an executed chapter.

    Args:
        notebook: written by `xrdscape run`, papermill or Jupyter.
        label: of one table; all if left out.

    Raises:
        ChapterError: no notebook, or none with such a table; the message lists those there are.
    """
    found = dict(_tables(notebook))
    if label is not None and label not in found:
        raise ChapterError(f"{notebook} has no table {label!r}; it has: {', '.join(found) or 'none'}")
    return "\n\n".join(text for name, text in found.items() if label in (None, name))


def _tables(notebook: Path) -> Iterator[tuple[str, str]]:
    try:
        cells = json.loads(notebook.read_text(encoding="utf8"))["cells"]
    except (OSError, ValueError, TypeError, KeyError) as problem:
        raise ChapterError(
            f"{notebook} is not a notebook ({type(problem).__name__}). Give the path of one that `xrdscape run` wrote."
        ) from problem
    for cell in cells:
        for output in cell.get("outputs", []):
            source = "".join(output.get("data", {}).get("text/markdown", ""))
            if source.startswith(":::{table}"):
                yield _plain(source)


def _plain(source: str) -> tuple[str, str]:
    """Return the label and text of what `numbered_table` shows: the caption, then aligned columns."""
    # No-break spaces are for a browser.
    first, name, *lines = source.replace("\u00a0", " ").splitlines()
    head, rule, *body = [_cells(line) for line in lines if line.startswith("|")]
    rows = [head, *body]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    right = [mark.startswith("-") for mark in rule]
    aligned = [
        "  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True)).rstrip()
        for row in rows
    ]
    caption = ROLE.sub(r"\1", first.removeprefix(":::{table}").strip())
    return name.removeprefix(":name:").strip(), "\n".join([*textwrap.wrap(caption, WIDTH), *aligned])


def _cells(line: str) -> list[str]:
    inner = line.strip().removeprefix("|").removesuffix("|")
    return [ROLE.sub(r"\1", part.strip().replace("\\|", "|")) for part in re.split(r"(?<!\\)\|", inner)]
