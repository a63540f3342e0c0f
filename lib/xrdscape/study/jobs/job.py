"""The protocol of jobs, and what the jobs of a study share: starting models, and whole rows of records."""

import time
from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

import pandas as pd
from pymatgen.core import Structure

from xrdscape.crystal.distortion import Noise
from xrdscape.crystal.structures import load_structure
from xrdscape.study import records
from xrdscape.study.starts import start

Named = tuple[tuple[float, int], ...]
"""Noise level and number of some realisations."""


@runtime_checkable
class Job(Protocol):
    """A piece of work on one crystal: some realisations of a noise, and what is done with them.

    Attributes:
        structure: reference name or path of the crystal.
        noise: what is distorted.
        method: name of what is done.
        levels: noise levels.
        copies: realisations of each level.
        seed: of the noise.
    """

    @property
    def structure(self) -> str: ...
    @property
    def noise(self) -> str: ...
    @property
    def method(self) -> str: ...
    @property
    def levels(self) -> tuple[float, ...]: ...
    @property
    def copies(self) -> int: ...
    @property
    def seed(self) -> int: ...

    @property
    def key(self) -> str:
        """Name of the records: it changes with any setting and with the crystal."""

    @property
    def starts(self) -> int:
        """Number of starting models."""

    @property
    def cost(self) -> float:
        """Rough seconds: for the order of work and the first estimate of the remaining time."""

    def record(self) -> dict[str, Any]:
        """Return all settings as plain values, from which `job_of` makes the job again."""

    def compute(self, named: Named | None = None) -> pd.DataFrame:
        """Compute the records of the job, or of some of its realisations: one row each."""


@runtime_checkable
class NoisyJob(Job, Protocol):
    """A job that begins at distorted crystals."""

    @property
    def noise(self) -> Noise: ...


def all_named(levels: tuple[float, ...], copies: int) -> Named:
    """Return the names of all realisations of some levels."""
    return tuple((level, copy) for level in levels for copy in range(copies))


def starts_of(job: NoisyJob, named: Named) -> list[Structure]:
    """Return the starting models of some realisations."""
    reference = load_structure(job.structure)
    return [start(job.structure, job.noise, level, copy, job.seed, reference) for level, copy in named]


def whole_rows(
    job: NoisyJob,
    named: Named,
    starts: list[Structure],
    refined: list[Structure],
    rows: pd.DataFrame,
    learning_rate: float,
) -> pd.DataFrame:
    """Return whole records.

    Args:
        job: whose they are.
        named: the realisations.
        starts, refined: starting and refined models.
        rows: what is recorded of each way: it comes after the names and before the evaluation.
        learning_rate: NaN where there is none.
    """
    reference = load_structure(job.structure)
    names = pd.DataFrame(list(named), columns=["level", "copy"])
    names.insert(0, "structure", job.structure)
    names.insert(1, "noise", job.noise)
    names["method"], names["seed"], names["shard"] = job.method, job.seed, job.key
    names["learning_rate"] = learning_rate
    geometry = pd.DataFrame(
        [{**records.geometry(s, "start"), **records.geometry(e, "end")} for s, e in zip(starts, refined, strict=True)]
    )
    before = _evaluated_starts(job.structure, job.noise, named, job.seed)
    return pd.concat([names, rows, geometry, before, records.evaluated(reference, refined, "end")], axis=1)


@lru_cache(maxsize=4)
def _evaluated_starts(structure: str, noise: Noise, named: Named, seed: int) -> pd.DataFrame:
    """Return the evaluation of starting models: jobs that differ in their method alone share them."""
    reference = load_structure(structure)
    starts = [start(structure, noise, level, copy, seed, reference) for level, copy in named]
    return records.evaluated(reference, starts, "start")


def seconds_each(begin: float, count: int) -> float:
    """Return the seconds since `begin` (of `time.perf_counter`), shared by so many."""
    return (time.perf_counter() - begin) / count
