"""Sentences about the noise models."""

import pandas as pd


def coordinate_noise_text(medians: pd.DataFrame) -> str:
    """Return the displacements of the median draw at the smallest and at the largest level of coordinate noise.

    Args:
        medians: as `noise_effects.medians_by_level` gives them for coordinate noise.
    """
    low, high = medians.index.min(), medians.index.max()
    return (
        f"The median draw displaces atoms by {medians['displacement_angstrom'][low]:.2g} Å at level {low:g} and by "
        f"{medians['displacement_angstrom'][high]:.2g} Å at level {high:g}, where its closest two atoms are "
        f"{medians['shortest_angstrom'][high]:.2g} Å apart."
    )
