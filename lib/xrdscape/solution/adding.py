"""A library of the user's own: that which the package brings, or another, and crystals from files beside it."""

import csv
import gzip
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Structure

from xrdscape.crystal.reading import crystal_of_cif, read_crystal
from xrdscape.errors import LibraryError, XrdscapeError
from xrdscape.runtime.checkpoint import replace_file
from xrdscape.solution.library import Library, Whole
from xrdscape.solution.packing import (
    MOST_SITES,
    SAME_ARRANGEMENT,
    Packed,
    arrangement_key,
    arrays,
    pack_one,
)
from xrdscape.solution.standard import standard_orbits

MOST_SOURCES = 255


class Listed(NamedTuple):
    """A crystal that is to be read: its name, the name of its source, and what reads it."""

    name: str
    source: str
    read: Callable[[], Structure]


class Refused(NamedTuple):
    """A crystal that was left out, and why."""

    name: str
    reason: str


class Grown(NamedTuple):
    """A library with what was added, how much that is, and what was left out."""

    library: Library
    added: int
    refused: list[Refused]


def listed_crystals(paths: Iterable[str | Path]) -> list[Listed]:
    """Return the crystals that files, folders of CIFs and tables hold, none of them read yet.

    Args:
        paths: of files of crystals, of folders, whose *.cif count, or of tables (.csv, .csv.gz) with the columns
            material_id and cif, the latter the text of a CIF.

    Raises:
        LibraryError: there is nothing at a path, or a table or folder without crystals.
    """
    found: list[Listed] = []
    for path in map(Path, paths):
        if path.is_dir():
            part = [
                Listed(file.stem, path.resolve().name, partial(_of_file, file)) for file in sorted(path.glob("*.cif"))
            ]
        elif path.name.endswith((".csv", ".csv.gz")) and path.is_file():
            part = [Listed(name, path.name, partial(_of_text, text)) for name, text in _rows(path)]
        elif path.is_file():
            part = [Listed(path.stem, path.resolve().parent.name or "files", partial(_of_file, path))]
        else:
            raise LibraryError(f"There is no file or folder called {path}. Give a folder of CIFs, a file, or a table.")
        if not part:
            raise LibraryError(f"{path} holds no crystal. Give a folder of *.cif files, or a table with rows.")
        found += part
    return found


def _of_file(path: Path) -> Structure:
    return read_crystal(path).structure


def _of_text(text: str) -> Structure:
    return crystal_of_cif(text).structure


def _rows(path: Path) -> Iterator[tuple[str, str]]:
    """Yield name and CIF of each row of a table."""
    csv.field_size_limit(sys.maxsize)
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf8", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in ("material_id", "cif") if name not in (reader.fieldnames or ())]
            if missing:
                raise LibraryError(
                    f"{path} has no column {' and no column '.join(missing)}: it needs material_id and cif."
                )
            for row in reader:
                yield row["material_id"] or "", row["cif"] or ""
    except (OSError, UnicodeDecodeError, csv.Error, EOFError) as error:
        raise LibraryError(f"{path} cannot be read as a table of values separated by commas: {error}.") from error


def grown(library: Library, crystals: Iterable[Listed]) -> Grown:
    """Return a library with further crystals. Those that cannot be used are left out, each with the reason.

    Args:
        library: that they are added to; all its entries count.
        crystals: to be read.

    Raises:
        LibraryError: none of them can be used, or there are too many sources.
    """
    packed, refused = [], []
    for crystal in crystals:
        try:
            packed.append(_packed(crystal))
        except XrdscapeError as error:
            refused.append(Refused(crystal.name, str(error)))
    if not packed:
        told = f" The first: {refused[0].name}: {refused[0].reason}" if refused else ""
        raise LibraryError(f"None of the {len(refused)} crystals can be added.{told}")
    data = _joined(library, packed)
    return Grown(Library(data, np.arange(len(data["orbits"]))), len(packed), refused)


