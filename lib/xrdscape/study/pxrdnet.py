"""The numbers that PXRDnet's paper prints, and what is public on others, read from data/published."""

from typing import Literal

import pandas as pd

from xrdscape.paths import PUBLISHED, from_checkout

PxrdnetTable = Literal["pxrdnet_table1", "pxrdnet_table2", "solution_peers"]


def pxrdnet_table(name: PxrdnetTable) -> pd.DataFrame:
    """Return a published table.

    Args:
        name: "pxrdnet_table1" (R_wp^2 by source, its refinement with it), "pxrdnet_table2" (the same by crystal
            system), or "solution_peers" (other methods: what each is given and what it reaches).

    Raises:
        XrdscapeError: the repository's data are not there.
    """
    return pd.read_csv(from_checkout(PUBLISHED / f"{name}.csv"))


def published_residual(method: str, size_angstrom: float) -> tuple[float, float]:
    """Return PXRDnet's mean R_wp^2 on MP-20 and its standard deviation, by method and size."""
    table = pxrdnet_table("pxrdnet_table1")
    row = table[(table["method"] == method) & (table["size_angstrom"] == size_angstrom)].iloc[0]
    return float(row["mean"]), float(row["sd"])
