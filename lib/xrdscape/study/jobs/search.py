"""Searches by methods beyond the paper."""

from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from xrdscape.crystal.distortion import Noise
from xrdscape.crystal.families import detect_family
from xrdscape.crystal.structures import load_structure
from xrdscape.crystal.symmetry import symmetry_of
from xrdscape.optimisation.methods import DESCENDED, Method
from xrdscape.optimisation.problem import Problem
from xrdscape.optimisation.search import search
from xrdscape.optimisation.variants import ALL_METHODS
from xrdscape.study.jobs.descent import MIDDLE_VOLUME_ANGSTROM3
from xrdscape.study.jobs.job import Named, all_named, starts_of, whole_rows
from xrdscape.study.jobs.keys import key_of, method_text
from xrdscape.study.jobs.relaxation import known_relaxations, relaxation_seconds
from xrdscape.study.problems import beside, problem_of
from xrdscape.study.starts import generator

SECONDS = {"lattice": 0.2, "coordinates": 0.05}
"""Seconds of one descent, roughly."""
DTYPE = "float32"


@dataclass(frozen=True)
class SearchJob:
    """Searches of one crystal by one method beyond the paper.

    Args:
        structure, levels, copies, seed: see `Job`.
        method: a key of `ALL_METHODS`.
    """

    structure: str
    method: str
    levels: tuple[float, ...]
    copies: int
    seed: int

    @property
    def settings(self) -> Method:
        """The method's own settings."""
        return ALL_METHODS[self.method]

    @property
    def noise(self) -> Noise:
        return self.settings.moves

    @property
    def key(self) -> str:
        return key_of(self.record())

    @property
    def starts(self) -> int:
        return len(self.levels) * self.copies

    @property
    def cost(self) -> float:
        volume = load_structure(self.structure).volume
        descents = SECONDS[self.noise] * volume / MIDDLE_VOLUME_ANGSTROM3 * self.starts
        # Relaxations by CHGNet alone are taken from the study.
        return descents + (relaxation_seconds(self.structure) * self.starts if self.settings.pattern_ev else 0.0)

    def record(self) -> dict[str, Any]:
        return {
            "structure": self.structure,
            "noise": self.noise,
            "method": self.method,
            "levels": list(self.levels),
            "copies": self.copies,
            "seed": self.seed,
            "max_steps": self.settings.narrowing.all_steps,
            "learning_rate": self.settings.narrowing.rate,
            "dtype": DTYPE,
            "recipe": method_text(method_record(self.settings)),
        }

    def compute(self, named: Named | None = None) -> pd.DataFrame:
        named, method = named or all_named(self.levels, self.copies), self.settings
        starts, reference = starts_of(self, named), load_structure(self.structure)
        # Restarts are drawn by the name of the starting model and that of the method.
        generators = [generator(f"{self.structure}|{self.method}", self.noise, *name, self.seed) for name in named]
        relaxations = known_relaxations(self, starts, named) if method.relaxes_alone else None
        begun = [beside(reference, start) for start in starts] if method.sites == "symmetric" else starts
        result = search(method, self.problem(), begun, generators, relaxations)
        rows = pd.DataFrame(
            {
                "start_loss": result.start_loss,
                "end_loss": result.loss,
                "tries": result.descents,
                "steps": result.steps,
                "stop_reason": ["enough" if loss <= -method.enough else "out of tries" for loss in result.loss],
                "seconds": result.seconds,
            }
        )
        return whole_rows(self, named, starts, result.refined, rows, method.narrowing.rate)

    def problem(self) -> Problem:
        """Return the problem that the search is given, with the symmetry that its method may know."""
        reference, method = load_structure(self.structure), self.settings
        return problem_of(
            reference,
            hkl_max=DESCENDED[method.objective].hkl_max,
            family=detect_family(reference) if method.cell == "family" else None,
            symmetry=symmetry_of(reference) if "symmetric" in (method.cell, method.sites) else None,
        )


def method_record(method: Method) -> dict[str, Any]:
    """Return all settings of a method as plain values; its label decides nothing."""
    written = asdict(method)
    del written["label"]
    return {**written, "rule": {"name": type(method.rule).__name__, **written["rule"]}}
