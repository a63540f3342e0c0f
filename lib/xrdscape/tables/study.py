"""Tables about how the study was made: learning rates, open choices, and records made again."""

from collections import Counter
from collections.abc import Mapping

import pandas as pd

from xrdscape.study.audit import audit
from xrdscape.study.pilot import pilot_table
from xrdscape.study.records import made_of
from xrdscape.study.sensitivity import sensitivity_table
from xrdscape.study.store import Store
from xrdscape.tables.results import LABELS, lattice_first, rates_text

CHOICES = {
    "unclamped": "No limit on large moves",
    "mse_100": "Patterns scaled to 100",
    "shift_100": "Shifts of at most 1°",
    "slower": "Smaller learning rate",
    "tapered": "No sharp edge at 90°",
    "k_alpha": "Wavelength 1.5418 Å",
}
"""Plans that vary one choice of the study, and what they vary."""


def machines_text(records: pd.DataFrame, store: Store) -> str:
    """How many records were made on which processor, the most first.

    Args:
        records: rows, in or outside the store.
        store: that knows what made those it holds; the others were made here.
    """
    made = store.provenance()
    counts = Counter(
        made_of(made[shard], copy)["machine"]["processor"] if shard in made else "the machine that built this page"
        for shard, copy in zip(records["shard"], records["copy"], strict=True)
    )
    return ", ".join(f"{count:,} on {name}" for name, count in counts.most_common())


def learning_rates(records: pd.DataFrame) -> pd.DataFrame:
    """What each learning rate of the pilot came to, and which one the study takes."""
    table = lattice_first(pilot_table(records))
    return pd.DataFrame(
        {
            "Noise": table["noise"],
            "Method": table["method"].map(LABELS),
            "Learning rate": [rates_text(rate) for rate in table["learning_rate"]],
            "Taken": ["yes" if chosen else "" for chosen in table["chosen"]],
            "Own similarity": [f"{value:.4f}".replace("-", "−") for value in table["similarity"]],
            "Matches (%)": (100 * table["conventional"]).round().astype(int),
            "Tight (%)": (100 * table["tight"]).round().astype(int),
            "Steps": table["steps"].round().astype(int),
        }
    )


def open_choices(study: pd.DataFrame, variants: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """What each choice changes over the same starts.

    Args:
        study: the study's records.
        variants: records by plan, of those in `CHOICES`.
    """
    columns = ["Choice", "Method", "Starts", "Matches, then otherwise (%)", "Difference, 95 %", "Own similarity"]
    tables = [pd.DataFrame(columns=columns)]
    for name, records in variants.items():
        table = sensitivity_table(study, records)
        interval = [
            f"{100 * low:+.0f} to {100 * high:+.0f}" for low, high in zip(table["low"], table["high"], strict=True)
        ]
        shift = [f"{_signed(v)} ± {e:.4f}" for v, e in zip(table["similarity"], 2 * table["error"], strict=True)]
        rates = zip(100 * table["matched"], 100 * table["matched_otherwise"], strict=True)
        # A choice and a kind of noise are named where they begin.
        heads = f"{CHOICES[name]}, " + table["noise"]
        tables.append(
            pd.DataFrame(
                {
                    "Choice": [
                        head if head != before else "" for head, before in zip(heads, ["", *heads], strict=False)
                    ],
                    "Method": table["method"].map(LABELS),
                    "Starts": table["n"],
                    "Matches, then otherwise (%)": [f"{study:.0f}, {other:.0f}" for study, other in rates],
                    "Difference, 95 %": [text.replace("-", "−") for text in interval],
                    "Own similarity": shift,
                }
            )
        )
    return pd.concat(tables[1:] or tables, ignore_index=True)


def _signed(value: float) -> str:
    """Four decimals and a sign, but none for what rounds to zero.

    >>> _signed(-0.00003), _signed(-0.0021)
    ('0.0000', '−0.0021')
    """
    return f"{value:+.4f}".replace("-", "−") if round(value, 4) else "0.0000"


def records_made_again(store: Store, sample: int, seed: int = 0) -> pd.DataFrame:
    """An audit as a table."""
    rows = list(audit(store, sample, seed))
    return pd.DataFrame(
        {
            "Crystal": [row["structure"] for row in rows],
            "Noise": [f"{row['noise']} {row['level']:g}" for row in rows],
            "Copy": [row["copy"] for row in rows],
            "Method": [LABELS[str(row["method"])] for row in rows],
            "Steps then": [row["steps"] for row in rows],
            "Steps now": [row["steps_again"] for row in rows],
            "Outcome": [f"{row['verdict']} {row['difference']}".strip() for row in rows],
        }
    )
