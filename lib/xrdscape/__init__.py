"""Powder X-ray diffraction: patterns simulated from crystals, crystals solved from patterns and refined
against them.

The names below are what most work needs. Each is imported when it is first used: `import xrdscape` takes no time.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from xrdscape.version import __version__ as __version__

if TYPE_CHECKING:
    from xrdscape import errors
    from xrdscape.crystal.structures import load_structure
    from xrdscape.diffraction.instrument import Instrument
    from xrdscape.diffraction.pattern import Simulator, reflection_table
    from xrdscape.diffraction.radiation import Radiation
    from xrdscape.errors import XrdscapeError
    from xrdscape.evaluation.matching import matches, tight_match
    from xrdscape.patterns.pattern import Pattern
    from xrdscape.patterns.reading import read_pattern
    from xrdscape.patterns.similarity import similarity
    from xrdscape.patterns.simulated import simulate
    from xrdscape.refinement.refine import refine
    from xrdscape.refinement.refinement import Refinement
    from xrdscape.solution.library import load_library
    from xrdscape.solution.solution import Solution
    from xrdscape.solution.solve import solve

__all__ = [
    "Instrument",
    "Pattern",
    "Radiation",
    "Refinement",
    "Simulator",
    "Solution",
    "XrdscapeError",
    "errors",
    "load_library",
    "load_structure",
    "matches",
    "read_pattern",
    "refine",
    "reflection_table",
    "similarity",
    "simulate",
    "solve",
    "tight_match",
]

_MODULE_OF = {
    "Instrument": "diffraction.instrument",
    "Pattern": "patterns.pattern",
    "Radiation": "diffraction.radiation",
    "Refinement": "refinement.refinement",
    "Simulator": "diffraction.pattern",
    "Solution": "solution.solution",
    "XrdscapeError": "errors",
    "load_library": "solution.library",
    "load_structure": "crystal.structures",
    "matches": "evaluation.matching",
    "read_pattern": "patterns.reading",
    "refine": "refinement.refine",
    "reflection_table": "diffraction.pattern",
    "similarity": "patterns.similarity",
    "simulate": "patterns.simulated",
    "solve": "solution.solve",
    "tight_match": "evaluation.matching",
}


def __getattr__(name: str) -> Any:
    if name == "errors":
        return import_module("xrdscape.errors")
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
