"""The work itself: descend or relax the starts of a shard, and judge what came out."""

import time
from functools import lru_cache

import numpy as np
import pandas as pd
import torch
from pymatgen.core import Structure

from xrdscape.crystal.cell import detect_family
from xrdscape.crystal.distortion import generator, start
from xrdscape.crystal.structures import load_structure
from xrdscape.diffraction.profile import Instrument
from xrdscape.optimisation.energy import MAX_STEPS, Relaxation, relax
from xrdscape.optimisation.loop import DescentResult, Schedule
from xrdscape.optimisation.objectives import OBJECTIVES, Objective, cross_correlation_within
from xrdscape.optimisation.search import search
from xrdscape.optimisation.variants import ALL_METHODS
from xrdscape.paths import RECORDS
from xrdscape.study import records
from xrdscape.study.plan import Shard
from xrdscape.study.records import CHGNET, PUBLISHED_METHODS, label
from xrdscape.study.recover import crystals, recover

Named = tuple[tuple[float, int], ...]
"""Level and copy of some starts."""
OUT_OF_STEPS = "out of steps"
"""How a relaxation ends that may go no further."""


def compute(shard: Shard, named: Named | None = None) -> pd.DataFrame:
    """The records of a shard, or of some of its starts: one row each.

    Args:
        shard: what to compute.
        named: level and number of the copies wanted; all of the shard's if left out.
    """
    reference = load_structure(shard.structure)
    named = named or tuple((level, copy) for level in shard.levels for copy in range(shard.copies))
    starts = [start(shard.structure, shard.noise, level, copy, shard.seed, reference) for level, copy in named]
    begin = time.perf_counter()
    if shard.recipe:
        rows, ends = _searched(shard, reference, starts, named)
    else:
        rows, ends = (_relaxed if shard.method == CHGNET else _descended)(shard, reference, starts)
    if "seconds" not in rows:
        rows["seconds"] = (time.perf_counter() - begin) / len(rows)
    return evaluated_rows(shard, named, starts, ends, rows)


def evaluated_rows(
    shard: Shard, named: Named, starts: list[Structure], ends: list[Structure], rows: pd.DataFrame
) -> pd.DataFrame:
    """Whole records: what `rows` say of each way, with its name before them and, after them, its ends judged."""
    reference = load_structure(shard.structure)
    told = pd.DataFrame(list(named), columns=["level", "copy"])
    told.insert(0, "structure", shard.structure)
    told.insert(1, "noise", shard.noise)
    told["method"], told["seed"], told["shard"] = shard.method, shard.seed, shard.key
    told["learning_rate"] = np.nan if shard.method == CHGNET else shard.learning_rate
    geometry = pd.DataFrame(
        [{**records.geometry(s, "start"), **records.geometry(e, "end")} for s, e in zip(starts, ends, strict=True)]
    )
    before = _judged_starts(shard.structure, shard.noise, named, shard.seed)
    return pd.concat([told, rows, geometry, before, records.evaluated(reference, ends, "end")], axis=1)


@lru_cache(maxsize=4)
def _judged_starts(structure: str, noise: str, named: Named, seed: int) -> pd.DataFrame:
    """Shards that differ in their method alone have the same starts."""
    reference = load_structure(structure)
    return records.evaluated(
        reference, [start(structure, noise, level, copy, seed, reference) for level, copy in named], "start"
    )


def objective_of(shard: Shard) -> Objective:
    """What the shard descends."""
    objective = OBJECTIVES[PUBLISHED_METHODS[shard.method].objective]
    return objective if shard.max_shift is None else cross_correlation_within(shard.max_shift)


def descend(shard: Shard, reference: Structure, starts: list[Structure]) -> DescentResult:
    """Descend some starts as the shard says."""
    constrained = shard.noise == "lattice" and PUBLISHED_METHODS[shard.method].constrained
    scale = shard.mse_maximum**2
    return recover(
        reference,
        starts,
        shard.noise,
        objective_of(shard),
        Schedule(shard.learning_rate * scale, shard.max_steps, shard.check_every, shard.tolerance / scale),
        detect_family(reference) if constrained else None,
        shard.clamp,
        getattr(torch, shard.dtype),
        instrument=Instrument(wavelength_angstrom=shard.wavelength_angstrom, taper_deg=shard.taper_deg),
    )


