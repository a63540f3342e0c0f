"""Tables and sentences on how the published numbers compare with ours, and for which reasons they differ."""

from collections.abc import Hashable
from typing import Any

import pandas as pd

from xrdscape.study.comparison import REASONS
from xrdscape.study.records import PUBLISHED_METHODS
from xrdscape.tables.choices import choice_name
from xrdscape.tables.words import LABELS, STATISTIC_NAMES, estimate_text, number_text, setting_text


def reason_table(found: pd.DataFrame, shuffled: pd.Series) -> pd.DataFrame:
    """Return the number of published values with each reason, and number that would have it if they had changed places.

    Args:
        found: as `comparison.differences` gives it.
        shuffled: as `comparison.shuffled_counts` gives it.
    """
    counts = found.groupby(["reason", "statistic"]).size().unstack(fill_value=0)
    counts = counts.reindex(index=REASONS, columns=list(STATISTIC_NAMES), fill_value=0)
    table = counts.rename(columns=dict(STATISTIC_NAMES))
    table.insert(0, "Reason", [name.capitalize() for name in REASONS])
    table["All"] = counts.sum(axis=1)
    table["All, shuffled"] = [f"{value:.0f}" for value in shuffled]
    return table.reset_index(drop=True)


def largest_table(found: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return the real disagreements, the largest (in units of scatter) first, `most` of them at most."""
    chosen = (
        found[found["reason"] == "real disagreement"].sort_values("excess", ascending=False, kind="stable").head(most)
    )
    return pd.DataFrame(
        {
            "Statistic": chosen["statistic"].map(STATISTIC_NAMES),
            "Setting": [setting_text(*pair) for pair in zip(chosen["noise"], chosen["level"], strict=True)],
            "Method": chosen["method"].map(LABELS),
            "Published": [number_text(value) for value in chosen["published"]],
            "Here": [estimate_text(*row) for row in chosen[["value", "low", "high"]].itertuples(index=False)],
            "At the starts": [number_text(value) for value in chosen["start"]],
            "Difference over allowance": [f"{value:.1f}" for value in chosen["excess"]],
        }
    ).reset_index(drop=True)


def agreement_table(found: pd.DataFrame, moved: pd.Series) -> pd.DataFrame:
    """Return the number of published values that agree, with the sign turned where that is due, and moves of descents,
    by method.

    Args:
        found: as `comparison.differences` gives it.
        moved: as `comparison.lengths_moved` gives it.
    """
    fits = found.assign(fits=found["reason"].isin(("agrees", "sign convention")))
    table = pd.DataFrame({"Method": [LABELS[method] for method in PUBLISHED_METHODS]})
    for noise, head in (("lattice", "Agree, lattice"), ("coordinates", "Agree, coordinates")):
        counts = fits[fits["noise"] == noise].groupby("method")["fits"].agg(["sum", "size"])
        texts = {str(method): f"{row['sum']} of {row['size']}" for method, row in counts.iterrows()}
        table[head] = [texts.get(method, "–") for method in PUBLISHED_METHODS]
    table["Lengths moved by (%)"] = [
        f"{100 * moved[method]:.2f}" if method in moved else "–" for method in PUBLISHED_METHODS
    ]
    return table


def reasons_text(found: pd.DataFrame, shuffled: pd.Series, estimator: str) -> str:
    """Return the counts in words, with what chance alone would leave.

    Args:
        found: as `comparison.differences` gives it.
        shuffled: as `comparison.shuffled_counts` gives it.
        estimator: the other one that may be a reason.
    """
    total, of = len(found), {name: int((found["reason"] == name).sum()) for name in REASONS}
    chosen = found.loc[found["reason"] == "open choice", "choice"].map(choice_name).value_counts()
    named = ", ".join(f"{choice} ({count})" for choice, count in chosen.items())
    far = found[found["reason"].isin(("open choice", "shorter descent", "real disagreement"))]
    lattice = far[far["noise"] == "lattice"]
    left = found[found["reason"] == "real disagreement"]
    elsewhere = int((left["noise"] == "coordinates").sum())
    stronger = int((lattice["value"] > lattice["published"]).sum())
    return (
        f"Of {total} published values, {of['agrees']} agree with ours as they stand and {of['sign convention']} once "
        f"the sign is turned; two samples of one truth would differ beyond the allowance in about {0.05 * total:.0f}. "
        f"Another estimator ({estimator}) accounts for {of['estimator']} more, an open choice for "
        f"{of['open choice']}{f': {named}' if named else ''}. {of['shorter descent']} lie where a shorter descent "
        f"could bring them, and {len(left)} are left, {elsewhere} of them under coordinate noise; "
        f"{shuffled['real disagreement']:.0f} would be left, had the published values changed places. Of the "
        f"{len(lattice)} under lattice noise that neither scatter nor estimator explains, ours is the larger in "
        f"{stronger}."
    )


def single_values_table(values: pd.DataFrame) -> pd.DataFrame:
    """Return the single numbers in the paper's text beside ours.

    Args:
        values: as `single_numbers.single_values` gives them.
    """
    return pd.DataFrame(
        {
            "Structure": values["structure"],
            "Case": values["case"],
            "Quantity": values["quantity"],
            "Published": [
                ("match" if row["published"] else "no match")
                if row["quantity"] == "match"
                else number_text(row["published"])
                for row in values.to_dict("records")
            ],
            "Here": [_here(row) for row in values.to_dict("records")],
            "Results": values["n"],
            "Outcome": values["outcome"].replace("", "–"),
        }
    )


def _here(row: dict[Hashable, Any]) -> str:
    """Return our side of a single number."""
    if not row["n"]:
        return "–"
    if row["quantity"] == "match":
        return f"so in {row['alike']} of {row['n']}"
    if row["quantity"] == "mutual information":
        return estimate_text(row["value"], row["low"], row["high"])
    return f"{number_text(row['value'])} ({number_text(row['low'])} to {number_text(row['high'])})"
