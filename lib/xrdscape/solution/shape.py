"""The shape of a pattern's peaks, fitted where it is not known: size, smoothing, and B_iso."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.optimize import minimize

from xrdscape.diffraction.kernels.mesh_kernel import TWO_PI, Moves, spread, unique_reflections
from xrdscape.solution.measurement import SHARPEST_INV_ANGSTROM, Measurement, Unknown
from xrdscape.solution.prototypes import Fit, Search

THINNEST_ANGSTROM, THICKEST_ANGSTROM = 5.0, 2000.0
"""Thicknesses of crystallites; beyond the last, the shape is that of the Gaussian alone."""
WIDEST_INV_ANGSTROM = 0.3
LARGEST_B_ISO = 4.0
TOLERANCE, EVALUATIONS = 5e-3, 60


def pattern_of(search: Search, fit: Fit, stage: int = -1) -> np.ndarray:
    """Return a fit's pattern at the points of a stage, before scaling [n]."""
    target, cell = search.evidence.stages[stage], fit.cell
    reciprocal = TWO_PI * np.linalg.inv(cell.lattice).T
    end = search.beam.q_end + 4 * search.beam.taper
    hkl, multiplicity = unique_reflections(reciprocal, cell.rotations, cell.translations, end, 6000)
    still = Moves(np.zeros((0, 3, 3)), np.zeros((0, len(cell.frac), 3)))
    out = np.empty((target.kernel.shape[1], 1))
    spread(hkl, multiplicity, reciprocal, cell, still, search.beam, target.first_node, target.step, out)
    return target.kernel @ out[:, 0]


def unexplained(search: Search, fit: Fit) -> float:
    """Return the share of the pattern's squares that a fit leaves at the best scale."""
    values, model = search.evidence.stages[-1].values, pattern_of(search, fit)
    own = float(model @ model)
    return 1 - float(model @ values) ** 2 / own / float(values @ values) if own > 0 else 1.0


def shaped(known: Measurement, search: Search, fits: Sequence[Fit]) -> Measurement:
    """Return a measurement whose unknown parameters of shape are those under which some fits explain it best.

    Args:
        known: the measurement.
        search: that the fits belong to.
        fits: the best of these under each shape counts.
    """
    if not known.unknown or not fits:
        return known

    def left(values: np.ndarray) -> float:
        trial = replace(search, evidence=_with(known, values).evidence((0.0,), tabulated=True))
        trial = replace(trial, beam=trial.evidence.beam(trial.elements))
        return min(unexplained(trial, fit) for fit in fits)

    start = np.array([_START[name](known) for name in known.unknown])
    low, high = (np.array([_BOUNDS[name][end] for name in known.unknown]) for end in (0, 1))
    start = np.clip(start, low, high)
    options = {"xatol": TOLERANCE, "fatol": 1e-6, "maxfev": EVALUATIONS, "initial_simplex": _simplex(start)}
    found = minimize(lambda x: left(np.clip(x, low, high)), start, method="Nelder-Mead", options=options)
    return _with(known, np.clip(found.x, low, high))


_START = {
    "thickness": lambda known: math.log(min(known.thickness_angstrom, 150.0)),
    "sigma": lambda known: math.log(known.sigma_inv_angstrom),
    "b_iso": lambda known: known.b_iso,
}
_BOUNDS: dict[Unknown, tuple[float, float]] = {
    "thickness": (math.log(THINNEST_ANGSTROM), math.log(THICKEST_ANGSTROM)),
    "sigma": (math.log(SHARPEST_INV_ANGSTROM / 2), math.log(WIDEST_INV_ANGSTROM)),
    "b_iso": (0.0, LARGEST_B_ISO),
}


def _simplex(start: np.ndarray) -> np.ndarray:
    return np.vstack([start, start + 0.3 * np.eye(len(start))])


def _with(known: Measurement, values: np.ndarray) -> Measurement:
    """Return a measurement with these values of its unknown parameters: logarithms but for b_iso."""
    given = dict(zip(known.unknown, values, strict=True))
    return replace(
        known,
        thickness_angstrom=math.exp(given["thickness"]) if "thickness" in given else known.thickness_angstrom,
        sigma_inv_angstrom=math.exp(given["sigma"]) if "sigma" in given else known.sigma_inv_angstrom,
        b_iso=float(given.get("b_iso", known.b_iso)),
    )
