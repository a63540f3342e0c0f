"""The library of known structures: which arrangements of sites nature and computers have found, and with what."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Composition, Element, Lattice, Structure

from xrdscape.crystal.orbits import Orbits
from xrdscape.errors import LibraryError

Whole = NDArray[np.int64]

COORDINATE_UNIT = 65520
"""Coordinates are whole numbers of this part of a cell's edge: halves, thirds, quarters to 24ths are exact."""
DISTANCE_UNIT_ANGSTROM = 1e-3

CARRIED = Path(__file__).with_name("library.npz")
"""The library that the package brings; `packing` makes it, and names its sources."""

HEAVIEST = 118


@dataclass(frozen=True, eq=False)
class Library:
    """Known structures, each as the orbits of its standard cell. Nothing in it changes: choices return a new library.

    Args:
        data: arrays by name, as `packing.arrays` makes them.
        chosen: places of the entries in them [n].

    Source of each entry: `source`, with terms in `packing.CARRIED`.
    """

    data: dict[str, NDArray[Any]]
    chosen: Whole

    def __len__(self) -> int:
        return len(self.chosen)

    # What all entries share, worked out once.

    @cached_property
    def ids(self) -> list[str]:
        """Name of each entry of the file, chosen or not."""
        return self._shared("_ids", lambda: self.data["ids"].tobytes().decode().split("\n"))

    @cached_property
    def sources(self) -> list[str]:
        """Names of the sources."""
        return list(json.loads(self.data["sources"].tobytes()))

    def _shared(self, name: str, make: Any) -> Any:
        """Return what was made from the arrays before, or make it: libraries of one file share it."""
        if name not in self.data:
            self.data[name] = make()
        return self.data[name]

    @property
    def _starts(self) -> Whole:
        """Places where each entry's orbits begin [entries + 1]."""
        return self._shared("_starts", lambda: np.concatenate([[0], np.cumsum(self.data["orbits"], dtype=np.int64)]))

    @property
    def contents(self) -> "ContentsTable":
        """Numbers of atoms of each element in each entry."""
        return self._shared("_contents", self._contents)

    def _contents(self) -> "ContentsTable":
        entry = np.repeat(np.arange(len(self.data["orbits"])), self.data["orbits"])
        label = entry * (HEAVIEST + 1) + self.data["numbers"]
        kinds, place = np.unique(label, return_inverse=True)
        count = np.bincount(place, self.data["sizes"]).astype(np.int64)
        return ContentsTable(kinds // (HEAVIEST + 1), kinds % (HEAVIEST + 1), count, len(self.data["orbits"]))

    # Choices.

    def _only(self, keep: NDArray[np.bool_]) -> "Library":
        return replace(self, chosen=self.chosen[keep[self.chosen]])

    def without(self, formulas: Iterable[str]) -> "Library":
        """Return the library without any entry that shares a reduced formula with one of these.

        Raises:
            LibraryError: one of them is not a formula.
        """
        wanted = np.array([reduced_key(formula_of(formula)) for formula in formulas], np.uint64)
        return self._only(~np.isin(self.contents.reduced_keys, wanted))

    def of_sources(self, names: Sequence[str]) -> "Library":
        """Return the entries of some sources.

        Raises:
            LibraryError: there is no source of a name.
        """
        strange = [name for name in names if name not in self.sources]
        if strange:
            raise LibraryError(
                f"The library has no source {', '.join(strange)}. Its sources: {', '.join(self.sources)}."
            )
        places = [self.sources.index(name) for name in names]
        return self._only(np.isin(self.data["source"], places))

    def of_type(self, counts: Sequence[int]) -> "Library":
        """Return the entries whose primitive cell holds these numbers of atoms of its elements, in any order."""
        return self._only(self.contents.type_keys == type_key(counts))

    def of_formula(self, formula: str) -> "Library":
        """Return the entries of a reduced formula; errors as `without`."""
        return self._only(self.contents.reduced_keys == reduced_key(formula_of(formula)))

    def of_elements(self, elements: Iterable[str]) -> "Library":
        """Return the entries that hold all of these elements.

        Raises:
            LibraryError: one of them is no element.
        """
        table, keep = self.contents, np.ones(len(self.data["orbits"]), bool)
        for element in elements:
            if not Element.is_valid_symbol(element):
                raise LibraryError(f"{element!r} is no element. Give symbols such as Na or O.")
            has = np.zeros(len(keep), bool)
            has[table.entry[table.number == Element(element).Z]] = True
            keep &= has
        return self._only(keep)

    def of_group(self, number: int) -> "Library":
        """Return the entries of a space group."""
        return self._only(self.data["group"] == number)

    def a_part(self, share: float, seed: int) -> "Library":
        """Return a random part of the entries."""
        count = round(share * len(self))
        return replace(self, chosen=np.sort(np.random.default_rng(seed).permutation(self.chosen)[:count]))

    def arrangements(self) -> Whole:
        """Return the place of one entry of each arrangement of sites among the chosen, the first of each [m]."""
        _, first = np.unique(self.data["arrangement"][self.chosen], return_index=True)
        return self.chosen[np.sort(first)]

    # Single entries.

    def id(self, place: int) -> str:
        """Return the name that an entry has at its source."""
        return self.ids[place]

    def source(self, place: int) -> str:
        """Return the source of an entry."""
        return self.sources[int(self.data["source"][place])]

    def orbits(self, place: int) -> Orbits:
        """Return an entry with atomic numbers at its orbits."""
        part = slice(*self._starts[place : place + 2])
        return Orbits(
            int(self.data["group"][place]),
            self.data["parameters"][place].astype(np.float64),
            self.data["numbers"][part].astype(np.int64),
            self.data["letters"][part].tobytes().decode(),
            self.data["coords"][part] / COORDINATE_UNIT,
        )

    def formula(self, place: int) -> str:
        """Return the reduced formula of an entry."""
        return str(self.composition(place).reduced_formula)

    def composition(self, place: int) -> Composition:
        """Return what an entry's primitive cell holds."""
        part = slice(*self._starts[place : place + 2])
        counts: dict[Element, int] = {}
        for number, size in zip(self.data["numbers"][part], self.data["sizes"][part], strict=True):
            element = Element.from_Z(int(number))
            counts[element] = counts.get(element, 0) + int(size)
        return Composition(counts)

    def structure(self, place: int) -> Structure:
        """Return an entry as a structure in its primitive cell."""
        orbits = self.orbits(place)
        sites = orbits.expanded
        return Structure(
            Lattice(orbits.group.vectors(orbits.parameters)),
            [Element.from_Z(int(number)) for number in orbits.numbers[sites.orbit]],
            sites.frac,
        )


@dataclass(frozen=True, eq=False)
class ContentsTable:
    """A row for each element of each entry: the entry, the atomic number, and the atoms in the primitive cell [m]."""

    entry: Whole
    number: Whole
    count: Whole
    entries: int

    @cached_property
    def atoms(self) -> Whole:
        """Number of atoms in each entry's primitive cell [n]."""
        return np.bincount(self.entry, self.count, self.entries).astype(np.int64)

    @cached_property
    def type_keys(self) -> NDArray[np.uint64]:
        """A number for each entry's counts of atoms, whatever the elements [n]."""
        return self._sums(_WORDS[self.count])

    @cached_property
    def reduced_keys(self) -> NDArray[np.uint64]:
        """A number for each entry's reduced formula [n]."""
        first = np.flatnonzero(np.diff(self.entry, prepend=-1))
        divisor = np.gcd.reduceat(self.count, first)
        return self._sums(_WORDS[self.number] * (self.count // divisor[self.entry]).astype(np.uint64))

    def _sums(self, words: NDArray[np.uint64]) -> NDArray[np.uint64]:
        first = np.flatnonzero(np.diff(self.entry, prepend=-1))
        return np.add.reduceat(words, first)


_WORDS = np.random.default_rng(0).integers(1, 2**63, 4096, dtype=np.uint64)
"""One number for each atomic number or count; sums of them, modulo 2^64, stand for formulas."""


def type_key(counts: Sequence[int]) -> np.uint64:
    """Return the number that stands for counts of atoms in any order, as of `ContentsTable.type_keys`."""
    return np.add.reduce(_WORDS[np.asarray(counts, np.int64)])


def reduced_key(composition: Composition) -> np.uint64:
    """Return the number that stands for a reduced formula, as of `ContentsTable.reduced_keys`."""
    counts = np.array([round(count) for count in composition.values()], np.int64)
    # pymatgen reduces four atoms of fluorine to F2.
    numbers = np.array([element.Z for element in composition], np.int64)
    return np.add.reduce(_WORDS[numbers] * (counts // np.gcd.reduce(counts)).astype(np.uint64))


def formula_of(formula: str) -> Composition:
    """Return a formula of whole numbers of atoms, such as "BaTiO3" or "Ba4 Ti4 O12".

    Raises:
        LibraryError: it is not a formula, or a number in it is not whole.
    """
    try:
        composition = Composition(formula, strict=True)
        whole = all(isinstance(element, Element) for element in composition)
    except (ValueError, KeyError) as error:
        raise LibraryError(f"{formula!r} is not a chemical formula ({error}). Give one such as BaTiO3.") from error
    if not whole or not composition or any(abs(n - round(n)) > 1e-6 or n < 1 for n in composition.values()):
        raise LibraryError(
            f"{formula!r} does not say how many atoms of which elements. Give whole numbers of plain elements, such "
            "as BaTiO3 or Ba4 Ti4 O12."
        )
    return composition


def load_library(path: str | Path | None = None) -> Library:
    """Return the library of known structures that the package brings, or that of a file made by `xrdscape library add`.

    >>> import xrdscape
    >>> known = xrdscape.load_library().of_formula("CsCl")
    >>> known.formula(int(known.chosen[0])), len(known.without(["CsCl"]))
    ('CsCl', 0)

    Raises:
        LibraryError: the file is missing or is not a library.
    """
    return carried_library() if path is None else read_library(Path(path))


@cache
def carried_library() -> Library:
    """Return the library that the package brings."""
    return read_library(CARRIED)


def read_library(path: Path) -> Library:
    """Return the library of a file.

    Raises:
        LibraryError: the file is missing or is not a library.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            data = dict(file)
        return Library(data, np.arange(len(data["orbits"])))
    except (OSError, ValueError, KeyError) as error:
        raise LibraryError(
            f"{path} is not a library of structures: {error}. `xrdscape library add` makes them."
        ) from error
