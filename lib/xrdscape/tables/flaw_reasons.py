"""Why a flaw of the pattern does harm: what is said about it in words, from records and from cheap computations."""

from collections.abc import Sequence
from typing import cast

import numpy as np
import pandas as pd
import torch

from xrdscape.crystal.families import detect_family, project
from xrdscape.crystal.structures import load_structure, structures_from_tensors, to_tensors
from xrdscape.diffraction.artefacts import NONE, background, counted
from xrdscape.diffraction.pattern import Simulator, simulate
from xrdscape.evaluation.matching import tight_match
from xrdscape.optimisation.blur import blurred, half_width
from xrdscape.optimisation.graduated import graduated
from xrdscape.optimisation.objectives import cosine_similarity
from xrdscape.paths import REFERENCE_NAMES
from xrdscape.patterns.background import background as estimated_background
from xrdscape.patterns.measured import Values
from xrdscape.study.artefacts import flawed_target
from xrdscape.study.jobs.artefact import DTYPE, NARROWING
from xrdscape.study.problems import problem_of
from xrdscape.tables.flaws import told_size


def background_text(share: float) -> str:
    """How the intensity under a background of some maximum compares with that under the peaks, over the ten crystals.

    Args:
        share: maximum of the background over that of the pattern.
    """
    ratios = []
    for name in REFERENCE_NAMES:
        pattern = simulate(load_structure(name))
        shape = background(torch.from_numpy(pattern.two_theta_deg)).numpy()
        ratios.append(share * pattern.intensity.max() * shape.sum() / pattern.intensity.sum())
    return f"{np.median(ratios):.1f} times ({min(ratios):.1f} to {max(ratios):.1f} by crystal)"


def left_text(share: float, counts: float, seed: int = 0) -> str:
    """What the estimate that `xrdscape snap` subtracts leaves of a background, over the ten crystals: the largest
    difference, over the background's maximum.

    Args:
        share: maximum of the background over that of the pattern.
        counts: at the pattern's maximum, of counting noise.
        seed: of that noise.
    """
    left = []
    for name in REFERENCE_NAMES:
        _, under, estimate = _estimated(name, share, counts, seed)
        left.append(np.abs(under - estimate).max() / under.max())
    return f"{100 * np.median(left):.0f} % of its maximum ({100 * min(left):.0f} to {100 * max(left):.0f} % by crystal)"


def kept_text(share: float, counts: float, seed: int = 0, structures: Sequence[str] = REFERENCE_NAMES) -> str:
    """How many graduated descents that start at the truth, cells free, end in a tight match with it when the background
    as `xrdscape snap` estimates it has been subtracted.

    Args:
        share, counts, seed: as for `left_text`.
        structures: names or paths.
    """
    kept = 0
    for name in structures:
        noisy, _, estimate = _estimated(name, share, counts, seed)
        reference, target = load_structure(name), torch.from_numpy(noisy - estimate)
        lattice, sites = to_tensors([reference], dtype=DTYPE)
        result = graduated(problem_of(reference, target=target), lattice, sites, narrowing=NARROWING, dtype=DTYPE)
        refined = structures_from_tensors(reference, result.lattice, result.frac_coords)[0]
        kept += tight_match(reference, refined)
    return f"{kept} of {len(structures)}"


def _estimated(name: str, share: float, counts: float, seed: int) -> tuple[Values, Values, Values]:
    """A crystal's counted intensities on a background, that background, and the estimate of it, [n] each."""
    pattern, rng = simulate(load_structure(name)), np.random.default_rng(seed)
    angles = pattern.two_theta_deg
    under = share * pattern.intensity.max() * background(torch.from_numpy(angles)).numpy()
    together = pattern.intensity + under
    noisy = counted(torch.from_numpy(together), counts, rng).numpy() * together.max() / counts
    return noisy, under, estimated_background(angles, noisy)


