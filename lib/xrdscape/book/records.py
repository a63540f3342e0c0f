"""Times and machines of the last executions: the tables of the book's closing page."""

import json
import platform
from pathlib import Path
from typing import Any

import pandas as pd

from xrdscape.book.pages import Book
from xrdscape.runtime.provenance import machine, package_versions

# The packages whose version can change a number in the book.
PACKAGES = (
    "xrdscape", "torch", "numpy", "scipy", "numba", "pymatgen", "spglib", "ase", "chgnet",
    "average-minimum-distance", "scikit-learn", "pandas", "matplotlib", "papermill", "jupyter-book",
)  # fmt: skip


def timings_path(book: Book) -> Path:
    """Return the path of the record of every chapter's last execution."""
    return book.executed / "timings.json"


def read_timings(book: Book) -> dict[str, dict[str, Any]]:
    """Return the records by chapter; empty where nothing was executed yet."""
    path = timings_path(book)
    return json.loads(path.read_text(encoding="utf8")) if path.exists() else {}


def environment() -> dict[str, Any]:
    """Return the versions and hardware of the running interpreter."""
    return {"python": platform.python_version(), "packages": package_versions(PACKAGES), **machine()}


def timings_table(book: Book | None = None) -> pd.DataFrame:
    """Return one row a chapter: its last execution's duration, its end (UTC) and the parameters it ran with."""
    timings = read_timings(book or Book())
    rows = [
        {
            "Chapter": name,
            "Seconds": entry["seconds"],
            # No-break hyphens: a date stays on one line.
            "Finished (UTC)": entry["finished"][:16].replace("T", " ").replace("-", "\u2011"),
            "Parameters": ", ".join(f"{k} = {v}" for k, v in entry["parameters"].items()) or "none",
        }
        for name, entry in sorted(timings.items())
    ]
    return pd.DataFrame(rows, columns=["Chapter", "Seconds", "Finished (UTC)", "Parameters"])


def versions_table(book: Book | None = None) -> pd.DataFrame:
    """Return one row an item: interpreter, packages, system, processor, cores, as recorded when the chapters ran.

    Chapters executed in different environments show every value that occurred, separated by a slash.
    """
    records = [entry["environment"] for entry in read_timings(book or Book()).values()] or [environment()]
    machine = ("system", "processor", "cores")
    flat = [{"python": r["python"], **r["packages"], **{k: r[k] for k in machine}} for r in records]
    items = list(flat[0])
    values = [" / ".join(dict.fromkeys(str(row[item]) for row in flat)) for item in items]
    return pd.DataFrame({"Item": items, "Value": values})
