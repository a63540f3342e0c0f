"""Tables of structure solution: what was found, beside what PXRDnet and others publish."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from xrdscape.study.pxrdnet import pxrdnet_table
from xrdscape.study.solution_outcomes import MATCHES, SYSTEMS
from xrdscape.tables.words import percent_text, seconds_text

NOT_YET = "not computed yet"
CONVENTIONS = {"paper": "paper", "reference-code": "code"}
PROTOCOLS = {"strict": "Strict", "split": "Split", "known": "Known"}
WAYS = {
    "solve": "Whole method",
    "prototypes alone": "Prototypes alone",
    "without annealing": "Prototypes without blurs",
    "atoms stay": "Prototypes, the cell alone fitted",
    "prototypes alone, 20 fits": "Prototypes, 20 fits",
    "without symmetry": "Prototypes, 20 fits, symmetry not kept",
    "library 1/2": "Prototypes, half of the library",
    "library 1/4": "Prototypes, a quarter",
    "library 1/8": "Prototypes, an eighth",
    "library 1/16": "Prototypes, a sixteenth",
    "nearest chemistry": "Nearest chemistry, no pattern",
    "random entry": "Random entries of the formula type, no pattern",
}
"""Ways to answer, in the order of tables."""


def spread_text(mean: float, sd: float) -> str:
    """Return a mean and the standard deviation about it.

    >>> spread_text(0.0124, 0.05)
    '0.012\xa0±\xa00.050'
    """
    return f"{mean:.3f}\u00a0±\u00a0{sd:.3f}"


def computed_text(found: pd.DataFrame) -> str:
    """Return how many searches there are of each setting, in words."""
    if not len(found):
        return NOT_YET
    counts = found.groupby(["size", "convention"], as_index=False).agg(crystals=("copy", "size"))
    return ", ".join(f"{row['crystals']} at {setting_name(row)}" for row in counts.to_dict("records"))


def setting_name(row: Mapping[Hashable, Any]) -> str:
    """Return the name of a row's size and convention.

    >>> setting_name({"size": 10.0, "convention": "reference-code"})
    '10\xa0Å (code)'
    """
    return f"{row['size']:g} Å ({CONVENTIONS[row['convention']]})"


def rates_text(summary: pd.DataFrame, name: str) -> str:
    """Return a rate of each setting with its interval, in words.

    Args:
        summary: as `solution_outcomes.summary` gives it, of the headline.
        name: of the rate.
    """
    texts = [f"{_rate(row, name).replace(' [', ' % [')} at {setting_name(row)}" for row in _by_size(summary)]
    return ", ".join(texts) or NOT_YET


def means_text(summary: pd.DataFrame, name: str = "mean", digits: int = 3) -> str:
    """Return a mean of each setting, in words, with the same arguments."""
    texts = [f"{row[name]:.{digits}f} at {setting_name(row)}" for row in _by_size(summary)]
    return ", ".join(texts) or NOT_YET


def published_residuals_table() -> pd.DataFrame:
    """Return PXRDnet's Table 1 and its numbers after refinement."""
    rows = pxrdnet_table("pxrdnet_table1")
    return pd.DataFrame({
        "Method": rows["method"], "Crystals": rows["crystals"],
        "Patterns": [_source(source, size) for source, size in zip(rows["source"], rows["size_angstrom"], strict=True)],
        "R_wp²": [spread_text(*pair) for pair in zip(rows["mean"], rows["sd"], strict=True)],
    })[["Method", "Patterns", "Crystals", "R_wp²"]]  # fmt: skip


def published_systems_table() -> pd.DataFrame:
    """Return PXRDnet's Table 2."""
    rows = pxrdnet_table("pxrdnet_table2")
    table = pd.DataFrame({"System": [s.capitalize() for s in SYSTEMS]})
    table["Crystals"] = [int(rows.loc[rows["system"] == system, "crystals"].iloc[0]) for system in SYSTEMS]
    for method in ("PXRDnet", "Latent search"):
        for size in (10, 100):
            part = rows[(rows["method"] == method) & (rows["size_angstrom"] == size)].set_index("system")
            table[f"{method}, {size} Å"] = [spread_text(*part.loc[system, ["mean", "sd"]]) for system in SYSTEMS]
    return table


