"""Measured patterns of known crystals, solved from their formulas: PXRDnet's last task.

The patterns are not this project's to carry. Whoever has powder CIFs, each with a pattern and the crystal that was
refined against it, gets their outcome as a table.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pymatgen.core import Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from xrdscape.crystal.reading import read_crystal
from xrdscape.crystal.standard_cells import ordered_cell
from xrdscape.diffraction.nano_patterns import NANO_CONVENTIONS, sharp_pattern_of_cell
from xrdscape.errors import DataError, XrdscapeError
from xrdscape.evaluation.pattern_residual import NO_CANDIDATE, r_wp_squared
from xrdscape.patterns.pattern import Pattern
from xrdscape.patterns.reading import read_pattern
from xrdscape.refinement.refine import refine
from xrdscape.runtime.checkpoint import replace_file
from xrdscape.solution.library import carried_library
from xrdscape.solution.measurement import measurement
from xrdscape.solution.solution import Solution
from xrdscape.solution.solve import solve_measurement
from xrdscape.study.solving import LOOSE, STRICT

Way = Literal["smoothed", "as measured"]
"""Resolution of the patterns: smoothed as PXRDnet smooths them, or nearly their own."""
SHARPEST_INV_ANGSTROM: dict[Way, float] = {"smoothed": 0.0857, "as measured": 0.025}
CANDIDATES, REFINED = 10, 1
"""Candidates that an answer has at most, and how many of these are then refined against the pattern as it was
measured."""
ENDINGS = (".cif", ".pdcif")


def measured_outcomes(
    folder: Path,
    table: Path,
    ways: tuple[Way, ...] = ("smoothed", "as measured"),
    say: Callable[[str], None] = print,
) -> pd.DataFrame:
    """Return the outcome of every powder CIF of a folder, a row a file and way, and write it as it is made.

    The search is given the contents of the primitive cell and a library without the compound. The crystal in the file
    judges the candidates alone.

    Args:
        folder: with files that hold a pattern and its crystal.
        table: of the outcomes, in CSV; what it holds already is not made again.
        ways: resolutions.
        say: told what is under way, and which files cannot be used and why.

    Raises:
        DataError: the folder holds no such file.
    """
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS) if folder.is_dir() else []
    if not files:
        raise DataError(f"{folder} holds no powder CIFs. Give a folder with files of a pattern and its crystal each.")
    known = pd.read_csv(table) if table.exists() else pd.DataFrame({"file": [], "way": []})
    for path in files:
        left = [way for way in ways if not ((known["file"] == path.name) & (known["way"] == way)).any()]
        try:
            for row in _outcomes(path, left):
                known = pd.concat([known, pd.DataFrame([row])], ignore_index=True)
                replace_file(table, partial(known.to_csv, index=False, float_format="%.6g"))
                place = f"candidate {row['loose_rank']}" if row["loose_rank"] else "none of the candidates"
                say(f"{path.name}, {row['way']}: {row['formula']} is {place}")
        except XrdscapeError as problem:
            say(f"{path.name} is left out: {problem}")
    return known


def _outcomes(path: Path, ways: Sequence[Way]) -> Iterator[dict[str, Any]]:
    if not ways:
        return
    pattern, truth = read_pattern(path), read_crystal(path).structure.get_primitive_structure()
    ordered_cell(truth)
    library = carried_library().without([truth.composition.reduced_formula])
    for way in ways:
        began = time.perf_counter()
        data = measurement(pattern, sharpest_inv_angstrom=SHARPEST_INV_ANGSTROM[way])
        found = solve_measurement([truth.composition], data, library, candidates=CANDIDATES)
        seconds = time.perf_counter() - began
        row = {
            "file": path.name, "formula": truth.composition.reduced_formula,
            "space_group": SpacegroupAnalyzer(truth, symprec=0.01).get_space_group_symbol(), "sites": len(truth),
            "way": way, "seconds": seconds, "solved": found.solved, **_judged(found, truth),
        }  # fmt: skip
        if way == "as measured":
            row |= _refined(found, pattern, truth)
        yield row


def _judged(found: Solution, truth: Structure) -> dict[str, Any]:
    """Return how near the candidates are to the crystal."""
    answers = [row.structure for row in found.candidates]
    shares = [_r_wp_squared(truth, answer) for answer in answers]
    loose, strict = ([matcher.fit(truth, answer) for answer in answers] for matcher in (LOOSE, STRICT))
    return {
        "r_nano": found.candidates[0].r_nano if answers else NO_CANDIDATE,
        "r_wp_squared": min(shares, default=NO_CANDIDATE),
        "r_wp_squared_first": shares[0] if shares else NO_CANDIDATE,
        "loose_rank": loose.index(True) + 1 if any(loose) else 0,
        "strict_rank": strict.index(True) + 1 if any(strict) else 0,
    }


def _refined(found: Solution, pattern: Pattern, truth: Structure) -> dict[str, Any]:
    """Return how near the first candidates come by a refinement of cell and atoms against the pattern itself."""
    shares, began = [], time.perf_counter()
    for row in found.candidates[:REFINED]:
        try:
            end = refine(row.structure, pattern, atoms=True, restarts=0, say=lambda message: None)
            shares.append(_r_wp_squared(truth, end.refined))
        except XrdscapeError:
            continue
    return {"r_wp_squared_refined": min(shares, default=float("nan")), "refined_seconds": time.perf_counter() - began}


def _r_wp_squared(truth: Structure, answer: Structure) -> float:
    rules = NANO_CONVENTIONS["reference-code"]
    reference, pattern = (sharp_pattern_of_cell(ordered_cell(crystal), rules) for crystal in (truth, answer))
    return float(r_wp_squared(reference, pattern))
