"""Recovery from flawed patterns: graduated descents like those of the study, but towards a target with one flaw.

A shard is one crystal with one flaw of one size. It goes through the same store, campaign and audit as the study's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from pymatgen.core import Structure

from xrdscape.crystal.cell import detect_family
from xrdscape.crystal.distortion import generator, start
from xrdscape.crystal.structures import load_structure, to_tensors
from xrdscape.diffraction.artefacts import FAMILIES_BY_ERROR, FAMILY, FLAWS, NONE, flawed, wrong_family
from xrdscape.diffraction.pattern import Pattern, Simulator
from xrdscape.evaluation.matching import tight_match
from xrdscape.optimisation.graduated import Narrowing, graduated
from xrdscape.optimisation.objectives import OBJECTIVES
from xrdscape.paths import REFERENCE_NAMES
from xrdscape.study.plan import Shard
from xrdscape.study.recover import crystals
from xrdscape.study.shards import Named, compute, evaluated_rows

PLAN = "flaws"
"""Name of the store."""
METHOD = "graduated"
LEVEL = 0.1
"""Of lattice noise: there, without a flaw, nearly all is recovered."""
COPIES = 5
SECONDS_OF_A_DESCENT = 0.5
DTYPE = torch.float32
NARROWING = Narrowing()


@dataclass(frozen=True)
class FlawedShard(Shard):
    """One structure with one flaw of one size.

    Args:
        flaw, flaw_size: a key of `FLAWS`, or `NONE`, and its size.
        projected: whether the cell is projected onto its family after each step: the true one, or the wrong one of
            `FAMILY`.
        narrowing: of the descents.
    """

    flaw: str = NONE
    flaw_size: float = 0.0
    projected: bool = False
    narrowing: Narrowing = NARROWING

    @property
    def cost(self) -> float:
        return SECONDS_OF_A_DESCENT * load_structure(self.structure).volume / 200 * self.starts


def flaw_shards(structures: Sequence[str] = REFERENCE_NAMES, copies: int = COPIES, seed: int = 0) -> list[FlawedShard]:
    """The whole experiment: each crystal without a flaw, and with each flaw at each size, cells free and projected.

    Args:
        structures: names or paths.
        copies: distorted copies of each, the first of the study's if the seed is the study's.
        seed: of all noise.
    """
    return [_shard(structure, copies, seed, *setting) for structure in structures for setting in _settings(structure)]


def _shard(structure: str, copies: int, seed: int, flaw: str, size: float, projected: bool) -> FlawedShard:
    return FlawedShard(
        *(structure, "lattice", METHOD, (LEVEL,), copies, seed, NARROWING.all_steps),
        learning_rate=NARROWING.rate,
        dtype=str(DTYPE).removeprefix("torch."),
        flaw=flaw,
        flaw_size=size,
        projected=projected,
    )


def _settings(structure: str) -> list[tuple[str, float, bool]]:
    errors = FAMILIES_BY_ERROR.get(detect_family(load_structure(structure)), {})
    sizes = [(name, size) for name, flaw in FLAWS.items() if name != FAMILY for size in flaw.sizes]
    both = [(*setting, projected) for projected in (False, True) for setting in [(NONE, 0.0), *sizes]]
    return [*both, *((FAMILY, float(size), True) for size in errors)]


def shard_of(settings: Mapping[str, Any]) -> Shard:
    """The shard whose settings a file of records holds."""
    told: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()
    }
    if "flaw" not in told:
        return Shard(**told)
    return FlawedShard(**{**told, "narrowing": Narrowing(**told["narrowing"])})


def records_of(shard: Shard, named: Named | None = None) -> pd.DataFrame:
    """The records of a shard of any kind, or of some of its starts (see `shards.compute`).

    Those of a flawed shard are always descended together: where a landscape is rough, sums that are rounded otherwise
    in other company could decide for another valley.
    """
    if not isinstance(shard, FlawedShard):
        return compute(shard, named)
    rows = _flawed_records(shard)
    if named is None:
        return rows
    return rows.set_index(["level", "copy"], drop=False).loc[list(named)].reset_index(drop=True)


def target_of(shard: FlawedShard) -> torch.Tensor:
    """The pattern [n] that the descents of a shard are to explain, in float64.

    Counting noise is drawn once a shard. The impurity is the next of the ten crystals, in the order of their names'
    list; of a crystal from elsewhere, the first.
    """
    place = REFERENCE_NAMES.index(shard.structure) + 1 if shard.structure in REFERENCE_NAMES else 0
    impurity = load_structure(REFERENCE_NAMES[place % len(REFERENCE_NAMES)])
    rng = generator(shard.structure, shard.flaw, shard.flaw_size, 0, shard.seed)
    return flawed(load_structure(shard.structure), shard.flaw, shard.flaw_size, rng, impurity)


def flawed_target(structure: str, flaw: str, size: float, seed: int = 0) -> torch.Tensor:
    """The target [n] of a crystal with one flaw, as the descents of that seed have it."""
    return target_of(_shard(structure, COPIES, seed, flaw, size, False))


def middling_targets(structure: str, seed: int = 0) -> dict[str, Pattern]:
    """Targets of a crystal, of maximum 1: without a flaw (`NONE`), and with each flaw of the pattern at a middling
    size."""
    simulator, found = Simulator(load_structure(structure)), {}
    sizes = {NONE: 0.0, **{name: flaw.middling for name, flaw in FLAWS.items() if name != FAMILY}}
    for name, size in sizes.items():
        target = flawed_target(structure, name, size, seed)
        found[name] = Pattern(simulator.two_theta_deg.numpy(), (target / target.max()).numpy())
    return found


def from_reference(
    flaw: str,
    size: float,
    first_blurs_deg: Sequence[float],
    seed: int = 0,
    structures: Sequence[str] = REFERENCE_NAMES,
) -> pd.DataFrame:
    """Where graduated descents end that start at the truth itself, cells free: whether a flaw drives them away.

    Args:
        flaw, size: of the target.
        first_blurs_deg: widths of the first blur; 0 for no blur at all.
        seed: of counting noise.
        structures: names or paths.

    Returns:
        DataFrame: structure, first_blur_deg, tight (match with the truth), off (largest relative change of a length).
    """
    rows = []
    for structure in structures:
        reference, shard = load_structure(structure), _shard(structure, 1, seed, flaw, size, False)
        for width in first_blurs_deg:
            narrowing = replace(NARROWING, widest_deg=width) if width else replace(NARROWING, stages=0)
            _, (end,) = _descended(replace(shard, narrowing=narrowing), reference, [reference], None)
            off = np.abs(np.divide(end.lattice.abc, reference.lattice.abc) - 1).max()
            rows.append((structure, width, tight_match(reference, end), off))
    return pd.DataFrame(rows, columns=["structure", "first_blur_deg", "tight", "off"])


def _flawed_records(shard: FlawedShard) -> pd.DataFrame:
    reference = load_structure(shard.structure)
    named = tuple((level, copy) for level in shard.levels for copy in range(shard.copies))
    starts = [start(shard.structure, shard.noise, level, copy, shard.seed, reference) for level, copy in named]
    family = _family(shard, reference)
    rows, ends = _descended(shard, reference, starts, family)
    rows = rows.assign(flaw=shard.flaw, flaw_size=shard.flaw_size, projected=shard.projected, family=family or "none")
    return evaluated_rows(shard, named, starts, ends, rows)


def _family(shard: FlawedShard, reference: Structure) -> str | None:
    if not shard.projected:
        return None
    family = detect_family(reference)
    return wrong_family(family, shard.flaw_size) if shard.flaw == FAMILY else family


def _descended(
    shard: FlawedShard, reference: Structure, starts: list[Structure], family: str | None
) -> tuple[pd.DataFrame, list[Structure]]:
    """Also the loss that the truth itself has against the flawed target: a descent that ends below it has found a cell
    that explains the target better than the truth does."""
    simulator, target, objective = Simulator(reference, dtype=DTYPE), target_of(shard).to(DTYPE), OBJECTIVES["cosine"]
    result = graduated(simulator, target, *to_tensors(starts, dtype=DTYPE), objective, family, shard.narrowing)
    exact = Simulator(reference)(*to_tensors([reference])).to(DTYPE)
    rows = pd.DataFrame(
        {
            "truth_loss": np.full(len(starts), objective.loss(exact, target).item()),
            "start_loss": result.start_loss.double().numpy(),
            "end_loss": result.loss.double().numpy(),
            "steps": result.steps.numpy(),
            "stop_reason": list(result.stop_reason),
            "seconds": result.seconds / len(starts),
        }
    )
    return rows, crystals(reference, result)
