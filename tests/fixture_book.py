"""A book of three short chapters, for tests that need one whose every number is known."""

import shutil
from pathlib import Path

from xrdscape.book.pages import Book

ROOT = Path(__file__).resolve().parents[1]

HEADER = """---
jupytext:
  text_representation: {extension: .md, format_name: myst}
kernelspec: {name: python3, display_name: Python 3, language: python}
---

"""

TOC = """format: jb-book
root: index
parts:
  - caption: Chapters
    numbered: 1
    chapters:
      - file: chapters/versions
      - file: chapters/01-sum
      - file: chapters/02-plot
  - caption: About
    chapters:
      - file: genindex
"""

INDEX = """# A small book

See {numref}`fig-line`, {numref}`table-squares`, {eq}`eq-sum`, {cite}`segal2026` and what is {ref}`below <table-plain>`.

:::{table} On a page without a number.
:name: table-plain

| n |
| - |
| 1 |
:::

```{bibliography}
```
"""

SUM = """# A sum

```{code-cell} ipython3
:tags: [parameters]

count = 3  # how many numbers
factor = 2.0  # what multiplies them
names = ["a", "b"]
label = "sum"
exact = True
```

$$ s = f \\sum_i i $$ (eq-sum)

```{code-cell} ipython3
import os
import warnings
import pandas as pd
from myst_nb import glue
from xrdscape.book.tables import numbered_table

warnings.warn("unwanted".upper())
glue("total", float(factor * sum(range(count))), display=False)
print(label, factor * sum(range(count)), names, os.getcwd())
```

The sum is {glue:text}`total:.2f`.

```{code-cell} ipython3
frame = pd.DataFrame({"n": range(count), "half": [n / 2 for n in range(count)]})
numbered_table(frame, "table-squares", f"Of {count} rows, after {{cite}}`segal2026`.")
```
"""

PLOT = """# A plot

```{code-cell} ipython3
---
mystnb:
  figure:
    name: fig-line
    caption: |
      A line; chapter one found {glue:text}`01-sum.ipynb::total:.1f`.
  image:
    alt: A straight line.
tags: [hide-input]
---
from myst_nb import glue
from xrdscape.figures import new_figure, use_style

use_style()
figure = new_figure(2.0, width_in=3.0)
figure.subplots().plot([1, 2])
figure
```

```{code-cell} ipython3
:tags: [remove-output]

glue("same", figure, display=False)
```

:::{glue:figure} same
:name: fig-same
:alt: The same line.

It again, an {index}`abscissa`.
:::
"""

REPORT = """# Versions

```{code-cell} ipython3
from xrdscape.book.records import timings_table
from xrdscape.book.tables import numbered_table
numbered_table(timings_table(), "table-timings", "Times.", 1)
```
"""


def write_fixture_book(root: Path) -> Book:
    """Write the book's text into an empty folder, with the project's own site configuration."""
    (root / "chapters").mkdir(parents=True)
    for name in ("_config.yml", "references.bib"):
        shutil.copy(ROOT / name, root / name)
    (root / "assets").mkdir()
    shutil.copy(ROOT / "assets" / "xrdscape.css", root / "assets")
    (root / "_toc.yml").write_text(TOC)
    (root / "index.md").write_text(INDEX)
    (root / "genindex.md").write_text("# Index\n")
    for name, text in {"01-sum": SUM, "02-plot": PLOT, "versions": REPORT}.items():
        (root / "chapters" / f"{name}.md").write_text(HEADER + text)
    (root / "chapters" / "not-a-notebook.md").write_text("# A page\n")
    return Book(root)
