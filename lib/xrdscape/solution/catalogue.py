"""The library in words: what is in it, under which terms, and tables of its entries."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from xrdscape.crystal.primitive_groups import SYSTEM_ENDS, primitive_group, system_of
from xrdscape.solution.library import Library
from xrdscape.solution.packing import CARRIED

STATEMENT = (
    "Each entry is a crystal's space group, cell, and one site of each set of equivalent ones, as its source gives "
    "them (most of them computed), rounded to 1/65520 of an edge."
)
OWN = "yours"
"""Terms of sources that the package does not bring."""


def terms_of(source: str) -> str:
    """Return what the entries of a source are to be called by, and their terms."""
    return CARRIED.get(source, OWN)


def library_text(library: Library) -> str:
    """Return what is in a library: entries by source with terms and by crystal system, and arrangements of sites."""
    sources = np.bincount(library.data["source"][library.chosen], minlength=len(library.sources))
    named = sorted(zip(library.sources, sources.tolist(), strict=True), key=lambda pair: (terms_of(pair[0]), -pair[1]))
    systems = Counter(system_of(int(number)) for number in library.data["group"][library.chosen])
    arrangements = np.unique(library.data["arrangement"][library.chosen])
    rows = [("source", "terms", "entries")]
    rows += [(name, terms_of(name), f"{count:,}") for name, count in named if count]
    lines = [
        f"{len(library):,} known structures in {len(arrangements):,} arrangements of sites. {STATEMENT}",
        "",
        *columns(rows, right=(2,)),
        "",
        *columns([("crystal system", "entries"), *((name, f"{systems[name]:,}") for name in SYSTEM_ENDS)], right=(1,)),
    ]
    return "\n".join(lines)


def entries_text(library: Library, most: int) -> str:
    """Return a table of the first entries of a library: id, source, formula, group, Wyckoff letters, volume.

    Args:
        library: its chosen entries.
        most: how many are shown.
    """
    rows = [("id", "source", "formula", "cell", "group", "Wyckoff letters", "volume (angstrom^3)")]
    for place in map(int, library.chosen[:most]):
        orbits = library.orbits(place)
        volume = abs(np.linalg.det(orbits.group.vectors(orbits.parameters)))
        composition = library.composition(place)
        rows.append((
            library.id(place), terms_of(library.source(place)), composition.reduced_formula,
            composition.formula, f"{primitive_group(orbits.number).symbol} ({orbits.number})", orbits.letters,
            f"{volume:.2f}",
        ))  # fmt: skip
    count = len(library)
    if not count:
        return "no entry"
    head = f"{count:,} {'entry' if count == 1 else 'entries'}" + (
        f", the first {most} of them:" if count > most else ":"
    )
    return "\n".join([head, *columns(rows, right=(6,))])


def columns(rows: Sequence[Sequence[str]], right: Iterable[int] = ()) -> list[str]:
    """Return lines of text in which the columns of some rows stand below each other.

    Args:
        rows: of as many texts each.
        right: places of columns that end below each other.
    """
    widths, flush = [max(map(len, column)) for column in zip(*rows, strict=True)], set(right)
    return [
        "  ".join(
            cell.rjust(width) if place in flush else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
