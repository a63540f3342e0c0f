"""The figure of geometric distance against pattern similarity (the paper's Figure 4)."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from xrdscape.crystal.distortion import Noise
from xrdscape.figures.style import METHOD_STYLE, PALETTE, letter_panels, new_figure
from xrdscape.study.columns import Similarity, emd, match, similarity
from xrdscape.study.outcomes import at_setting
from xrdscape.study.records import PUBLISHED_METHODS
from xrdscape.tables.words import STATISTIC_NAMES, estimate_text

SIMILARITY_LABELS: Mapping[Similarity, str] = {
    "cosine": "Cosine similarity",
    "mse": "−MSE",
    "entropy": "Entropy similarity",
    "cross_correlation": "Cross-correlation",
}
"""Labels of axes."""
CORRELATION_PANELS = ("mse", "entropy", "cross_correlation", "cosine", "cosine_constrained")
"""Methods of the panels of the paper's Figure 4, in its order."""


def correlation_figure(
    records: pd.DataFrame, correlations: pd.DataFrame, noise: Noise = "lattice", level: float = 0.1
) -> Figure:
    """Draw the geometric distance against pattern similarity at the end of each descent, one panel a method (Figure 4).

    Args:
        records: rows of descents.
        correlations: of the same rows, as `statistics.correlations` gives them.
        noise, level: the setting shown.
    """
    shown = at_setting(records, noise, level)
    methods = [m for m in CORRELATION_PANELS if (shown["method"] == m).any()]
    figure = new_figure(5.9)
    axes = figure.subplots(2, 3, sharey=True).ravel()
    for ax, method in zip(axes, methods, strict=False):
        _scatter(ax, shown[shown["method"] == method], method)
        at = at_setting(correlations[correlations["method"] == method], noise, level).set_index("statistic")
        bounds = {key: [float(at[end][key]) for end in ("value", "low", "high")] for key in at.index}
        numbers = [f"{name}  {estimate_text(*bounds[key])}" for key, name in STATISTIC_NAMES.items() if key in bounds]
        ax.set_title(METHOD_STYLE[method].label + "\n" + "\n".join(numbers))
    for ax in axes[::3]:
        ax.set_ylabel("EMD to the truth (Å)")
    letter_panels(axes[: len(methods)], fontsize=8)
    for ax in axes[len(methods) :]:
        ax.set_axis_off()
    handles = [
        Line2D([], [], linestyle="", marker="o", markersize=5, label=label, **face)
        for label, face in zip(("does not match", "matches (in colour)", "matches tightly"), _faces("0.6"), strict=True)
    ]
    axes[-1].legend(handles=handles, loc="center", fontsize=9, title="The result", title_fontsize=9)
    return figure


def _scatter(ax: Axes, rows: pd.DataFrame, method: str) -> None:
    """Draw every result as a point; those closest to the reference last."""
    style, objective = METHOD_STYLE[method], PUBLISHED_METHODS[method].objective
    found, tight = (rows[match(name, "end")].astype(bool) for name in ("conventional", "tight"))
    for part, face in zip((rows[~found], rows[found & ~tight], rows[tight]), _faces(style.colour), strict=True):
        ax.plot(part[similarity(objective, "end")], part[emd("end")], "o", markersize=3.4, alpha=0.65, **face)
    ax.set_xlabel(SIMILARITY_LABELS[objective])
    ax.locator_params(axis="x", nbins=4)
    ax.grid(color="0.93", linewidth=0.6)


def _faces(colour: str) -> list[dict[str, Any]]:
    """Return the looks of a result without match, with one, and with a tight one."""
    return [
        {"markerfacecolor": "none", "markeredgecolor": PALETTE["grey"], "markeredgewidth": 0.7},
        {"markerfacecolor": colour, "markeredgecolor": colour, "markeredgewidth": 0.0},
        {"markerfacecolor": PALETTE["black"], "markeredgecolor": PALETTE["black"], "markeredgewidth": 0.0},
    ]
