"""Effects of the noise models on cells, atoms and patterns: the numbers behind the chapter on noise."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd
import torch

from xrdscape.crystal.distortion import Noise
from xrdscape.crystal.structures import load_structure
from xrdscape.diffraction.instrument import PAPER_INSTRUMENT
from xrdscape.optimisation.objectives import OBJECTIVES
from xrdscape.patterns.pattern import Pattern
from xrdscape.patterns.simulated import simulate
from xrdscape.study.starts import start


def lattice_draws(name: str, levels: Sequence[float], copies: int, seed: int = 0) -> pd.DataFrame:
    """Return the changes of a cell by lattice noise, one starting model after the other.

    Returns:
        DataFrame, one row a starting model: level, copy, length_change_percent and angle_change_deg (of the parameter
        that changed most), volume_change_percent.
    """
    reference = load_structure(name)
    rows = []
    for level, copy in product(levels, range(copies)):
        drawn = start(name, "lattice", level, copy, seed, reference).lattice
        lengths = 100 * (np.array(drawn.abc) / reference.lattice.abc - 1)
        angles = np.array(drawn.angles) - reference.lattice.angles
        rows.append(
            {
                "level": level,
                "copy": copy,
                "length_change_percent": np.abs(lengths).max(),
                "angle_change_deg": np.abs(angles).max(),
                "volume_change_percent": 100 * (drawn.volume / reference.volume - 1),
            }
        )
    return pd.DataFrame(rows)


def coordinate_draws(name: str, levels: Sequence[float], copies: int, seed: int = 0) -> pd.DataFrame:
    """Return the displacements of the atoms by coordinate noise, one starting model after the other.

    Returns:
        DataFrame, one row a starting model: level, copy, displacement_angstrom (root mean square over the atoms) and
        shortest_angstrom (the shortest distance between two atoms).
    """
    reference = load_structure(name)
    rows = []
    for level, copy in product(levels, range(copies)):
        drawn = start(name, "coordinates", level, copy, seed, reference)
        moved = drawn.frac_coords - reference.frac_coords
        moved = (moved - np.round(moved)) @ reference.lattice.matrix
        distances = drawn.distance_matrix[np.triu_indices(len(drawn), 1)]
        rows.append(
            {
                "level": level,
                "copy": copy,
                "displacement_angstrom": np.sqrt((moved**2).sum(1).mean()),
                "shortest_angstrom": distances.min(),
            }
        )
    return pd.DataFrame(rows)


def patterns_by_level(
    name: str, noise: Noise, levels: Sequence[float], copy: int = 0, seed: int = 0
) -> list[tuple[float, Pattern, float]]:
    """Return one realisation at each noise level: level, pattern, cosine similarity to the reference's pattern."""
    reference = load_structure(name)
    target = torch.from_numpy(simulate(reference, PAPER_INSTRUMENT).intensity)
    patterns = [simulate(start(name, noise, level, copy, seed, reference), PAPER_INSTRUMENT) for level in levels]
    cosine = OBJECTIVES["cosine"].similarity
    alike = [float(cosine(torch.from_numpy(p.intensity)[None], target)) for p in patterns]
    return list(zip(levels, patterns, alike, strict=True))


def shortest_distance(name: str) -> float:
    """Return the shortest distance between two atoms of a structure, angstrom."""
    distances = load_structure(name).distance_matrix
    return float(distances[np.triu_indices(len(distances), 1)].min())


def medians_by_level(draws: pd.DataFrame) -> pd.DataFrame:
    """Return the medians of `coordinate_draws` or `lattice_draws`, indexed by level."""
    return draws.groupby("level").median()


def start_table(name: str, noise: Noise, level: float, copies: Sequence[int], seed: int = 0) -> pd.DataFrame:
    """Return the cells of some starting models: copy and the six lattice parameters."""
    cells = [start(name, noise, level, copy, seed).lattice.parameters for copy in copies]
    frame = pd.DataFrame(cells, columns=["a", "b", "c", "alpha", "beta", "gamma"])
    frame.insert(0, "copy", list(copies))
    return frame
