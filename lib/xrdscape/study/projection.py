"""Starting models projected onto the reference's crystal family: what projection alone is worth beside descent."""

import numpy as np
import pandas as pd
import torch

from xrdscape.crystal.families import detect_family, project
from xrdscape.crystal.structures import from_tensors, load_structure
from xrdscape.evaluation.estimates import paired_difference
from xrdscape.evaluation.matching import meets
from xrdscape.study.columns import lattice, match

START = ["structure", "level", "copy"]
"""Columns that name a starting model under lattice noise."""


def projected_starts(records: pd.DataFrame, least_level: float) -> pd.DataFrame:
    """Return the starting models under lattice noise, projected onto the reference's crystal family and not descended.

    Args:
        records: of descents.
        least_level: of the noise.

    Returns:
        DataFrame structure, level, copy, conventional, tight: whether the projected model matches.
    """
    strong = (records["noise"] == "lattice") & (records["level"] >= least_level)
    starts = records[strong].drop_duplicates(START)
    rows = []
    for name, group in starts.groupby("structure"):
        reference = load_structure(str(name))
        cells = torch.tensor(np.stack(list(group[lattice("start")])), dtype=torch.float64)
        coords = torch.tensor(reference.frac_coords, dtype=torch.float64)
        projected = project(cells, detect_family(reference))
        for level, copy, cell in zip(group["level"], group["copy"], projected, strict=True):
            model = from_tensors(reference, cell, coords)
            rows.append((name, level, copy, meets("conventional", reference, model), meets("tight", reference, model)))
    return pd.DataFrame(rows, columns=[*START, "conventional", "tight"])


def projection_gains(records: pd.DataFrame, projected: pd.DataFrame) -> pd.DataFrame:
    """Return the matches of starting models, of projected ones and of constrained descents, by level of lattice noise.

    Args:
        records: of descents.
        projected: `projected_starts` of them.

    Returns:
        DataFrame: level, trials; matches started, projected, descended (conventional), projected_tight,
        descended_tight; gain by descent over projection (conventional, share), with low and high (95 %, over the same
        starting models).
    """
    bound = records[(records["noise"] == "lattice") & (records["method"] == "cosine_constrained")]
    rows = []
    for level, group in bound.merge(projected, on=START).groupby("level"):
        flags = {
            "started": match("conventional", "start"),
            "projected": "conventional",
            "descended": match("conventional", "end"),
            "projected_tight": "tight",
            "descended_tight": match("tight", "end"),
        }
        before, after = (group[flags[name]].to_numpy(dtype=bool) for name in ("projected", "descended"))
        gain = paired_difference(before, after)
        counts = {name: int(group[column].sum()) for name, column in flags.items()}
        rows.append(
            {"level": level, "trials": len(group), **counts, "gain": gain.value, "low": gain.low, "high": gain.high}
        )
    names = ["started", "projected", "descended", "projected_tight", "descended_tight"]
    return pd.DataFrame(rows, columns=["level", "trials", *names, "gain", "low", "high"])
