"""The executable paper: chapters with parameters, executed and built into one static site.

Its names are imported when they are used: a command that only lists chapters need not wait for what executes them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xrdscape.book.build import build_book, execute_chapter
    from xrdscape.book.execute import run_chapter
    from xrdscape.book.findings import FindingsTable, claim_entries, gathered, verdicts_sentence, verdicts_table
    from xrdscape.book.parameters import (
        Book,
        Parameter,
        chapter_names,
        chapter_parameters,
        check_parameters,
        parse_parameters,
    )
    from xrdscape.book.records import timings_table, versions_table
    from xrdscape.book.results import results_text
    from xrdscape.book.tables import numbered_table, parameters_table

_MODULE_OF = {
    "Book": "parameters",
    "FindingsTable": "findings",
    "Parameter": "parameters",
    "build_book": "build",
    "chapter_names": "parameters",
    "chapter_parameters": "parameters",
    "check_parameters": "parameters",
    "claim_entries": "findings",
    "execute_chapter": "build",
    "gathered": "findings",
    "numbered_table": "tables",
    "parameters_table": "tables",
    "parse_parameters": "parameters",
    "results_text": "results",
    "run_chapter": "execute",
    "timings_table": "records",
    "verdicts_sentence": "findings",
    "verdicts_table": "findings",
    "versions_table": "records",
}

__all__ = [
    "Book",
    "FindingsTable",
    "Parameter",
    "build_book",
    "chapter_names",
    "chapter_parameters",
    "check_parameters",
    "claim_entries",
    "execute_chapter",
    "gathered",
    "numbered_table",
    "parameters_table",
    "parse_parameters",
    "results_text",
    "run_chapter",
    "timings_table",
    "verdicts_sentence",
    "verdicts_table",
    "versions_table",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
