"""Graduated descents like those of the study, but towards a target with one artefact."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from pymatgen.core import Structure

from xrdscape.crystal.distortion import Noise
from xrdscape.crystal.families import Family, detect_family
from xrdscape.crystal.structures import load_structure, structures_from_tensors, to_tensors
from xrdscape.diffraction.artefacts import (
    ARTEFACTS,
    FAMILIES_BY_ERROR,
    FAMILY,
    NONE,
    ArtefactName,
    with_artefact,
    wrong_family,
)
from xrdscape.diffraction.pattern import Simulator
from xrdscape.optimisation.graduated import Narrowing, graduated
from xrdscape.optimisation.objectives import OBJECTIVES
from xrdscape.paths import REFERENCE_NAMES
from xrdscape.study.jobs.descent import MIDDLE_VOLUME_ANGSTROM3, descent_rows
from xrdscape.study.jobs.job import Named, all_named, starts_of, whole_rows
from xrdscape.study.jobs.keys import key_of
from xrdscape.study.problems import problem_of
from xrdscape.study.starts import generator

STORE = "artefacts"
"""Name of the store of these jobs."""
LEVEL = 0.1
"""Level of lattice noise: there, without an artefact, nearly all is recovered."""
COPIES = 5
"""Realisations of each crystal and target in the book."""
SECONDS = 0.5
"""Seconds of a descent, roughly."""
DTYPE = torch.float32
NARROWING = Narrowing()


@dataclass(frozen=True)
class ArtefactJob:
    """Descents of one crystal towards its pattern with one artefact of one size.

    Args:
        structure, levels, copies, seed: see `Job`.
        artefact, size: which artefact, and its size.
        projected: whether the cell is projected onto its family after each step: the right one, or the wrong one of
            `FAMILY`.
        narrowing: of the descents.
    """

    structure: str
    copies: int
    seed: int
    artefact: ArtefactName = NONE
    size: float = 0.0
    projected: bool = False
    narrowing: Narrowing = NARROWING
    levels: tuple[float, ...] = (LEVEL,)
    noise: Noise = "lattice"
    method = "graduated"

    @property
    def key(self) -> str:
        return key_of(self.record())

    @property
    def starts(self) -> int:
        return len(self.levels) * self.copies

    @property
    def cost(self) -> float:
        return SECONDS * load_structure(self.structure).volume / MIDDLE_VOLUME_ANGSTROM3 * self.starts

    def record(self) -> dict[str, Any]:
        return {
            "structure": self.structure,
            "noise": self.noise,
            "method": self.method,
            "levels": list(self.levels),
            "copies": self.copies,
            "seed": self.seed,
            "max_steps": self.narrowing.all_steps,
            "learning_rate": self.narrowing.rate,
            "dtype": "float32",
            "flaw": self.artefact,
            "flaw_size": self.size,
            "projected": self.projected,
            "narrowing": asdict(self.narrowing),
        }

    def compute(self, named: Named | None = None) -> pd.DataFrame:
        """Compute the records of the job, or of some of its realisations.

        All are descended together even then: where a landscape is rough, sums that are rounded otherwise in another
        batch could decide for another valley.
        """
        every, family = all_named(self.levels, self.copies), self.family
        starts = starts_of(self, every)
        rows, refined = self.descend(starts, family)
        rows = rows.assign(flaw=self.artefact, flaw_size=self.size, projected=self.projected, family=family or "none")
        whole = whole_rows(self, every, starts, refined, rows, self.narrowing.rate)
        if named is None:
            return whole
        return whole.set_index(["level", "copy"], drop=False).loc[list(named)].reset_index(drop=True)

    @property
    def family(self) -> Family | None:
        """The family that cells are projected onto, if they are."""
        if not self.projected:
            return None
        family = detect_family(load_structure(self.structure))
        return wrong_family(family, self.size) if self.artefact == FAMILY else family

    def target(self) -> torch.Tensor:
        """Return the target [n] of the descents, in float64.

        Counting noise is drawn once a job. The impurity is the next of the ten crystals, in the order of their names'
        list; of a crystal from elsewhere, the first.
        """
        place = REFERENCE_NAMES.index(self.structure) + 1 if self.structure in REFERENCE_NAMES else 0
        impurity = load_structure(REFERENCE_NAMES[place % len(REFERENCE_NAMES)])
        rng = generator(self.structure, self.artefact, self.size, 0, self.seed)
        return with_artefact(load_structure(self.structure), self.artefact, self.size, rng, impurity)

    def descend(self, starts: list[Structure], family: Family | None) -> tuple[pd.DataFrame, list[Structure]]:
        """Descend some starting models, and return rows on the descents and the refined models.

        `truth_loss` is the loss of the reference structure against the target: a descent that ends below it has found
        a cell that explains the target better than the reference does.
        """
        reference, target, objective = load_structure(self.structure), self.target(), OBJECTIVES["cosine"]
        lattice, sites = to_tensors(starts, dtype=DTYPE)
        problem = problem_of(reference, target=target)
        result = graduated(problem, lattice, sites, objective, family, self.narrowing, DTYPE)
        exact = Simulator(reference)(*to_tensors([reference])).to(DTYPE)
        rows = descent_rows(result)
        rows.insert(0, "truth_loss", np.full(len(starts), objective.loss(exact, target.to(DTYPE)).item()))
        return rows, structures_from_tensors(reference, result.lattice, result.frac_coords)


def artefact_jobs(
    structures: Sequence[str] = REFERENCE_NAMES, copies: int = COPIES, seed: int = 0
) -> list[ArtefactJob]:
    """Return the whole experiment: each crystal without an artefact, and with each at each size, cells free and
    projected.

    Args:
        structures: names or paths.
        copies: realisations of each, the first of the study's if the seed is the study's.
        seed: of all noise.
    """
    return [
        ArtefactJob(structure, copies, seed, *setting) for structure in structures for setting in _settings(structure)
    ]


def _settings(structure: str) -> list[tuple[ArtefactName, float, bool]]:
    errors = FAMILIES_BY_ERROR.get(detect_family(load_structure(structure)), {})
    sizes = [(name, size) for name, artefact in ARTEFACTS.items() if name != FAMILY for size in artefact.sizes]
    both = [(*setting, projected) for projected in (False, True) for setting in [(NONE, 0.0), *sizes]]
    return [*both, *((FAMILY, float(size), True) for size in errors)]