def from_reference_table(found: pd.DataFrame) -> pd.DataFrame:
    """Whether descents that start at the truth stay there, by the width of the first blur.

    Args:
        found: as `study.flaws.from_truth` gives it.
    """
    rows = [
        (f"{cast(float, width):g}°" if width else "none", f"{group['tight'].sum()} of {len(group)}",
         f"{100 * group['off'].median():.2g}", f"{100 * group['off'].max():.2g}")
        for width, group in found.groupby("first_blur_deg", sort=False)
    ]  # fmt: skip
    return pd.DataFrame(
        rows, columns=["First blur", "Stay a tight match", "Change of a length: median (%)", "Largest (%)"]
    )


def likeness_text(counts: float, width_deg: float, seed: int = 0) -> str:
    """How like a counted pattern is to the exact one, as it is and blurred: median cosine over the ten crystals.

    Args:
        counts: at the pattern's maximum.
        width_deg: of the blur.
        seed: of the noise.
    """
    plain, smooth = [], []
    for name in REFERENCE_NAMES:
        exact, noisy = flawed_target(name, NONE, 0.0, seed), flawed_target(name, "counts", counts, seed)
        half = half_width(width_deg, Simulator(load_structure(name)).instrument.step_deg)
        plain.append(float(cosine_similarity(noisy[None], exact)))
        smooth.append(float(cosine_similarity(blurred(noisy, half)[None], blurred(exact, half))))
    return f"{np.median(plain):.2f} as counted and {np.median(smooth):.4f} under a blur of {width_deg:g}°"


def total_counts_text(counts: float) -> str:
    """How many counts a whole pattern is expected to have with so many at its maximum, over the ten crystals."""
    totals = []
    for name in REFERENCE_NAMES:
        pattern = simulate(load_structure(name)).intensity
        totals.append(counts * pattern.sum() / pattern.max())
    return f"{min(totals):,.0f} to {max(totals):,.0f}"


def split_text(records: pd.DataFrame, factor: float) -> str:
    """How far the angles of free cells end from what the true family asks, with peaks so many times as wide and with
    right ones: medians of the largest departure."""
    told = []
    for name, size, words in (("width", factor, f"peaks {factor:g} times as wide"), (NONE, 0.0, "right ones")):
        rows = records[(records["flaw"] == name) & (records["flaw_size"] == size) & ~records["projected"].astype(bool)]
        off = [_departure_deg(row) for _, row in rows.iterrows()]
        told.append(f"{np.median(off):.2g}° with {words}" if off else f"not recorded with {words}")
    return ", ".join(told)


def lengths_text(records: pd.DataFrame, flaw: str, sizes: Sequence[float]) -> str:
    """How far the lengths of free cells end from the truth's: the median over cells of their mean change, and in
    brackets the largest change of one."""
    told = []
    for size in sizes:
        rows = records[(records["flaw"] == flaw) & (records["flaw_size"] == size) & ~records["projected"].astype(bool)]
        change = np.array([
            np.divide(row["end_lattice"][:3], load_structure(row["structure"]).lattice.abc) - 1
            for _, row in rows.iterrows()
        ])  # fmt: skip
        middle, most = 100 * np.median(change.mean(1)), 100 * np.abs(change).max()
        told.append(f"{middle:+.2g} % ({most:.2g} %) at {told_size(flaw, size)}".replace("-", "−"))
    return ", ".join(told)


def explained_text(records: pd.DataFrame, flaw: str, size: float) -> str:
    """How well the truth and the ends of free cells explain a flawed target: median cosine similarities."""
    rows = records[(records["flaw"] == flaw) & (records["flaw_size"] == size) & ~records["projected"].astype(bool)]
    return f"{-rows['truth_loss'].median():.2f} against {-rows['end_loss'].median():.2f}"


def _departure_deg(row: pd.Series) -> float:
    """Of the angles at the end from those of the family's nearest cell, the largest."""
    cell = torch.tensor(np.array(row["end_lattice"]), dtype=torch.float64)
    nearest = project(cell, detect_family(load_structure(row["structure"])))
    return float((cell - nearest)[3:].abs().max())
