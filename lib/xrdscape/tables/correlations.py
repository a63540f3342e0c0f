"""Tables of the statistics of geometric distance and dissimilarity: ours beside what the paper printed."""

import pandas as pd

from xrdscape.evaluation.estimates import Statistic
from xrdscape.study.columns import SETTING
from xrdscape.study.published import published_values
from xrdscape.study.records import PUBLISHED_METHODS
from xrdscape.tables.words import LABELS, estimate_text, number_text, setting_text, settings_in_order


def correlation_table(correlations: pd.DataFrame, statistic: Statistic) -> pd.DataFrame:
    """Return the values of a statistic at every setting, ours with its interval above what the paper printed (Tables 1,
    S1, S2).

    Args:
        correlations: as `statistics.correlations` gives them.
        statistic: which one.

    Returns:
        Two rows a setting; columns Noise (with its level, or "published"), then the methods. Signs are as printed.

    Raises:
        RecordError: for an unknown statistic.
    """
    printed = published_values(statistic)
    ours = correlations[correlations["statistic"] == statistic]
    methods = [m for m in PUBLISHED_METHODS if m in set(ours["method"])]
    cells = ours.set_index(SETTING)
    estimates = cells[["value", "low", "high"]].to_numpy()
    texts = {key: estimate_text(*e) for key, e in zip(cells.index, estimates, strict=True)}
    counts = cells["n"].unstack("method").max(axis=1)
    rows = []
    for noise, level in settings_in_order(counts.index):
        here = [texts.get((noise, level, m), "–") for m in methods]
        paper = [number_text(printed.get((noise, level, m), float("nan"))) for m in methods]
        head = f"{setting_text(noise, level)}, n\u00a0=\u00a0{counts[noise, level]:.0f}"
        rows += [[head, *here], ["published", *paper]]
    return pd.DataFrame(rows, columns=["Noise", *(LABELS[m] for m in methods)])
