"""The bound below which a pattern counts as explained: what right crystals leave of it, and wrong ones hardly ever."""

import math

from xrdscape.solution.measurement import Measurement

EXPLAINED_THICK, EXPLAINED_THIN = 6e-4, 2.5e-4
"""Unexplained share of PXRDnet's patterns, of thick crystallites and of those of 20 angstrom, below which they count as
explained; between them by the logarithm of the thickness."""
THICK_ANGSTROM, THIN_ANGSTROM = 200.0, 20.0
EXPLAINED_MEASURED = 0.01
"""Unexplained share of other patterns, whose textures, backgrounds and shapes no model here has."""


def explained_below(data: Measurement) -> float:
    """Return the unexplained share of a pattern below which a crystal explains it."""
    if data.pooled == 1:
        return EXPLAINED_MEASURED
    thickness = min(max(data.thickness_angstrom, THIN_ANGSTROM), THICK_ANGSTROM)
    part = math.log(thickness / THIN_ANGSTROM) / math.log(THICK_ANGSTROM / THIN_ANGSTROM)
    return EXPLAINED_THIN * (EXPLAINED_THICK / EXPLAINED_THIN) ** part