def _source(source: str, size: float) -> str:
    return source if np.isnan(size) else f"{source}, {size:g} Å"


def residuals_table(summary: pd.DataFrame) -> pd.DataFrame:
    """Return R_wp^2 in the form of PXRDnet's Table 1, its published rows below ours.

    Args:
        summary: as `solution_outcomes.summary` gives it, of the headline.
    """
    rows = [
        (f"{row['size']:g} Å, {CONVENTIONS[row['convention']]}", "here", row["crystals"],
         spread_text(row["mean"], row["sd"]), spread_text(row["first_mean"], row["first_sd"]),
         _rate(row, "below"))
        for row in _by_size(summary)
    ]  # fmt: skip
    published = pxrdnet_table("pxrdnet_table1")
    for row in published[published["source"] == "MP-20"].to_dict("records"):
        text = spread_text(row["mean"], row["sd"])
        rows.append((f"{row['size_angstrom']:g} Å", row["method"], row["crystals"], text, "–", "–"))
    columns = ["Patterns", "Method", "Crystals", "Best of ten", "First", "Best below 0.1 (%)"]
    return pd.DataFrame(rows, columns=columns)


def matches_table(summary: pd.DataFrame) -> pd.DataFrame:
    """Return the matches of structures, with the same argument."""
    rows = [
        (f"{row['size']:g} Å, {CONVENTIONS[row['convention']]}", *(_rate(row, name) for name in MATCHES),
         f"{row['rms']:.4f}", seconds_text(row["seconds"]))
        for row in _by_size(summary)
    ]  # fmt: skip
    columns = ["Patterns", "Loose, first (%)", "Loose, among ten (%)", "Strict, first (%)", "Strict, among ten (%)"]
    return pd.DataFrame(rows, columns=[*columns, "RMS", "Seconds"])


def _by_size(summary: pd.DataFrame) -> list[dict]:
    return summary.sort_values(["size", "convention"], kind="stable").to_dict("records")


def _rate(row: dict, name: str) -> str:
    return percent_text(row[name], row[f"{name}_low"], row[f"{name}_high"])


def systems_table(summary: pd.DataFrame) -> pd.DataFrame:
    """Return R_wp^2 by crystal system in the form of PXRDnet's Table 2, beside its own.

    Args:
        summary: as `solution_outcomes.summary` gives it by convention, size and system.
    """
    published = pxrdnet_table("pxrdnet_table2")
    published = published[published["method"] == "PXRDnet"].set_index(["system", "size_angstrom"])
    table = pd.DataFrame({"System": [s.capitalize() for s in SYSTEMS]})
    ours = summary.set_index(["convention", "size", "system"])
    settings = list(dict.fromkeys((row["convention"], row["size"]) for row in _by_size(summary)))
    for size in sorted({size for _, size in settings} or {10.0, 100.0}):
        for convention, _ in [pair for pair in settings if pair[1] == size]:
            part = ours.loc[convention, size]
            name = f"{size:g} Å, {CONVENTIONS[convention]}"
            table[name] = [
                f"{spread_text(*part.loc[s, ['mean', 'sd']])} ({part.loc[s, 'crystals']:.0f})" if s in part.index
                else "–" for s in SYSTEMS
            ]  # fmt: skip
        if (SYSTEMS[0], size) in published.index:
            table[f"PXRDnet, {size:g} Å"] = [spread_text(*published.loc[(s, size), ["mean", "sd"]]) for s in SYSTEMS]
    return table


def protocols_table(summary: pd.DataFrame) -> pd.DataFrame:
    """Return the protocols side by side; those without records say so.

    Args:
        summary: as `solution_outcomes.summary` gives it, of the whole method.
    """
    return _named_rows(summary, "protocol", PROTOCOLS, "Library")


