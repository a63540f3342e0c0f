"""Descents as the paper made them, on the similarity of patterns."""

from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from pymatgen.core import Structure

from xrdscape.crystal.distortion import Noise
from xrdscape.crystal.families import detect_family
from xrdscape.crystal.structures import load_structure, structures_from_tensors
from xrdscape.diffraction.instrument import PAPER_INSTRUMENT, Instrument
from xrdscape.optimisation.descent import Schedule
from xrdscape.optimisation.loop import DescentResult
from xrdscape.optimisation.objectives import OBJECTIVES, Objective, cross_correlation_within
from xrdscape.optimisation.published import published_descent
from xrdscape.study.jobs.job import Named, all_named, starts_of, whole_rows
from xrdscape.study.jobs.keys import key_of
from xrdscape.study.problems import problem_of
from xrdscape.study.records import PUBLISHED_METHODS, Precision

SECONDS = {
    "lattice": {"cosine": 3.3, "mse": 1.1, "entropy": 5.4, "cross_correlation": 4.8, "cosine_constrained": 1.0},
    "coordinates": {"cosine": 0.3, "mse": 0.2, "entropy": 1.0, "cross_correlation": 1.4},
}
"""Mean seconds of a descent in the study's records."""
MIDDLE_VOLUME_ANGSTROM3, MANY_STEPS = 200, 4000
"""A volume that reflects as often as the study's middle crystal, and steps that few descents exceed."""


@dataclass(frozen=True)
class DescentJob:
    """Descents of one crystal under one noise by one of the paper's methods.

    Args:
        structure, noise, method, levels, copies, seed: see `Job`; the method is a key of `PUBLISHED_METHODS`.
        max_steps, check_every, tolerance, learning_rate: of the schedule.
        mse_maximum: what both patterns are scaled to for the mean squared error (see `Plan`).
        max_shift: largest shift of the cross-correlation in bins; None allows all.
        clamp: StructSnap's limit on large moves.
        dtype: precision of the descents.
        wavelength_angstrom, taper_deg: of the instrument.
    """

    structure: str
    noise: Noise
    method: str
    levels: tuple[float, ...]
    copies: int
    seed: int
    max_steps: int
    check_every: int
    tolerance: float
    learning_rate: float
    mse_maximum: float = 1.0
    max_shift: int | None = None
    clamp: bool = True
    dtype: Precision = "float32"
    wavelength_angstrom: float = PAPER_INSTRUMENT.wavelength_angstrom
    taper_deg: float = PAPER_INSTRUMENT.taper_deg

    @property
    def key(self) -> str:
        return key_of(self.record())

    @property
    def starts(self) -> int:
        return len(self.levels) * self.copies

    @property
    def cost(self) -> float:
        size = load_structure(self.structure).volume / MIDDLE_VOLUME_ANGSTROM3
        return SECONDS[self.noise][self.method] * size * min(self.max_steps, MANY_STEPS) / MANY_STEPS * self.starts

    def record(self) -> dict[str, Any]:
        written = {
            "structure": self.structure,
            "noise": self.noise,
            "method": self.method,
            "levels": list(self.levels),
            "copies": self.copies,
            "seed": self.seed,
            "max_steps": self.max_steps,
            "check_every": self.check_every,
            "tolerance": self.tolerance,
            "learning_rate": self.learning_rate,
            "mse_maximum": self.mse_maximum,
            "max_shift": self.max_shift,
            "clamp": self.clamp,
            "dtype": self.dtype,
        }
        # The instrument's settings came after the first records, whose keys do not hold them.
        if self.wavelength_angstrom != PAPER_INSTRUMENT.wavelength_angstrom:
            written["wavelength_angstrom"] = self.wavelength_angstrom
        if self.taper_deg != PAPER_INSTRUMENT.taper_deg:
            written["taper_deg"] = self.taper_deg
        return written

    def compute(self, named: Named | None = None) -> pd.DataFrame:
        named = named or all_named(self.levels, self.copies)
        starts = starts_of(self, named)
        result = self.descend(starts)
        rows = descent_rows(result)
        refined = structures_from_tensors(load_structure(self.structure), result.lattice, result.frac_coords)
        return whole_rows(self, named, starts, refined, rows, self.learning_rate)

    @property
    def objective(self) -> Objective:
        """The objective that is descended."""
        objective = OBJECTIVES[PUBLISHED_METHODS[self.method].objective]
        return objective if self.max_shift is None else cross_correlation_within(self.max_shift)

    def descend(self, starts: list[Structure]) -> DescentResult:
        """Descend some starting models as the job says."""
        reference, objective = load_structure(self.structure), self.objective
        instrument = Instrument(
            wavelength_angstrom=self.wavelength_angstrom,
            taper_deg=self.taper_deg,
            tabulation=PAPER_INSTRUMENT.tabulation,
        )
        constrained = self.noise == "lattice" and PUBLISHED_METHODS[self.method].constrained
        scale = self.mse_maximum**2
        return published_descent(
            problem_of(reference, instrument, objective.hkl_max),
            starts,
            self.noise,
            objective,
            Schedule(self.learning_rate * scale, self.max_steps, self.check_every, self.tolerance / scale),
            detect_family(reference) if constrained else None,
            self.clamp,
            getattr(torch, self.dtype),
        )


def descent_rows(result: DescentResult) -> pd.DataFrame:
    """Return what records hold of the course of each descent."""
    return pd.DataFrame(
        {
            "start_loss": result.start_loss.double().numpy(),
            "end_loss": result.loss.double().numpy(),
            "steps": result.steps.numpy(),
            "stop_reason": list(result.stop_reason),
            "seconds": result.seconds / len(result.loss),
        }
    )
