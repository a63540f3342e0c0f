"""Effects of artefacts on patterns, and on descents that start at the reference structure itself."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pymatgen.core import Structure

from xrdscape.crystal.structures import load_structure, structures_from_tensors, to_tensors
from xrdscape.diffraction.artefacts import ARTEFACTS, FAMILY, NONE, ArtefactName, background, counted
from xrdscape.diffraction.instrument import PAPER_INSTRUMENT
from xrdscape.diffraction.pattern import Simulator
from xrdscape.evaluation.matching import tight_match
from xrdscape.optimisation.blur import blurred, half_width
from xrdscape.optimisation.graduated import graduated
from xrdscape.optimisation.objectives import cosine_similarity
from xrdscape.paths import REFERENCE_NAMES
from xrdscape.patterns.background import background as estimated_background
from xrdscape.patterns.pattern import Pattern
from xrdscape.patterns.simulated import simulate
from xrdscape.study.jobs.artefact import COPIES, DTYPE, NARROWING, ArtefactJob
from xrdscape.study.problems import problem_of

Values = NDArray[np.float64]


def artefact_target(structure: str, artefact: ArtefactName, size: float, seed: int = 0) -> torch.Tensor:
    """Return the target [n] of a crystal with one artefact, as the descents of that seed have it."""
    return ArtefactJob(structure, COPIES, seed, artefact, size).target()


def middling_targets(structure: str, seed: int = 0) -> dict[ArtefactName, Pattern]:
    """Return the targets of a crystal, of maximum 1: without an artefact (`NONE`), and with each at a middling size."""
    two_theta_deg = Simulator(load_structure(structure)).two_theta_deg.numpy()
    sizes: dict[ArtefactName, float] = {NONE: 0.0, **{n: a.middling for n, a in ARTEFACTS.items() if n != FAMILY}}
    found = {}
    for name, size in sizes.items():
        target = artefact_target(structure, name, size, seed)
        found[name] = Pattern(two_theta_deg, (target / target.max()).numpy())
    return found


def descents_from_reference(
    artefact: ArtefactName,
    size: float,
    first_blurs_deg: Sequence[float],
    seed: int = 0,
    structures: Sequence[str] = REFERENCE_NAMES,
) -> pd.DataFrame:
    """Return the ends of graduated descents that start at the reference structure, cells free, towards a target with an
    artefact.

    Args:
        artefact, size: of the target.
        first_blurs_deg: widths of the first blur; 0 for no blur at all.
        seed: of counting noise.
        structures: names or paths.

    Returns:
        DataFrame: structure, first_blur_deg, tight (match with the reference), off (largest relative change of a
        length).
    """
    rows = []
    for structure in structures:
        reference, job = load_structure(structure), ArtefactJob(structure, 1, seed, artefact, size)
        for width in first_blurs_deg:
            narrowing = replace(NARROWING, widest_deg=width) if width else replace(NARROWING, stages=0)
            _, (refined,) = replace(job, narrowing=narrowing).descend([reference], None)
            off = np.abs(np.divide(refined.lattice.abc, reference.lattice.abc) - 1).max()
            rows.append((structure, width, tight_match(reference, refined), off))
    return pd.DataFrame(rows, columns=["structure", "first_blur_deg", "tight", "off"])


def background_ratios(share: float, structures: Sequence[str] = REFERENCE_NAMES) -> Values:
    """Return the intensity under a background over that under the peaks, crystal by crystal [n].

    Args:
        share: maximum of the background over that of the pattern.
        structures: names or paths.
    """
    ratios = []
    for name in structures:
        pattern = simulate(load_structure(name), PAPER_INSTRUMENT)
        shape = background(torch.from_numpy(pattern.two_theta_deg)).numpy()
        ratios.append(share * pattern.intensity.max() * shape.sum() / pattern.intensity.sum())
    return np.array(ratios)


def background_left(share: float, counts: float, seed: int = 0, structures: Sequence[str] = REFERENCE_NAMES) -> Values:
    """Return the largest difference between a background and its estimate, over the background's maximum, crystal by
    crystal [n].

    The estimate is that which `xrdscape snap` subtracts.

    Args:
        share: maximum of the background over that of the pattern.
        counts: at the pattern's maximum, of counting noise.
        seed: of that noise.
        structures: names or paths.
    """
    estimates = [_estimated(load_structure(name), share, counts, seed) for name in structures]
    return np.array([np.abs(under - estimate).max() / under.max() for _, under, estimate in estimates])


def kept_after_subtraction(
    share: float, counts: float, seed: int = 0, structures: Sequence[str] = REFERENCE_NAMES
) -> list[bool]:
    """Return whether graduated descents that start at each reference structure, cells free, end in a tight match with
    it.

    The target is a counted pattern less its background as `xrdscape snap` estimates it.

    Args:
        share, counts, seed, structures: as for `background_left`.
    """
    return [_kept(load_structure(name), share, counts, seed) for name in structures]


def _kept(reference: Structure, share: float, counts: float, seed: int) -> bool:
    noisy, _, estimate = _estimated(reference, share, counts, seed)
    problem = problem_of(reference, target=torch.from_numpy(noisy - estimate))
    lattice, sites = to_tensors([reference], dtype=DTYPE)
    result = graduated(problem, lattice, sites, narrowing=NARROWING, dtype=DTYPE)
    refined = structures_from_tensors(reference, result.lattice, result.frac_coords)[0]
    return tight_match(reference, refined)


def _estimated(reference: Structure, share: float, counts: float, seed: int) -> tuple[Values, Values, Values]:
    """Return the counted intensities on a background, that background, and the estimate of it, [n] each."""
    pattern, rng = simulate(reference, PAPER_INSTRUMENT), np.random.default_rng(seed)
    angles = pattern.two_theta_deg
    under = share * pattern.intensity.max() * background(torch.from_numpy(angles)).numpy()
    together = pattern.intensity + under
    noisy = counted(torch.from_numpy(together), counts, rng).numpy() * together.max() / counts
    return noisy, under, estimated_background(angles, noisy)


def counting_likeness(
    counts: float, width_deg: float, seed: int = 0, structures: Sequence[str] = REFERENCE_NAMES
) -> pd.DataFrame:
    """Return the cosine similarity of counted patterns to the exact ones, as they are and blurred.

    Args:
        counts: at the pattern's maximum.
        width_deg: of the blur.
        seed: of the noise.
        structures: names or paths.

    Returns:
        DataFrame: structure, plain, blurred.
    """
    rows = []
    for name in structures:
        exact, noisy = artefact_target(name, NONE, 0.0, seed), artefact_target(name, "counts", counts, seed)
        half = half_width(width_deg, Simulator(load_structure(name)).instrument.step_deg)
        plain = float(cosine_similarity(noisy[None], exact))
        rows.append((name, plain, float(cosine_similarity(blurred(noisy, half)[None], blurred(exact, half)))))
    return pd.DataFrame(rows, columns=["structure", "plain", "blurred"])


def total_counts(counts: float, structures: Sequence[str] = REFERENCE_NAMES) -> Values:
    """Return the expected counts of a whole pattern with so many at its maximum, crystal by crystal [n]."""
    patterns = (simulate(load_structure(name), PAPER_INSTRUMENT).intensity for name in structures)
    return np.array([counts * pattern.sum() / pattern.max() for pattern in patterns])