def _packed(crystal: Listed) -> Packed:
    """Return a crystal as the library keeps it; errors as `read_crystal` and `standard_orbits`."""
    structure = crystal.read()
    name = " ".join(crystal.name.split())
    if not structure.is_ordered:
        raise LibraryError("sites of the crystal are shared or partly empty, and the library keeps whole atoms alone.")
    numbers = [site.specie.Z for site in structure]
    orbits = standard_orbits(structure.lattice.matrix, structure.frac_coords, numbers)
    count = len(orbits.expanded.frac)
    if count > MOST_SITES:
        raise LibraryError(f"its primitive cell has {count} atoms, and the library keeps at most {MOST_SITES}.")
    return pack_one(name, crystal.source, orbits)


def _joined(library: Library, packed: list[Packed]) -> dict[str, NDArray[Any]]:
    """Return the arrays of a library with further entries."""
    old, new = library.data, dict(arrays(packed))
    sources = list(library.sources)
    own = json.loads(new["sources"].tobytes())
    sources += [name for name in own if name not in sources]
    if len(sources) > MOST_SOURCES:
        raise LibraryError(f"A library has at most {MOST_SOURCES} sources. Put the files into one folder or table.")
    places = np.array([sources.index(name) for name in own], np.uint8)
    new["source"] = places[new["source"]]
    new["arrangement"] = _numbered(library, packed, new["arrangement"]).astype(np.uint32)
    joined = {name: np.concatenate([old[name], part]) for name, part in new.items() if name not in ("ids", "sources")}
    joined["ids"] = np.concatenate([old["ids"], np.frombuffer(b"\n", np.uint8), new["ids"]])
    joined["sources"] = np.frombuffer(json.dumps(sources).encode(), np.uint8)
    return joined


def _numbered(library: Library, packed: list[Packed], own: NDArray[Any]) -> Whole:
    """Return the numbers of further entries' arrangements: those of the library where it has them, else new ones.

    Args:
        library: that they are added to.
        packed: the entries [n].
        own: numbers of their arrangements among themselves [n].
    """
    following = int(library.data["arrangement"].max()) + 1
    known: dict[tuple[object, ...], list[tuple[NDArray[np.float64], int]]] = {}
    chosen: dict[int, int] = {}
    for entry, number in zip(packed, own, strict=True):
        if int(number) in chosen:
            continue
        key = arrangement_key(entry.orbits, entry.sizes)
        if key not in known:
            known[key] = list(_of_key(library, entry, key))
        same = (n for print_, n in known[key] if np.abs(entry.print_ / print_ - 1).max() < SAME_ARRANGEMENT)
        found = next(same, None)
        if found is None:
            found, following = following, following + 1
        chosen[int(number)] = found
    return np.array([chosen[int(number)] for number in own], np.int64)


def _of_key(
    library: Library, entry: Packed, key: tuple[object, ...]
) -> Iterator[tuple[NDArray[np.float64], int]]:  # fmt: skip
    """Yield fingerprint and number of each arrangement of a library that has the key of an entry."""
    counts = np.bincount(np.unique(entry.orbits.numbers, return_inverse=True)[1], entry.sizes).astype(np.int64)
    for place in map(int, library.of_type(counts.tolist()).of_group(entry.orbits.number).arrangements()):
        orbits = library.orbits(place)
        sizes = np.bincount(orbits.expanded.orbit)
        if arrangement_key(orbits, sizes) == key:
            yield pack_one("", "", orbits).print_, int(library.data["arrangement"][place])


def write_library(library: Library, path: Path) -> None:
    """Write all entries of a library to a file that `load_library` reads.

    Raises:
        RecordError: it cannot be written.
    """
    data = {name: part for name, part in library.data.items() if not name.startswith("_")}

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.savez_compressed(file, **data)  # type: ignore[arg-type]

    replace_file(path, write)
