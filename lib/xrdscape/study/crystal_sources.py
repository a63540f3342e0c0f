"""Crystals by the many: a folder of CIFs, a table like those of MP-20, or the ten reference structures."""

import hashlib
import json
import urllib.request
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from pymatgen.core import Structure

from xrdscape.crystal.cif import file_text
from xrdscape.crystal.reading import crystal_of_cif
from xrdscape.errors import DataError, XrdscapeError
from xrdscape.paths import BUILD, DATA, REFERENCE_NAMES, reference_path
from xrdscape.runtime.checkpoint import replace_file

REFERENCES = "references"
"""Name of the source that the ten reference structures are."""

CARRIED = DATA / "mp20_sample_50.csv.gz"
"""Fifty structures of MP-20 that come with the repository."""

MP20_PARTS = ("train", "val", "test")
MP20_ADDRESS = "https://raw.githubusercontent.com/txie-93/cdvae/main/data/mp_20/{part}.csv"
"""MP-20: 45,229 crystals of at most 20 atoms in the primitive cell, of the Materials Project (CC BY 4.0), as T. Xie et
al., "Crystal diffusion variational autoencoder for periodic material generation" (ICLR 2022), chose and parted them."""
MP20_FOLDER = BUILD / "mp_20"

CHECKSUMS = "checksums.json"
_PATIENCE_S = 60.0


class ListedCrystal(NamedTuple):
    """A crystal of a source: what it is called there, and the text of its CIF, or why there is none."""

    material_id: str
    cif: str
    refusal: str = ""


class CrystalSource(NamedTuple):
    """Crystals in the order of their source, whose text has a checksum."""

    name: str
    crystals: tuple[ListedCrystal, ...]

    @property
    def sha256(self) -> str:
        """Checksum of all names and texts."""
        digest = hashlib.sha256()
        for crystal in self.crystals:
            digest.update(json.dumps(crystal).encode())
        return digest.hexdigest()


def crystal_source(source: str | Path) -> CrystalSource:
    """Return the crystals that a source holds, none of them parsed yet.

    Args:
        source: a folder, whose *.cif files are called by their names; a table (.csv or .csv.gz) with the columns
            material_id and cif, the latter the text of a CIF; or "references".

    Raises:
        DataError: there is no such source, it is none of these, or it holds no crystal.
    """
    if str(source) == REFERENCES:
        listed = [ListedCrystal(name, file_text(reference_path(name))) for name in REFERENCE_NAMES]
        return CrystalSource(REFERENCES, tuple(listed))
    path = Path(source)
    if path.is_dir():
        listed = [_of_file(file) for file in sorted(path.glob("*.cif"))]
    elif path.is_file():
        listed = _of_table(path)
    else:
        raise DataError(
            f"There is no folder or table called {source}. Give a folder of CIFs, a .csv with the columns material_id "
            f"and cif, or {REFERENCES}."
        )
    if not listed:
        raise DataError(f"{source} holds no crystal. Give a folder of *.cif files, or a table with rows.")
    return CrystalSource(path.name, tuple(_named_once(listed)))


def _of_file(path: Path) -> ListedCrystal:
    try:
        return ListedCrystal(path.stem, file_text(path))
    except XrdscapeError as problem:
        return ListedCrystal(path.stem, "", str(problem))


def _of_table(path: Path) -> list[ListedCrystal]:
    if not path.name.endswith((".csv", ".csv.gz")):
        raise DataError(f"{path} is not read: give a .csv or .csv.gz with the columns material_id and cif.")
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except Exception as problem:  # pandas' and gzip's own reasons
        raise DataError(f"{path} cannot be read as a table of values separated by commas: {problem}.") from problem
    missing = [name for name in ("material_id", "cif") if name not in table.columns]
    if missing:
        raise DataError(
            f"{path} has no column {' and no column '.join(missing)}. It has {', '.join(table.columns[:8])}."
        )
    return [ListedCrystal(*pair) for pair in zip(table["material_id"], table["cif"], strict=True)]


def _named_once(listed: Sequence[ListedCrystal]) -> list[ListedCrystal]:
    """Return the crystals, those refused whose name came before: names are the seeds of random numbers."""
    seen: set[str] = set()
    result = []
    for crystal in listed:
        name = crystal.material_id
        result.append(crystal if name not in seen else ListedCrystal(name, "", "has a name that came before"))
        seen.add(name)
    return result


def read_listed(crystal: ListedCrystal) -> Structure:
    """Return the structure of a listed crystal; errors as `crystal_of_cif`.

    Raises:
        DataError: it was refused when it was listed.
    """
    if crystal.refusal:
        raise DataError(crystal.refusal)
    return crystal_of_cif(crystal.cif).structure


def download_mp20(
    folder: Path = MP20_FOLDER, address: str = MP20_ADDRESS, say: Callable[[str], None] = print
) -> tuple[Path, ...]:
    """Bring those tables of MP-20 here that are not there yet, and return the paths of all.

    The checksum of each is taken down when it is fetched, and held against the file whenever this is called again.

    Args:
        folder: where they go.
        address: of a table, with {part} in place of train, val or test.
        say: told of each file.

    Raises:
        DataError: there is no way to the network, or a file is not as it was fetched.
        RecordError: a file cannot be written.
    """
    known = _checksums(folder)
    paths = []
    for part in MP20_PARTS:
        path = folder / f"{part}.csv"
        paths.append(path)
        if not path.exists():
            content = _fetched(address.format(part=part))
            replace_file(path, lambda temporary, content=content: temporary.write_bytes(content))
            known[path.name] = {
                "address": address.format(part=part), "sha256": hashlib.sha256(content).hexdigest(),
                "bytes": len(content), "date": datetime.now(UTC).date().isoformat(),
            }  # fmt: skip
            text = json.dumps(known, indent=1)
            replace_file(folder / CHECKSUMS, lambda temporary, text=text: temporary.write_text(text, encoding="utf8"))
        elif hashlib.sha256(path.read_bytes()).hexdigest() != known.get(path.name, {}).get("sha256"):
            raise DataError(f"{path} is not as it was fetched. Delete it to fetch it again, or choose another folder.")
        say(f"{path}: {known[path.name]['bytes']:,} bytes, sha256 {known[path.name]['sha256']}")
    return tuple(paths)


def _checksums(folder: Path) -> dict[str, dict[str, str | int]]:
    path = folder / CHECKSUMS
    return dict(json.loads(path.read_text(encoding="utf8"))) if path.exists() else {}


def _fetched(address: str) -> bytes:
    try:
        with urllib.request.urlopen(address, timeout=_PATIENCE_S) as answer:
            return bytes(answer.read())
    except (OSError, ValueError) as problem:  # URLError and HTTPError among them
        reason = getattr(problem, "reason", problem)
        raise DataError(
            f"{address} cannot be fetched ({reason}). It needs the network; without it, use the sample {CARRIED.name} "
            "that comes with the repository, or copy the tables into the folder from elsewhere and name them as source."
        ) from problem
