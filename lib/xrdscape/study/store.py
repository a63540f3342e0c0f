"""Stores of records: one file a job as soon as it is finished, and one file a structure once merged.

The merged files belong to the repository; a job's own file is deleted when it has gone into one. Every file is either
whole or not there, so whatever kills a run leaves what was finished.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from xrdscape.errors import RecordError
from xrdscape.paths import CAMPAIGN, RECORDS
from xrdscape.study import records
from xrdscape.study.columns import schema_of
from xrdscape.study.jobs import Job

ENDING = ".parquet"


@dataclass(frozen=True)
class Store:
    """The records of one plan.

    Args:
        fresh: folder of the jobs' own files.
        merged: folder of one file a structure; None for records that are not merged.
    """

    fresh: Path
    merged: Path | None = None

    def keys(self) -> set[str]:
        """Return the keys of the jobs that are finished; one whose file is damaged is not."""
        return set(self.provenance())

    def add(self, job: Job, rows: pd.DataFrame, provenance: dict[str, str]) -> None:
        """Store a finished job.

        Raises:
            RecordError: when it cannot be written (a full disk, say); nothing else is touched.
        """
        made = {job.key: {"settings": job.record(), **provenance}}
        records.write(self.fresh / f"{job.key}{ENDING}", rows, made)

    def load(self, jobs: Iterable[Job]) -> pd.DataFrame:
        """Return the rows of these jobs, in their order; those of missing jobs are left out.

        Raises:
            RecordError: for a damaged file, or one of an unknown schema.
        """
        order = {job.key: place for place, job in enumerate(jobs)}
        paths = [*self._merged_files(), *(path for path in self._sound_files() if path.stem in order)]
        frames = [records.read(path) for path in paths]
        if not frames:
            return pd.DataFrame()
        rows = pd.concat(frames, ignore_index=True)
        rows = rows[rows["shard"].isin(order)].drop_duplicates(["shard", "level", "copy"])
        place = rows["shard"].map(order)
        return rows.assign(place=place).sort_values("place", kind="stable").drop(columns="place").reset_index(drop=True)

    def everything(self) -> pd.DataFrame:
        """Return all rows of the store.

        Raises:
            RecordError: there are none, or a file is damaged or of an unknown schema.
        """
        frames = [records.read(path) for path in [*self._merged_files(), *self._sound_files()]]
        if not frames:
            folder = self.merged or self.fresh
            raise RecordError(f"There are no records in {folder}. `xrdscape campaign {folder.name}` makes them.")
        return pd.concat(frames, ignore_index=True).drop_duplicates(["shard", "level", "copy"])

    def provenance(self) -> dict[str, dict[str, Any]]:
        """Return the settings and provenance (see `runtime.provenance`) of each job, by its key."""
        found: dict[str, dict[str, Any]] = {}
        for path in [*self._merged_files(), *self._sound_files()]:
            found |= records.made(path)
        return found

    def repair(self) -> list[str]:
        """Set aside jobs' files that cannot be read, so that they are made anew, and return a message on each."""
        messages = []
        for path in self._fresh_files():
            try:
                records.read(path)
            except RecordError as problem:
                path.replace(path.with_suffix(".damaged"))
                messages.append(f"{path.name}: {problem}")
        return messages

    def merge(self) -> int:
        """Move finished jobs into the files of their structures, and return their number.

        Interrupted between the two steps a job is in both places, which does no harm.
        """
        if self.merged is None:
            return 0
        groups: dict[str, list[Path]] = {}
        for path in self._sound_files():
            (entry,) = records.made(path).values()
            groups.setdefault(entry["settings"]["structure"], []).append(path)
        for structure, paths in groups.items():
            target = self.merged / f"{records.label(structure)}{ENDING}"
            sources = [target, *paths] if target.exists() else paths
            rows = pd.concat([records.read(path) for path in sources], ignore_index=True)
            rows = rows.drop_duplicates(["shard", "level", "copy"], keep="last")
            rows = rows.sort_values([*schema_of([*rows.columns]).order], kind="stable")
            made = {key: entry for path in sources for key, entry in records.made(path).items()}
            records.write(target, rows.reset_index(drop=True), made)
            for path in paths:
                path.unlink()
        return sum(map(len, groups.values()))

    def _fresh_files(self) -> list[Path]:
        return sorted(self.fresh.glob(f"[!.]*{ENDING}"))

    def _sound_files(self) -> list[Path]:
        """Return the jobs' own files that can be read; a file that was cut off shows it by its end."""
        return [path for path in self._fresh_files() if _is_sound(path)]

    def _merged_files(self) -> list[Path]:
        return sorted(self.merged.glob(f"[!.]*{ENDING}")) if self.merged is not None else []


def _is_sound(path: Path) -> bool:
    try:
        records.made(path)
    except RecordError:
        return False
    return True


def store_of(plan: str) -> Store:
    """Return the store of a named plan: its merged files come with the repository."""
    return Store(CAMPAIGN / plan, RECORDS / plan)
