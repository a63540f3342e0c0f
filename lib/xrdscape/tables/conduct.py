"""Tables and sentences about how the study was conducted: learning rates, processors, and records made again."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas as pd

from xrdscape.tables.words import LABELS, lattice_first, minus, rates_text, setting_text


def processors_text(counts: Counter[str]) -> str:
    """Return the numbers of records by the processor that made them, the most first.

    Args:
        counts: as `outcomes.processors` gives them.
    """
    return ", ".join(
        f"{count:,} on {name or 'the machine that built this page'}" for name, count in counts.most_common()
    )


def learning_rates(pilot: pd.DataFrame) -> pd.DataFrame:
    """Return the results of each learning rate of the pilot, and which one the study takes.

    Args:
        pilot: as `pilot.pilot_table` gives them.
    """
    table = lattice_first(pilot)
    return pd.DataFrame(
        {
            "Noise": table["noise"],
            "Method": table["method"].map(LABELS),
            "Learning rate": [rates_text(rate) for rate in table["learning_rate"]],
            "Taken": ["yes" if chosen else "" for chosen in table["chosen"]],
            "Own similarity": [minus(f"{value:.4f}") for value in table["similarity"]],
            "Matches (%)": (100 * table["conventional"]).round().astype(int),
            "Tight (%)": (100 * table["tight"]).round().astype(int),
            "Steps": table["steps"].round().astype(int),
        }
    )


def audit_table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return the records made again beside what they were.

    Args:
        rows: as `audit.audit` yields them.
    """
    return pd.DataFrame(
        {
            "Crystal": [row["structure"] for row in rows],
            "Noise": [setting_text(row["noise"], row["level"]) for row in rows],
            "Copy": [row["copy"] for row in rows],
            "Method": [LABELS[str(row["method"])] for row in rows],
            "Steps then": [row["steps"] for row in rows],
            "Steps now": [row["steps_again"] for row in rows],
            "Outcome": [f"{row['verdict']} {row['difference']}".strip() for row in rows],
        }
    )


def audit_text(rows: Sequence[dict[str, Any]]) -> str:
    """Return the number of records made again with each verdict.

    Args:
        rows: as `audit.audit` yields them.
    """
    verdicts = [row["verdict"] for row in rows]
    listed = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in dict.fromkeys(verdicts))
    return f"of {len(verdicts)}, {listed}"
