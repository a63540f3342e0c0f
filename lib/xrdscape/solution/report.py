"""Files of a solution: candidates.csv, a CIF of each candidate, report.html in one file, and solution.json."""

import csv
import io
import json
import math
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

from xrdscape.crystal import writing
from xrdscape.errors import RecordError, XrdscapeError
from xrdscape.runtime.page import listing, page, picture, table
from xrdscape.runtime.provenance import provenance
from xrdscape.solution.facts import SYMPREC_ANGSTROM, Facts, contents_text, facts_of
from xrdscape.solution.figures import cell_figure, drawn_cell, pattern_figure
from xrdscape.solution.solution import Solution
from xrdscape.solution.wording import against, in_favour, percent, short
from xrdscape.style import styled
from xrdscape.version import __version__

TABLE, PAGE, NUMBERS = "candidates.csv", "report.html", "solution.json"

COLUMNS = (
    "rank", "file", "formula", "space_group", "r_wp_squared", "r_nano", "prototype", "prototype_source",
    "volume_angstrom3", "contact", "origin", "alternative_to", "cell_contents",
)  # fmt: skip
"""Columns of candidates.csv: facts on a candidate (`facts.Facts`)."""

WORDS = {
    "cells": "contents of the cell that were tried", "fits": "crystals fitted",
    "library_entries": "entries of the library", "without": "formulas left out of it",
    "candidates": "candidates at most", "formula_units": "formula units in the cell",
    "axis": "axis of the file", "size_angstrom": "size of the crystallites, given (Å)",
    "wavelength_angstrom": "wavelength (Å)", "sigma_inv_angstrom": "σ of the peaks' Gaussian (1/Å)",
    "convention": "convention of PXRDnet", "fits_at_most": "prototypes fitted at most",
    "descents": "random starts at most", "seed": "seed of these", "first_q_inv_angstrom": "first Q (1/Å)",
    "last_q_inv_angstrom": "last Q (1/Å)", "thickness_angstrom": "thickness of the crystallites (Å)",
    "b_iso_angstrom2": "B of all atoms (Å²)", "fitted": "fitted of these",
}  # fmt: skip
"""Names of numbers in the report."""

STYLE = """
.candidate { border-top: 2px solid #ddd; margin-top: 2.5rem; }
.both { display: flex; gap: 1.5rem; align-items: center; }
.both figure { margin: .5rem 0; } .both figure:first-child { flex: 0 0 15rem; }
.both figure:last-child { flex: 1 1 0; min-width: 0; }
.both figure:first-child svg { min-width: 0; } .both svg { min-width: 0; } h2 { margin: 1.2rem 0 .4rem; }
h3 { font-size: 1rem; margin: .8rem 0 .2rem; } ul { margin: .2rem 0; padding-left: 1.3rem; }
.wide { overflow-x: auto; } .wide td { white-space: nowrap; }
@media (max-width: 48rem) {
  .both { display: block; } .both figure:first-child svg { max-width: 15rem; display: block; margin: 0 auto; }
  .both figure:last-child svg { min-width: 30rem; }
}
"""


def solution_folder(folder: Path, force: bool) -> Path:
    """Return a folder, once it is found that a solution can be written there and destroys nothing else.

    Raises:
        XrdscapeError: it exists and holds something, and may not be replaced.
    """
    parent = folder.absolute().parent
    if not parent.is_dir():
        raise XrdscapeError(f"the folder of the output does not exist: {parent}")
    if not os.access(parent, os.W_OK):
        raise XrdscapeError(f"the folder of the output may not be written to: {parent}")
    if not folder.exists():
        return folder
    if not folder.is_dir():
        raise XrdscapeError(f"the output {folder} is a file; a solution is a folder: choose another name with -o")
    held = sorted(path.name for path in folder.iterdir())
    strange = [name for name in held if name not in (TABLE, PAGE, NUMBERS) and not name.endswith(".cif")]
    if held and (strange or NUMBERS not in held):
        raise XrdscapeError(f"{folder} holds something else ({(strange or held)[0]}); choose another name with -o")
    if held and not force:
        raise XrdscapeError(f"{folder} exists; choose another name, or replace it with --force (force=True)")
    return folder


