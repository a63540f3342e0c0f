"""The numbers that the paper prints, read from data/published for comparison."""

import pandas as pd

from xrdscape.errors import RecordError
from xrdscape.paths import PUBLISHED, from_checkout

TABLES = {
    "table1": "table1_mutual_information.csv",
    "table_s1": "table_s1_pearson.csv",
    "table_s2": "table_s2_spearman.csv",
    "values": "values_in_text.csv",
}


def published_table(name: str) -> pd.DataFrame:
    """One published table.

    Args:
        name: "table1" (mutual information), "table_s1" (Pearson), "table_s2" (Spearman), or "values" (single
            numbers from the text and captions).

    Returns:
        The three tables: noise ("lattice" or "coordinates"), level, objective (a key of OBJECTIVES),
        constrained (bool), value (nan where the paper leaves a blank). The single numbers: place, structure,
        quantity, case, value, quote.

    Raises:
        RecordError: no table of that name.
    """
    if name not in TABLES:
        raise RecordError(f"no published table {name!r}: choose one of {', '.join(TABLES)}.")
    return pd.read_csv(from_checkout(PUBLISHED / TABLES[name]))
