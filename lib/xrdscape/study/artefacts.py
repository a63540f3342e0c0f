"""Targets with artefacts, and where descents go that start at the reference structure itself."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch

from xrdscape.crystal.structures import load_structure
from xrdscape.diffraction.artefacts import FAMILY, FLAWS, NONE
from xrdscape.diffraction.pattern import Pattern, Simulator
from xrdscape.evaluation.matching import tight_match
from xrdscape.paths import REFERENCE_NAMES
from xrdscape.study.jobs.artefact import COPIES, NARROWING, ArtefactJob

PLAN = "artefacts"
"""Name of the store of the artefact jobs."""


def flawed_target(structure: str, artefact: str, size: float, seed: int = 0) -> torch.Tensor:
    """Return the target [n] of a crystal with one artefact, as the descents of that seed have it."""
    return ArtefactJob(structure, COPIES, seed, artefact, size).target()


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
        reference, job = load_structure(structure), ArtefactJob(structure, 1, seed, flaw, size)
        for width in first_blurs_deg:
            narrowing = replace(NARROWING, widest_deg=width) if width else replace(NARROWING, stages=0)
            _, (end,) = replace(job, narrowing=narrowing).descend([reference], None)
            off = np.abs(np.divide(end.lattice.abc, reference.lattice.abc) - 1).max()
            rows.append((structure, width, tight_match(reference, end), off))
    return pd.DataFrame(rows, columns=["structure", "first_blur_deg", "tight", "off"])
