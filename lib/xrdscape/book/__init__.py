"""The executable paper: chapters with parameters, executed and built into one static site.

A name is imported when it is asked for: a chapter that shows a table need not wait for what executes chapters.
"""

from importlib import import_module
from typing import Any

_NAMES = {
    "build": ("build_book", "execute_chapter"),
    "execute": ("run_chapter",),
    "explorer": ("results_explorer",),
    "findings": ("FindingsTable", "claim_entries", "gathered", "verdicts_sentence", "verdicts_table"),
    "overview": ("parameters_table",),
    "pages": ("Book", "chapter_names"),
    "parameters": ("Parameter", "chapter_parameters", "check_parameters", "parse_parameters"),
    "records": ("timings_table", "versions_table"),
    "results": ("results_text",),
    "tables": ("numbered_table",),
}
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names}

__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