def write_solution(solution: Solution, folder: Path, force: bool = False) -> tuple[Path, ...]:
    """Write all files of a solution to a folder, which then holds all of them, or is as it was; return their paths.

    Raises:
        XrdscapeError: the folder holds something and may not be replaced.
        RecordError: it cannot be written.
    """
    folder = solution_folder(folder, force).absolute()
    texts = solution_texts(solution)
    fresh, old = (folder.with_name(f".{folder.name}.{os.getpid()}.{part}") for part in ("part", "old"))
    try:
        fresh.mkdir()
        for name, text in texts.items():
            (fresh / name).write_text(text, encoding="utf8")
        if folder.exists():
            folder.rename(old)
        fresh.rename(folder)
    except OSError as problem:
        if old.exists() and not folder.exists():
            old.rename(folder)
        raise RecordError(
            f"Cannot write {folder}: {problem.strerror or problem}. Free some space or choose another folder."
        ) from problem
    finally:
        for rest in (fresh, old):
            shutil.rmtree(rest, ignore_errors=True)
    return tuple(folder / name for name in texts)


def solution_texts(solution: Solution) -> dict[str, str]:
    """Return the files of a solution by name."""
    facts = facts_of(solution)
    return {
        TABLE: table_text(facts),
        **{fact.file: cif_text(fact, solution) for fact in facts},
        NUMBERS: json.dumps(numbers_of(solution, facts), indent=2, ensure_ascii=False) + "\n",
        PAGE: html_text(solution, facts),
    }


def table_text(facts: Sequence[Facts]) -> str:
    """Return candidates.csv."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for fact in facts:
        row = _row(fact)
        writer.writerow(["" if row[name] is None else row[name] for name in COLUMNS])
    return text.getvalue()


def _row(fact: Facts) -> dict[str, Any]:
    """Return the columns of a candidate, numbers rounded to what they are worth."""
    row = {name: getattr(fact, name) for name in COLUMNS}
    return {name: float(f"{value:.6g}") if isinstance(value, float) else value for name, value in row.items()}


def cif_text(fact: Facts, solution: Solution) -> str:
    """Return a candidate's CIF with its symmetry, and where it comes from."""
    notes = [
        f"candidate {fact.rank} of {len(solution.candidates)} of xrdscape {__version__} for {solution.asked}, "
        f"from {_pattern_name(solution)}",
        solution.verdict.split(". ")[0] + ".",
        f"unexplained share of the pattern: {fact.r_nano:.4g}; symmetry found within {SYMPREC_ANGSTROM:g} angstrom: "
        f"{fact.space_group} ({fact.space_group_number})",
        f"prototype: {fact.prototype_formula}, {fact.prototype} ({fact.prototype_source})",
    ]
    return writing.cif_text(fact.structure, SYMPREC_ANGSTROM, notes)


def _pattern_name(solution: Solution) -> str:
    return Path(solution.pattern_name).name or "a pattern"


def numbers_of(solution: Solution, facts: Sequence[Facts]) -> dict[str, Any]:
    """Return all numbers of the report, for programs."""
    made, data = provenance(), solution.data
    return {
        "formula": solution.asked,
        "pattern_file": _pattern_name(solution),
        "solved": solution.solved,
        "verdict": solution.verdict,
        "explained_below": solution.explained_below,
        "explain_as_well": solution.as_well,
        "candidates": [
            {
                **_row(fact),
                "space_group_number": fact.space_group_number,
                "fitted_group": fact.fitted_group,
                "loose_group": fact.loose_group,
                "parameters": fact.parameters,
                "prototype_formula": fact.prototype_formula,
                "entries_of_the_arrangement": fact.shared_by,
                "cell": [round(float(value), 6) for value in fact.structure.lattice.parameters],
                "distances": [asdict(distance) for distance in fact.distances],
                "in_favour": in_favour(fact, solution),
                "against": against(fact, facts, solution),
            }
            for fact in facts
        ],
        "pattern": {
            "points": len(data.q_inv_angstrom),
            "first_q_inv_angstrom": float(data.q_inv_angstrom[0]),
            "last_q_inv_angstrom": float(data.q_inv_angstrom[-1]),
            "wavelength_angstrom": data.wavelength_angstrom,
            "sigma_inv_angstrom": data.sigma_inv_angstrom,
            "thickness_angstrom": data.thickness_angstrom if math.isfinite(data.thickness_angstrom) else None,
            "b_iso_angstrom2": data.b_iso,
            "fitted": list(data.unknown),
        },
        "search": {
            "cells": [cell.formula for cell in solution.cells],
            "fits": solution.fits,
            "library_entries": len(solution.library),
            "without": list(solution.without),
            "seconds": round(solution.seconds, 2),
        },
        "settings": dict(solution.settings),
        "remarks": list(data.remarks),
        "made_by": {name: made[name] for name in ("revision", "packages", "python", "date")},
    }


