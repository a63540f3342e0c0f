"""Data sets of nanocrystals' patterns, as MP-20-PXRD is one: any crystals, in shards, each made from its name's seed.

A data set is a folder of `shard-0000.parquet`, `shard-0001.parquet`, ... and a `manifest.json`. A row of a shard is one
pattern:

- `material_id`, `formula`: of the crystal;
- `elements` (list of text), `lattice` (a, b, c in angstrom, alpha, beta, gamma in degrees) and `frac_coords` (flat: x,
  y and z of each site): the Niggli-reduced cell of that which the source gives;
- `convention`, `size_angstrom`, `sigma_inv_angstrom`: what `diffraction.nano_patterns.nano_pattern` was asked for, and
  the width of the Gaussian that was drawn;
- `intensity` (512 values in [0, 1], float32) at the values of Q that the manifest's settings give.

The manifest has the settings, the source with its checksum, what made the data set, and for each shard its rows, its
sha256, and the crystals that were refused, each with the reason.
"""

import asyncio
import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from distributed import Client, Future
from pymatgen.core import Structure
from tqdm.auto import tqdm

from xrdscape.diffraction.finite_size import SizeConvention
from xrdscape.diffraction.nano_patterns import NANO_CONVENTIONS, nano_convention, nano_pattern
from xrdscape.diffraction.sticks import sticks_by_pymatgen
from xrdscape.errors import DataError, XrdscapeError
from xrdscape.paths import BUILD
from xrdscape.runtime.checkpoint import replace_file
from xrdscape.runtime.provenance import cores, provenance
from xrdscape.runtime.threads import use_threads
from xrdscape.study.campaign import SCHEDULER_GONE, dask_client, finished_of
from xrdscape.study.crystal_sources import CrystalSource, ListedCrystal, read_listed

SCHEMA_VERSION = 1
"""Raised whenever a column changes its meaning."""

FOLDER = BUILD / "dataset"
MANIFEST = "manifest.json"
COLUMNS = pa.schema(
    {
        "material_id": pa.string(),
        "formula": pa.string(),
        "elements": pa.list_(pa.string()),
        "lattice": pa.list_(pa.float64()),
        "frac_coords": pa.list_(pa.float64()),
        "convention": pa.string(),
        "size_angstrom": pa.float64(),
        "sigma_inv_angstrom": pa.float64(),
        "intensity": pa.list_(pa.float32()),
    }
)


@dataclass(frozen=True)
class DatasetSettings:
    """Settings of what is made of each crystal.

    Args:
        sizes_angstrom: of the crystallites, in the meaning of each convention; above 0.
        conventions: names of `NANO_CONVENTIONS`.
        seed: of all random numbers, together with the crystal's name, the convention and the size.
        noise: whether it is added.
        shard_crystals: crystals of one shard, 1 or more.

    Raises:
        DataError: for settings that make no data set.
        InstrumentError: for an unknown convention.
    """

    sizes_angstrom: tuple[float, ...] = (10.0, 100.0)
    conventions: tuple[SizeConvention, ...] = ("reference-code",)
    seed: int = 0
    noise: bool = True
    shard_crystals: int = 200

    def __post_init__(self) -> None:
        if not self.sizes_angstrom or not all(size > 0 for size in self.sizes_angstrom):
            raise DataError(f"Sizes of crystallites must be above 0, one or more. Received {self.sizes_angstrom}.")
        if not self.conventions:
            raise DataError(f"A data set needs a convention: one or more of {', '.join(NANO_CONVENTIONS)}.")
        for name in self.conventions:
            nano_convention(name)
        if self.seed < 0 or self.shard_crystals < 1:
            raise DataError("A seed is a whole number from 0 on, and a shard has at least one crystal.")

    def record(self) -> dict[str, Any]:
        """Return all settings as plain values, the numbers behind the names of the conventions among them."""
        numbers = {name: asdict(nano_convention(name)) for name in self.conventions}
        return dict(json.loads(json.dumps({**asdict(self), "conventions": numbers})))


class Shard(NamedTuple):
    """Rows of some crystals, and why others have none."""

    rows: pd.DataFrame
    refused: dict[str, str]


