"""The numbers that the paper prints, read from data/published for comparison."""

from types import MappingProxyType
from typing import Literal

import pandas as pd

from xrdscape.crystal.distortion import Noise
from xrdscape.errors import RecordError
from xrdscape.evaluation.estimates import STATISTICS, Statistic
from xrdscape.paths import PUBLISHED, from_checkout
from xrdscape.study.records import PUBLISHED_METHODS

TableName = Literal["table1", "table_s1", "table_s2", "values"]
TABLES: MappingProxyType[TableName, str] = MappingProxyType(
    {
        "table1": "table1_mutual_information.csv",
        "table_s1": "table_s1_pearson.csv",
        "table_s2": "table_s2_spearman.csv",
        "values": "values_in_text.csv",
    }
)
"""Files by the name of the table."""

TABLE_OF: MappingProxyType[Statistic, TableName] = MappingProxyType(
    {"mutual_information": "table1", "pearson": "table_s1", "spearman": "table_s2"}
)
"""The paper's table of each statistic."""

Setting = tuple[Noise, float, str]
"""Noise, level and method."""


def published_table(name: TableName) -> pd.DataFrame:
    """Return a published table.

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


def published_values(statistic: Statistic) -> dict[Setting, float]:
    """Return the printed values of a statistic by noise, level and method; blanks are left out.

    Raises:
        RecordError: for an unknown statistic.
    """
    if statistic not in TABLE_OF:
        raise RecordError(f"Unknown statistic {statistic!r}. Use one of: {', '.join(STATISTICS)}.")
    names = {(m.objective, m.constrained): name for name, m in PUBLISHED_METHODS.items()}
    printed = published_table(TABLE_OF[statistic]).dropna(subset="value")
    return {
        (row["noise"], row["level"], names[row["objective"], row["constrained"]]): row["value"]
        for row in printed.to_dict("records")
    }