def html_text(solution: Solution, facts: Sequence[Facts]) -> str:
    """Return the report as one page that needs nothing else."""
    numbers = numbers_of(solution, facts)
    title = f"{solution.asked or contents_text(solution.cells)} from {_pattern_name(solution)}"
    kind = "verdict" if solution.solved else "warning"
    first, _, rest = solution.verdict.partition(":")
    verdict = f'<p class="{kind}"><strong>{escape(first)}:</strong>{escape(rest)}</p>'
    parts = [f"<h1>{escape(title)}</h1>", verdict]
    if facts:
        parts.append(f'<div class="wide">{_table(facts)}</div>')
    with styled():
        parts += [_candidate(fact, facts, solution) for fact in facts]
    parts += [
        listing("What was assumed", [*numbers["remarks"], *_limits(solution)]),
        table("Search and settings", ("", "value"), _flat({**numbers["search"], **numbers["settings"]})),
        table("Pattern, as it was used", ("", "value"), _flat(numbers["pattern"])),
        table("Made by", ("", "value"), _flat({**numbers["made_by"]["packages"], **_made(numbers)})),
    ]
    return page(title, parts, STYLE)


def _made(numbers: Mapping[str, Any]) -> dict[str, Any]:
    return {name: numbers["made_by"][name] for name in ("revision", "python", "date")}


def _limits(solution: Solution) -> list[str]:
    """Return what every search assumes, a sentence each."""
    return [
        f"The primitive cell holds {' or '.join(cell.formula for cell in solution.cells)}, every site fully.",
        "One crystal makes the whole pattern; scattering is kinematic, without preferred orientation.",
        "A candidate's symmetry is that of its arrangement in the library, or higher.",
    ]


def _table(facts: Sequence[Facts]) -> str:
    head = ("", "formula", "space group", "unexplained", "R_wp²", "volume (Å³)", "contact", "parameters", "prototype")
    rows = [
        (
            str(fact.rank), fact.formula, fact.space_group, percent(fact.r_nano), short(fact.r_wp_squared),
            f"{fact.volume_angstrom3:.2f}", f"{fact.contact:.2f}", str(fact.parameters),
            f"{fact.prototype_formula}, {fact.prototype}",
        )
        for fact in facts
    ]  # fmt: skip
    return table("Candidates", head, rows)


def _candidate(fact: Facts, facts: Sequence[Facts], solution: Solution) -> str:
    """Return the section of a candidate."""
    row, drawn = solution.candidates[fact.rank - 1], drawn_cell(fact.structure)
    which = "conventional" if len(drawn) > len(fact.structure) else "primitive"
    lengths = ", ".join(f"{value:.3f}" for value in drawn.lattice.abc)
    angles = ", ".join(f"{value:.2f}" for value in drawn.lattice.angles)
    cell = picture(
        cell_figure(drawn),
        f"Unit cell of candidate {fact.rank}",
        f"The {which} cell: a, b, c = {lengths} Å; α, β, γ = {angles}°.",
    )
    pattern = picture(
        pattern_figure(row),
        f"Measured pattern and that of candidate {fact.rank}",
        "Measured pattern, that of the candidate, and their difference.",
    )
    heading = f"{fact.rank}. {fact.formula}, {fact.space_group} ({fact.space_group_number})"
    pros, cons = in_favour(fact, solution), against(fact, facts, solution)
    return (
        f'<section class="candidate"><h2>{escape(heading)}</h2><p>{escape(fact.cell_contents)} in the primitive cell; '
        f'{escape(fact.file)}</p><div class="both">{cell}{pattern}</div>'
        f"{listing('What speaks for it', pros, 3) if pros else ''}"
        f"{listing('What speaks against it', cons, 3) if cons else ''}</section>"
    )


def _flat(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(WORDS.get(name, name), _shown(value)) for name, value in values.items()]


def _shown(value: Any) -> str:
    if value is None or value == [] or value == ():
        return "–"
    if isinstance(value, list | tuple):
        return ", ".join(map(_shown, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)
