"""Agreement of a fit with its pattern, in numbers and in words."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pymatgen.core import Structure
from scipy.ndimage import median_filter
from scipy.signal import find_peaks

from xrdscape.patterns.background import MOST_POINTS, noise_level
from xrdscape.refinement.fit import Fit
from xrdscape.refinement.prepared import Prepared

EXPLAINS, NEARLY = 0.99, 0.95
"""Cosine similarities from which a crystal explains a pattern, and most of it."""

FAIR_RWP = 0.15
"""Above this a cosine, which the strong peaks decide, tells too little."""

LARGEST_VOLUME_CHANGE = 0.3
# Ratios of volumes that speak for a multiple of the cell, or a fraction, and how close to them counts.
MULTIPLES, MULTIPLE_WITHIN = (2, 3, 4), 0.05
FEW_REFLECTIONS = 4
# A measured peak as strong as this, of the strongest, that the crystal gives less than this share of is not indexed.
UNINDEXED_HEIGHT, UNINDEXED_SHARE, MOST_UNINDEXED = 0.02, 0.2, 8
# A difference that is as high as this, of the highest peak, in the median over so many degrees is no peak.
HALO_HEIGHT, HALO_DEG = 0.02, 5.0


@dataclass(frozen=True)
class Residual:
    """Agreement of a fit with the measured pattern.

    Args:
        cosine: similarity of the peaks, background subtracted from both, 0 to 1.
        Rwp, Rp: weighted and plain profile residual, background included, 0 and up.
        Rwp_net: Rwp relative to the intensities above background.
    """

    cosine: float
    Rwp: float
    Rp: float
    Rwp_net: float


def residual(prepared: Prepared, fit: Fit) -> Residual:
    """Return the agreement of a fit with the measured pattern.

    Source: Young, The Rietveld Method (1993), table 1.3.
    """
    observed, weight = prepared.intensity, prepared.sigma**-2.0
    net = observed - fit.background
    rest = net - fit.peaks
    squares = float((weight * rest**2).sum())
    length = np.linalg.norm(net) * np.linalg.norm(fit.peaks)
    return Residual(
        cosine=float(net @ fit.peaks / length) if length > 0 else 0.0,
        Rwp=float(np.sqrt(squares / (weight * observed**2).sum())),
        Rp=float(np.abs(rest).sum() / np.abs(observed).sum()),
        Rwp_net=float(np.sqrt(squares / (weight * net**2).sum())),
    )


def unindexed_peaks(prepared: Prepared, fit: Fit) -> list[float]:
    """Return where the measured pattern has peaks that the crystal does not give, deg: the strongest, by angle."""
    net = prepared.intensity - fit.background
    least = max(UNINDEXED_HEIGHT * net.max(), 8 * noise_level(net))
    places, found = find_peaks(net, height=least, prominence=least)
    alone = fit.peaks[places] < UNINDEXED_SHARE * net[places]
    strongest = np.argsort(found["peak_heights"][alone])[::-1][:MOST_UNINDEXED]
    return sorted(float(angle) for angle in prepared.two_theta_deg[places[alone][strongest]])


def amorphous_halo(prepared: Prepared, fit: Fit) -> float | None:
    """Return where the measured pattern has a broad halo, or a broad dip, that the fit does not follow, deg: the
    largest; None if there is none."""
    net = prepared.intensity - fit.background
    together = max(1, len(net) // MOST_POINTS)
    whole = len(net) // together * together
    rest = (net - fit.peaks)[:whole].reshape(-1, together).mean(1)
    span = min(len(rest), max(1, round(HALO_DEG / (together * prepared.instrument.step_deg))))
    broad = np.abs(median_filter(rest, span))
    place = int(broad.argmax())
    return float(prepared.two_theta_deg[place * together]) if broad[place] > HALO_HEIGHT * net.max() else None


def verdict(after: Residual) -> str:
    """Return one sentence on the outcome, and what to do about a poor one."""
    numbers = f"cosine {after.cosine:.4f}, Rwp {after.Rwp:.1%}"
    if after.cosine >= EXPLAINS:
        doubt = (
            " Its Rwp is large for that: look at weak peaks, peak shape and weights." if after.Rwp > FAIR_RWP else ""
        )
        advice = "Another crystal may do so too; judge the structure as a whole."
        return f"The crystal explains the pattern ({numbers}).{doubt} {advice}"
    if after.cosine >= NEARLY:
        return (
            f"The crystal explains most of the pattern ({numbers}). The peaks fall where they should; look at the "
            "difference curve for what remains: coordinates, preferred orientation, another phase, the peak shape."
        )
    return (
        f"The crystal does not explain the pattern ({numbers}). Try more restarts, another first blur, another crystal "
        "family or none, a zero shift, a range without artefacts, and check wavelength and composition."
    )


def warnings_of(
    start: Structure,
    refined: Structure,
    reflections: int,
    unindexed: Sequence[float] = (),
    halo_deg: float | None = None,
) -> list[str]:
    """Return what should make one look twice, a sentence each.

    Args:
        start, refined: the starting and the refined model.
        reflections: of the refined model inside the range, those at one angle counted once.
        unindexed: angles of `unindexed_peaks`.
        halo_deg: of `amorphous_halo`.
    """
    found, ratio = [], refined.volume / start.volume
    if abs(ratio - 1) > LARGEST_VOLUME_CHANGE:
        found.append(f"The volume changed by {ratio - 1:+.0%}: more than a starting model should be off.")
    for multiple in MULTIPLES:
        for target, words in ((multiple, f"{multiple} times"), (1 / multiple, f"1/{multiple} of")):
            if abs(ratio / target - 1) < MULTIPLE_WITHIN:
                found.append(
                    f"The volume is {words} that of the start: the descent went to a multiple or a part of the cell."
                )
    if reflections < FEW_REFLECTIONS:
        found.append(f"Only {reflections} reflections fall inside the range: they hardly determine a cell.")
    if unindexed:
        places = ", ".join(f"{angle:.2f}" for angle in unindexed)
        found.append(f"Unindexed peaks, which the crystal does not give, of another phase perhaps: {places}°.")
    if halo_deg is not None:
        found.append(
            f"Pattern and fit differ broadly around {halo_deg:.0f}°, as by an amorphous halo: look whether the "
            "background is gone; a descent bears little of it."
        )
    return found