def shard_of(crystals: Sequence[ListedCrystal], settings: DatasetSettings) -> Shard:
    """Compute the patterns of some crystals; one that cannot be used is refused, and the others go on."""
    use_threads(1)
    rows: list[dict[str, Any]] = []
    refused = {}
    for crystal in crystals:
        try:
            rows += _rows(crystal.material_id, read_listed(crystal), settings)
        except XrdscapeError as problem:
            refused[crystal.material_id] = str(problem)
        except Exception as problem:  # of another package, about this crystal
            refused[crystal.material_id] = f"{type(problem).__name__}: {problem}"
    return Shard(pd.DataFrame(rows, columns=COLUMNS.names), refused)


def _rows(name: str, structure: Structure, settings: DatasetSettings) -> list[dict[str, Any]]:
    cell = structure.get_reduced_structure("niggli")
    known = {
        "material_id": name,
        "formula": structure.composition.reduced_formula,
        "elements": [site.species_string for site in cell],
        "lattice": list(cell.lattice.parameters),
        "frac_coords": cell.frac_coords.ravel().tolist(),
    }
    rows = []
    for convention in map(nano_convention, settings.conventions):
        sticks = sticks_by_pymatgen(structure, convention.two_theta_max_deg, convention.wavelength_angstrom)
        for size in settings.sizes_angstrom:
            generator = pattern_generator(settings.seed, name, convention.name, size)
            pattern = nano_pattern(sticks, size, convention, generator, settings.noise)
            made = {
                "convention": convention.name,
                "size_angstrom": size,
                "sigma_inv_angstrom": pattern.sigma_inv_angstrom,
                "intensity": pattern.intensity.astype(np.float32),
            }
            rows.append({**known, **made})
    return rows


