"""Searches for crystals of a known answer, by their nanocrystals' patterns and formulas: the benchmark of `solve`."""

import hashlib
import json
import time
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from pymatgen.core import Element, Structure

from xrdscape.diffraction.finite_size import SizeConvention
from xrdscape.solution.library import carried_library
from xrdscape.solution.measurement import nano_measurement
from xrdscape.solution.prototypes import Effort, kinds_of
from xrdscape.solution.solution import Solution
from xrdscape.solution.solve import solve_measurement
from xrdscape.solution.standard import standard_orbits
from xrdscape.solution.templates import template
from xrdscape.study.baselines import nearest_chemistry, random_entries
from xrdscape.study.jobs.job import Named
from xrdscape.study.solving import Protocol, allowed, asked_crystal, judged, pattern_asked

SECONDS = 2.0
"""Rough seconds of one search with its judgement."""


@dataclass(frozen=True)
class Way:
    """A way to answer: the search with what it does without, or a baseline.

    Args:
        effort: of the search.
        share: of the library that it may use.
        baseline: "chemistry" or "random" instead of a search; both see no pattern.
    """

    effort: Effort = field(default_factory=Effort)
    share: float = 1.0
    baseline: str = ""


WAYS: dict[str, Way] = {
    "solve": Way(),
    "prototypes alone": Way(Effort(descents=0)),
    "without annealing": Way(Effort(descents=0, annealed=False)),
    "atoms stay": Way(Effort(descents=0, atoms=False)),
    "without symmetry": Way(Effort(fits=20, descents=0, symmetric=False)),
    "prototypes alone, 20 fits": Way(Effort(fits=20, descents=0)),
    "library 1/2": Way(Effort(descents=0), 1 / 2),
    "library 1/4": Way(Effort(descents=0), 1 / 4),
    "library 1/8": Way(Effort(descents=0), 1 / 8),
    "library 1/16": Way(Effort(descents=0), 1 / 16),
    "nearest chemistry": Way(baseline="chemistry"),
    "random entry": Way(baseline="random"),
}
"""Ways by the name that records give them."""


@dataclass(frozen=True)
class SolutionJob:
    """Searches for some of the crystals that are asked for.

    Args:
        structure: convention of the patterns.
        noise: protocol, which says what the library holds.
        method: a key of `WAYS`.
        levels: sizes of the crystallites in angstrom, in the meaning of the convention.
        first, copies: which of the crystals: so many from this one.
        asked: how many crystals are asked for in all.
        candidates: how many an answer has at most.
        seed: of the patterns' noise and of the searches.
    """

    structure: SizeConvention
    noise: Protocol
    method: str
    levels: tuple[float, ...]
    first: int
    copies: int
    asked: int
    candidates: int
    seed: int

    @property
    def key(self) -> str:
        """Digest of the settings."""
        return hashlib.sha256(json.dumps(self.record(), sort_keys=True).encode()).hexdigest()[:12]

    @property
    def starts(self) -> int:
        return len(self.levels) * self.copies

    @property
    def cost(self) -> float:
        return SECONDS * self.starts

    def record(self) -> dict[str, Any]:
        way = WAYS[self.method]
        return {
            "solution": True,
            **{name: value for name, value in asdict(self).items() if name != "levels"},
            "levels": list(self.levels),
            "way": {"effort": asdict(way.effort), "share": way.share, "baseline": way.baseline},
        }

    def compute(self, named: Named | None = None) -> pd.DataFrame:
        names = named or tuple(
            (level, number) for number in range(self.first, self.first + self.copies) for level in self.levels
        )
        return pd.DataFrame([self._row(level, number) for level, number in names])

    def _row(self, size: float, number: int) -> dict[str, Any]:
        crystal, way = asked_crystal(number, self.asked), WAYS[self.method]
        library, chemistry = allowed(self.noise, self.asked, way.share)
        contents = crystal.structure.composition
        pattern = pattern_asked(number, self.asked, size, self.structure, self.seed)
        began = time.perf_counter()
        if way.baseline:
            guess = nearest_chemistry if way.baseline == "chemistry" else random_entries
            found = guess(contents, library, chemistry, self.candidates, np.random.default_rng((self.seed, number)))
            answers, answer = [structure for structure, _ in found], {
                "fits": 0, "solved": False, "r_nano": [1.0] * len(found), "contact": [1.0] * len(found),
                "parameters": [0.0] * len(found),
                "origins": "", "prototypes": " ".join(name for _, name in found),
            }  # fmt: skip
        else:
            data = nano_measurement(pattern.q_inv_angstrom, pattern.intensity, self.structure, size)
            solution = solve_measurement([contents], data, library, chemistry, self.candidates, way.effort, self.seed)
            answers, answer = [row.structure for row in solution.candidates], _answer(solution, library.ids)
        seconds = time.perf_counter() - began
        sites = template(kinds_of(carried_library().orbits(crystal.place)))
        return {
            "structure": self.structure, "noise": self.noise, "level": size, "copy": number, "method": self.method,
            "seed": self.seed, "shard": self.key, "seconds": seconds, "crystal": crystal.id,
            "formula": contents.reduced_formula, "space_group": sites.orbits.number, "sites": len(sites),
            "free_coords": sites.free_coords, **answer,
            **judged(answers, number, self.asked, self.structure), **_first(answers),
        }  # fmt: skip


def _answer(solution: Solution, ids: list[str]) -> dict[str, Any]:
    """Return the columns of a search."""
    rows = [row.candidate for row in solution.candidates]
    return {
        "fits": solution.fits,
        "solved": solution.solved,
        "r_nano": [row.residual for row in rows],
        "contact": [row.contact for row in rows],
        "parameters": [float(row.fit.template.parameters) for row in rows],
        "origins": "".join(row.fit.origin[1] for row in rows),
        "prototypes": " ".join(ids[row.fit.place] for row in rows),
    }


def _first(answers: list[Structure]) -> dict[str, Any]:
    """Return the columns of the first candidate; empty where there is none."""
    if not answers:
        return {"first_group": 0, "first_lattice": [], "first_coords": [], "first_numbers": []}
    first = answers[0]
    numbers = [Element(site.specie.symbol).Z for site in first]
    return {
        "first_group": standard_orbits(first.lattice.matrix, first.frac_coords, numbers).number,
        "first_lattice": [float(value) for value in first.lattice.parameters],
        "first_coords": first.frac_coords.ravel().tolist(),
        "first_numbers": [float(number) for number in numbers],
    }