def ways_table(summary: pd.DataFrame) -> pd.DataFrame:
    """Return the ways to answer side by side; those without records say so.

    Args:
        summary: as `solution_outcomes.summary` gives it, of one protocol.
    """
    return _named_rows(summary, "way", WAYS, "Way")


def _named_rows(summary: pd.DataFrame, column: str, names: dict[str, str], head: str) -> pd.DataFrame:
    rows: list[tuple] = []
    for name, label in names.items():
        part = summary[summary[column] == name]
        if not len(part):
            rows.append((label, NOT_YET, 0, *["–"] * 6))
        for row in _by_size(part):
            rows.append((
                label, f"{row['size']:g} Å, {CONVENTIONS[row['convention']]}", row["crystals"],
                spread_text(row["mean"], row["sd"]), _rate(row, "below"), _rate(row, "loose_1"), _rate(row, "loose_10"),
                _rate(row, "strict_10"), seconds_text(row["seconds"]),
            ))  # fmt: skip
    columns = [head, "Patterns", "Crystals", "R_wp²", "below 0.1 (%)", "Loose, first (%)", "Loose, among ten (%)"]
    return pd.DataFrame(rows, columns=[*columns, "Strict, among ten (%)", "Seconds"])


def differences_table(differences: pd.DataFrame) -> pd.DataFrame:
    """Return what each way loses or gains, in percentage points.

    Args:
        differences: as `solution_outcomes.ingredients` gives them.
    """
    order = {name: place for place, name in enumerate(WAYS)}
    rows = sorted(differences.to_dict("records"), key=lambda row: (order[row["way"]], row["size"]))
    body = [
        (WAYS[row["way"]], WAYS[row["against"]], f"{row['size']:g} Å", row["crystals"],
         f"{100 * row['value']:+.1f} [{100 * row['low']:+.1f},\u00a0{100 * row['high']:+.1f}]".replace("-", "−"))
        for row in rows
    ]  # fmt: skip
    return pd.DataFrame(body, columns=["Way", "Against", "Patterns", "Crystals", "Loose among ten (points)"])


def peers_table(summary: pd.DataFrame) -> pd.DataFrame:
    """Return what is public on other methods, ours above.

    Args:
        summary: as `solution_outcomes.summary` gives it, of the headline.
    """
    ours = [
        ("xrdscape, strict library", "nanocrystal's pattern, its size, contents of the primitive cell",
         f"MP-20, test split; {row['crystals']} at {row['size']:g} Å, {CONVENTIONS[row['convention']]}",
         f"loose {100 * row['loose_1']:.1f} % first, {100 * row['loose_10']:.1f} % among ten; "
         f"strict {100 * row['strict_1']:.1f} and {100 * row['strict_10']:.1f} %",
         f"{seconds_text(row['seconds'])} s of a CPU's core")
        for row in _by_size(summary)
    ]  # fmt: skip
    others = pxrdnet_table("solution_peers")
    kept = others[["method", "given", "crystals", "match", "cost"]].fillna("–")
    rows = [*ours, *kept.itertuples(index=False, name=None)]
    return pd.DataFrame(rows, columns=["Method", "Given", "Crystals", "Matches", "Cost of a crystal"])


def library_text(curve: pd.DataFrame) -> str:
    """Return the gain a doubling of the library brings, in words.

    Args:
        curve: as `solution_outcomes.library_curve` gives it.
    """
    if not len(curve):
        return NOT_YET
    lines = curve.drop_duplicates(["convention", "protocol", "size"]).to_dict("records")
    return "; ".join(
        f"at {row['size']:g} Å {100 * row['slope']:.1f} [{100 * row['slope_low']:.1f}, {100 * row['slope_high']:.1f}] "
        f"points a doubling, which would make {100 * min(row['expected'], 1):.0f} % with twice the library"
        for row in lines
    )