def pattern_generator(seed: int, material_id: str, convention: str, size_angstrom: float) -> np.random.Generator:
    """Return the random numbers of one pattern: the same in whatever order and company it is made."""
    digest = hashlib.sha256(f"{seed} {convention} {size_angstrom!r} {material_id}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest, "big"))


def build_dataset(
    source: CrystalSource,
    folder: Path,
    settings: DatasetSettings | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Build what is missing of a data set, and return its manifest.

    Shards are written as they are finished; those that are there with their checksum are kept.

    Args:
        source: the crystals.
        folder: of the data set; made if it is not there.
        settings: what is made of each crystal.
        workers: processes on this machine; one a core if left out.
        scheduler: a dask scheduler whose workers to use instead, as for `xrdscape campaign`.
        progress: show a bar with the remaining time.

    Raises:
        DataError: the folder holds another data set, or the scheduler was lost.
        RecordError: a file cannot be written, or no scheduler answers.
    """
    settings = settings or DatasetSettings()
    parts = _parts(source.crystals, settings.shard_crystals)
    manifest = _begun(source, folder, settings)
    for name in _damaged(folder, manifest):
        del manifest["shards"][name]
        tqdm.write(f"{name} does not have its checksum and is made again")
    missing = {name: part for name, part in parts.items() if name not in manifest["shards"]}
    if missing:
        made = sum(map(len, parts.values())) - sum(map(len, missing.values()))
        bar = tqdm(total=len(source.crystals), initial=made, desc="Patterns of crystals", disable=not progress)
        with bar, dask_client(min(workers or cores(), len(missing)), scheduler) as client:
            try:
                _compute(client, missing, settings, folder, manifest, bar)
            except (TimeoutError, CancelledError, asyncio.CancelledError) as problem:
                raise DataError(SCHEDULER_GONE) from problem
    if missing or not manifest["complete"]:
        manifest["complete"] = True
        _write_manifest(folder, manifest)
    return manifest


def _parts(crystals: Sequence[ListedCrystal], size: int) -> dict[str, tuple[ListedCrystal, ...]]:
    starts = range(0, len(crystals), size)
    return {f"shard-{number:04d}.parquet": tuple(crystals[at : at + size]) for number, at in enumerate(starts)}


def _begun(source: CrystalSource, folder: Path, settings: DatasetSettings) -> dict[str, Any]:
    """Return the manifest of the folder as far as it is, or a new one."""
    new = {
        "schema": SCHEMA_VERSION,
        "settings": settings.record(),
        "source": {"name": source.name, "crystals": len(source.crystals), "sha256": source.sha256},
    }
    if (folder / MANIFEST).exists():
        old = manifest_of(folder)
        differing = [part for part in new if new[part] != old.get(part)]
        if differing:
            raise DataError(
                f"{folder} holds another data set: its {' and '.join(differing)} are not those asked for. Choose "
                "another folder, or the same source and settings to go on with it."
            )
        if not old["complete"] and provenance() not in old["made"]:
            # Another version, machine or day has a part in it from here on.
            old["made"].append(provenance())
        return old
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder} exists and is no data set. Choose another folder.")
    return {**new, "made": [provenance()], "complete": False, "shards": {}}


def _damaged(folder: Path, manifest: dict[str, Any]) -> list[str]:
    return [name for name, shard in manifest["shards"].items() if _sha256(folder / name) != shard["sha256"]]


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _compute(
    client: Client,
    missing: dict[str, tuple[ListedCrystal, ...]],
    settings: DatasetSettings,
    folder: Path,
    manifest: dict[str, Any],
    bar: tqdm,
) -> None:
    names: dict[Future, str] = {
        client.submit(shard_of, part, settings, pure=False, priority=-place): name
        for place, (name, part) in enumerate(missing.items())
    }
    try:
        while names:
            for future in finished_of(client, list(names)):
                name, shard = names.pop(future), future.result()
                table = pa.Table.from_pandas(shard.rows, schema=COLUMNS, preserve_index=False)
                replace_file(folder / name, lambda path, table=table: pq.write_table(table, path, compression="zstd"))
                manifest["shards"][name] = {
                    "rows": len(shard.rows),
                    "sha256": _sha256(folder / name),
                    "refused": shard.refused,
                }
                manifest["shards"] = dict(sorted(manifest["shards"].items()))
                _write_manifest(folder, manifest)
                bar.update(len(missing[name]))
    finally:
        with suppress(OSError, TimeoutError):
            client.cancel(list(names))


def _write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    text = json.dumps(manifest, indent=1)
    replace_file(folder / MANIFEST, lambda path: path.write_text(text, encoding="utf8"))


def manifest_of(folder: Path) -> dict[str, Any]:
    """Return the manifest of a data set.

    Raises:
        DataError: there is none, or it cannot be read.
    """
    try:
        return dict(json.loads((folder / MANIFEST).read_text(encoding="utf8")))
    except (OSError, ValueError) as problem:
        raise DataError(f"{folder} has no manifest that can be read. `xrdscape dataset` makes data sets.") from problem


def read_dataset(folder: Path) -> pd.DataFrame:
    """Return all rows of a data set, in the order of its source, once every shard is found to have its checksum.

    Raises:
        DataError: it is not complete, of an unknown schema, or a shard is not as it was written.
    """
    manifest = manifest_of(folder)
    if manifest["schema"] != SCHEMA_VERSION:
        raise DataError(f"{folder} is of schema {manifest['schema']}; this version reads {SCHEMA_VERSION}.")
    damaged = _damaged(folder, manifest)
    if damaged or not manifest["complete"]:
        what = f"{damaged[0]} does not have its checksum" if damaged else "shards are missing"
        raise DataError(f"{folder} is not whole: {what}. Give the command that made it again.")
    return pd.concat([pd.read_parquet(folder / name) for name in manifest["shards"]], ignore_index=True)


def summary_text(manifest: dict[str, Any]) -> str:
    """Return what a data set holds, and the first of the crystals that were refused, in lines."""
    shards = manifest["shards"].values()
    refused = {name: reason for shard in shards for name, reason in shard["refused"].items()}
    rows = sum(shard["rows"] for shard in shards)
    crystals = manifest["source"]["crystals"] - len(refused)
    lines = [f"{rows:,} patterns of {crystals:,} crystals in {len(shards)} shards; {len(refused)} crystals refused"]
    lines += [f"  {name}: {reason}" for name, reason in list(refused.items())[:5]]
    return "\n".join([*lines, f"  and {len(refused) - 5} more, in {MANIFEST}"] if len(refused) > 5 else lines)