def _descended(shard: Shard, reference: Structure, starts: list[Structure]) -> tuple[pd.DataFrame, list[Structure]]:
    result = descend(shard, reference, starts)
    rows = pd.DataFrame(
        {
            "start_loss": result.start_loss.double().numpy(),
            "end_loss": result.loss.double().numpy(),
            "steps": result.steps.numpy(),
            "stop_reason": list(result.stop_reason),
            "seconds": result.seconds / len(starts),
        }
    )
    return rows, crystals(reference, result)


def _searched(
    shard: Shard, reference: Structure, starts: list[Structure], named: Named
) -> tuple[pd.DataFrame, list[Structure]]:
    """By a recipe; its further tries are drawn by the start's own name and the recipe's."""
    recipe = ALL_METHODS[shard.method]
    own = [
        generator(f"{shard.structure}|{shard.method}", shard.noise, level, copy, shard.seed) for level, copy in named
    ]
    relaxations = _relaxations(shard, starts, named) if recipe.relaxes_alone else None
    found = search(recipe, reference, starts, own, relaxations)
    rows = pd.DataFrame(
        {
            "start_loss": found.start_loss,
            "end_loss": found.loss,
            "tries": found.tries,
            "steps": found.steps,
            "stop_reason": ["enough" if loss <= -recipe.enough else "out of tries" for loss in found.loss],
            "seconds": found.seconds,
        }
    )
    return rows, found.ends


def _relaxations(shard: Shard, starts: list[Structure], named: Named) -> list[Relaxation]:
    """CHGNet's relaxations of the starts: the study's where it has them, or else made now."""
    known = _recorded_relaxations(shard.structure, shard.noise, shard.seed)
    return [
        known[name] if name in known else relax(crystal, shard.noise)
        for name, crystal in zip(named, starts, strict=True)
    ]


@lru_cache(maxsize=4)
def _recorded_relaxations(structure: str, noise: str, seed: int) -> dict[tuple[float, int], Relaxation]:
    """By level and copy: those that `relax` would give again, not those that another limit cut short or let go on."""
    path = RECORDS / "study" / f"{label(structure)}.parquet"
    if not path.exists():
        return {}
    rows, reference = records.read(path), load_structure(structure)
    rows = rows[(rows["method"] == CHGNET) & (rows["noise"] == noise) & (rows["seed"] == seed)]
    ended = (rows["steps"] < MAX_STEPS) & (rows["stop_reason"] != OUT_OF_STEPS)
    rows = rows[ended | (rows["steps"] == MAX_STEPS)]
    return {
        (row["level"], row["copy"]): Relaxation(
            *(records.crystal(row, "end", reference), row["energy_end"], row["energy_start"]),
            *(int(row["steps"]), bool(row["converged"]), row["seconds"]),
        )
        for _, row in rows.iterrows()
    }


def _relaxed(shard: Shard, reference: Structure, starts: list[Structure]) -> tuple[pd.DataFrame, list[Structure]]:
    results = [relax(crystal, shard.noise, max_steps=shard.max_steps) for crystal in starts]
    rows = pd.DataFrame(
        {
            "energy_start": [r.energy_start_ev_per_atom for r in results],
            "energy_end": [r.energy_ev_per_atom for r in results],
            "converged": [r.converged for r in results],
            "steps": [r.steps for r in results],
            "stop_reason": [_end_of(r, shard.max_steps) for r in results],
            "seconds": [r.seconds for r in results],
        }
    )
    return rows, [r.structure for r in results]


def _end_of(result: Relaxation, max_steps: int) -> str:
    if result.converged:
        return "converged"
    return OUT_OF_STEPS if result.steps >= max_steps else "broke down"
