"""Records that no descent has made: the shape of real ones, with values chosen so that tests know the answers."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from pymatgen.core import Structure

from xrdscape.crystal.structures import load_structure
from xrdscape.evaluation.estimates import STATISTICS
from xrdscape.landscape.slices import Slice
from xrdscape.study import columns
from xrdscape.study.jobs import DescentJob
from xrdscape.study.records import PUBLISHED_METHODS, geometry
from xrdscape.study.starts import start

STRUCTURES = ("U2Ti", "BPO4")
LEVELS = {"lattice": (0.05, 0.1), "coordinates": (0.05, 0.1)}
COPIES = 3
TINY_JOB = DescentJob(
    structure="U2Ti",
    noise="lattice",
    method="cosine",
    levels=(0.05,),
    copies=2,
    seed=0,
    max_steps=3,
    check_every=1000,
    tolerance=1e-4,
    learning_rate=1e-2,
)
"""A descent of an instant."""


def made_up_records() -> pd.DataFrame:
    """Two structures, two levels a noise, three copies, every method.

    At level 0.05 all match at start and end. At 0.1 no start matches; constrained ends all do, free ends never.
    The copy's number orders the results: copy 2 has the highest similarity and the smallest distance.
    """
    rows = []
    for name in STRUCTURES:
        reference = load_structure(name)
        for kind, levels in LEVELS.items():
            for level in levels:
                for copy in range(COPIES):
                    begin = geometry(start(name, kind, level, copy, structure=reference), "start")
                    for method in PUBLISHED_METHODS:
                        if kind == "lattice" or not PUBLISHED_METHODS[method].constrained:
                            key = {"structure": name, "noise": kind, "level": level, "copy": copy, "method": method}
                            rows.append({**key, **begin, **_outcome(reference, level, copy, method)})
    return pd.DataFrame(rows)


def _outcome(reference: Structure, level: float, copy: int, method: str) -> dict[str, Any]:
    easy = level < 0.1
    found = easy or PUBLISHED_METHODS[method].constrained
    similarities = {f"{kind}_{which}": base + 0.1 * copy for which, base in (("start", 0.2), ("end", 0.6))
                    for kind in ("cosine", "entropy", "cross_correlation")}  # fmt: skip
    return {
        **geometry(reference, "end"),
        **similarities,
        "mse_start": -0.05,
        "mse_end": -0.01 * (3 - copy),
        "emd_start": 0.9,
        "emd_end": 0.5 - 0.1 * copy,
        **{f"match_{criterion}_start": easy for criterion in ("conventional", "pymatgen", "tight")},
        "match_conventional_end": found,
        "match_pymatgen_end": found,
        "match_tight_end": False,
        "seed": 7,
        "steps": 100 * (copy + 1),
        "stop_reason": "converged" if copy == 0 else "out of steps",
        "seconds": 2.0,
    }


def made_up_relaxations() -> pd.DataFrame:
    """One relaxed copy of each start: all match but under coordinate noise 0.1."""
    records = made_up_records()
    records = records[(records["copy"] == 0) & (records["method"] == "cosine")].assign(method="chgnet")
    hard = (records["noise"] == "coordinates") & (records["level"] == 0.1)
    records["match_conventional_end"] = ~hard
    return records.assign(converged=~hard, energy_start=-5.0, energy_end=-5.25).drop(columns="stop_reason")


def made_up_correlations(low: float = 0.1, free: float = 0.2, bound: float = 0.9) -> pd.DataFrame:
    """Every published setting; `free` and `bound` are the values without and with constraints."""
    return pd.DataFrame(
        [
            (noise, level, method, statistic, bound if PUBLISHED_METHODS[method].constrained else free, low, 1.0, 20)
            for noise, levels in (("lattice", (0.05, 0.1)), ("coordinates", (0.01, 0.05, 0.1)))
            for level in levels
            for method in PUBLISHED_METHODS
            if noise == "lattice" or not PUBLISHED_METHODS[method].constrained
            for statistic in STATISTICS
        ],
        columns=["noise", "level", "method", "statistic", "value", "low", "high", "n"],
    )


def made_up_slice(function: Callable[[np.ndarray, np.ndarray], np.ndarray], n: int = 41) -> Slice:
    """A function of x and y from -1 to 1, the truth in the middle."""
    axis = np.linspace(-1, 1, n)
    return Slice("X", "a", "c", axis, axis, function(*np.meshgrid(axis, axis)), (0.0, 0.0), "loss")


def made_up_searches() -> pd.DataFrame:
    """Starts of two crystals under both noises, four copies at two levels, two methods of the paper and two searches.

    A search explains the pattern and matches tightly at the lower level and for copy 0 of the higher; there, copy 1 of
    "restarts" and "adam_restarts" explains it without being the reference structure. Cosine finds copy 3 alone, at
    every level. A search takes 0.5 s at the lower level and 1.5 s at the higher, everything else 20 s.
    """
    rows = []
    for kind, searches in (("lattice", ("graduated", "restarts")), ("coordinates", ("adam", "adam_restarts"))):
        for name, level, copy, method in product(STRUCTURES, LEVELS[kind], range(4), ("cosine", "chgnet", *searches)):
            easy, searched = level < 0.1, method in searches
            tight = (easy or copy == 0) if searched else method == "cosine" and copy == 3
            enough = tight or (copy == 1 and method.endswith("restarts"))
            rows.append(
                {
                    **{"structure": name, "noise": kind, "level": level, "copy": copy, "method": method, "seed": 0},
                    **{"match_tight_start": False, "match_tight_end": tight},
                    "stop_reason": ("enough" if enough else "out of tries") if searched else "converged",
                    "seconds": (0.5 if easy else 1.5) if searched else 20.0,
                }
            )
    return pd.DataFrame(rows)


def whole(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with every column that records need; those that were missing hold nothing of interest."""
    neutral = {"text": "", "number": 0.0, "whole number": 0, "flag": False, "numbers": [0.0] * 6}
    missing = {name: [neutral[kind]] * len(rows) for name, kind in columns.REQUIRED.items() if name not in rows.columns}
    return pd.concat([rows.reset_index(drop=True), pd.DataFrame(missing)], axis=1)
