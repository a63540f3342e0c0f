"""Relaxations by CHGNet, as the paper made them for comparison."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pymatgen.core import Structure

from xrdscape.crystal.distortion import Noise
from xrdscape.crystal.structures import load_structure
from xrdscape.optimisation.energy import MAX_STEPS, Relaxation, relax
from xrdscape.paths import RECORDS
from xrdscape.study import records
from xrdscape.study.jobs.job import Named, NoisyJob, all_named, starts_of, whole_rows
from xrdscape.study.jobs.keys import key_of
from xrdscape.study.records import CHGNET, label

OUT_OF_STEPS = "out of steps"
"""Ending of a relaxation that may go no further."""


@dataclass(frozen=True)
class RelaxationJob:
    """Relaxations of one crystal under one noise.

    Args:
        structure, noise, levels, copies, seed: see `Job`.
        max_steps: of a relaxation.
    """

    structure: str
    noise: Noise
    levels: tuple[float, ...]
    copies: int
    seed: int
    max_steps: int = MAX_STEPS
    method = CHGNET

    @property
    def key(self) -> str:
        return key_of(self.record())

    @property
    def starts(self) -> int:
        return len(self.levels) * self.copies

    @property
    def cost(self) -> float:
        return relaxation_seconds(self.structure) * self.starts

    def record(self) -> dict[str, Any]:
        return {
            "structure": self.structure,
            "noise": self.noise,
            "method": self.method,
            "levels": list(self.levels),
            "copies": self.copies,
            "seed": self.seed,
            "max_steps": self.max_steps,
        }

    def compute(self, named: Named | None = None) -> pd.DataFrame:
        named = named or all_named(self.levels, self.copies)
        starts = starts_of(self, named)
        results = [relax(model, self.noise, max_steps=self.max_steps) for model in starts]
        rows = pd.DataFrame(
            {
                "energy_start": [r.energy_start_ev_per_atom for r in results],
                "energy_end": [r.energy_ev_per_atom for r in results],
                "converged": [r.converged for r in results],
                "steps": [r.steps for r in results],
                "stop_reason": [self._stop_reason(r) for r in results],
                "seconds": [r.seconds for r in results],
            }
        )
        return whole_rows(self, named, starts, [r.structure for r in results], rows, np.nan)

    def _stop_reason(self, result: Relaxation) -> str:
        if result.converged:
            return "converged"
        return OUT_OF_STEPS if result.steps >= self.max_steps else "broke down"


def relaxation_seconds(structure: str) -> float:
    """Return the rough seconds of one relaxation, as the study took them."""
    return float(0.09 * len(load_structure(structure)) ** 1.5)


def known_relaxations(job: NoisyJob, starts: list[Structure], named: Named) -> list[Relaxation]:
    """Return the relaxations of starting models: the study's where it has them, or else made now."""
    known = _recorded(RECORDS, job.structure, job.noise, job.seed)
    return [
        known[name] if name in known else relax(model, job.noise) for name, model in zip(named, starts, strict=True)
    ]


@lru_cache(maxsize=4)
def _recorded(folder: Path, structure: str, noise: str, seed: int) -> dict[tuple[float, int], Relaxation]:
    """Return relaxations recorded in a folder, by level and realisation: those that `relax` would give again.

    Others were cut short by another limit, or let go on.
    """
    path = folder / "study" / f"{label(structure)}.parquet"
    if not path.exists():
        return {}
    rows, reference = records.read(path), load_structure(structure)
    rows = rows[(rows["method"] == CHGNET) & (rows["noise"] == noise) & (rows["seed"] == seed)]
    ended = (rows["steps"] < MAX_STEPS) & (rows["stop_reason"] != OUT_OF_STEPS)
    rows = rows[ended | (rows["steps"] == MAX_STEPS)]
    return {
        (row["level"], row["copy"]): Relaxation(
            records.crystal(row, "end", reference),
            row["energy_end"],
            row["energy_start"],
            int(row["steps"]),
            bool(row["converged"]),
            row["seconds"],
        )
        for _, row in rows.iterrows()
    }
