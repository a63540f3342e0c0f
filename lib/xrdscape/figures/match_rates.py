"""Figures of match rates by noise level, method and kind of noise."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from xrdscape.crystal.distortion import Noise
from xrdscape.figures.style import METHOD_STYLE, MethodStyle, letter_panels, new_figure

NOISE_LABELS: Mapping[Noise, tuple[str, str]] = {
    "lattice": ("Lattice noise", "Noise level (largest strain)"),
    "coordinates": ("Coordinate noise", "Noise level (standard deviation, fractional)"),
}
"""Title of a panel and label of its axis."""


def match_rates_figure(
    rates: pd.DataFrame, what: str = "Match rate", styles: Mapping[str, MethodStyle] = METHOD_STYLE
) -> Figure:
    """Draw the match rate against noise level, one bar a method, one panel a kind of noise (Figure 1, Figure 6 top).

    Args:
        rates: as `statistics.match_rates` gives them; the methods in it are the bars.
        what: the rate's name on its axis.
        styles: of the bars, in their order.
    """
    kinds = [noise for noise in NOISE_LABELS if (rates["noise"] == noise).any()]
    figure = new_figure(2.75 * len(kinds) + 0.4)
    axes = figure.subplots(len(kinds), 1, squeeze=False).ravel()
    for ax, noise in zip(axes, kinds, strict=True):
        _rate_bars(ax, rates[rates["noise"] == noise], styles)
        ax.set_ylabel(what)
        title, label = NOISE_LABELS[noise]
        ax.set_title(title)
        ax.set_xlabel(label)
    letter_panels(axes)
    handles = {label: bars for ax in axes for bars, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    # Four columns of long names are wider than the figure.
    columns = 3 if max(map(len, handles)) > 25 else 4
    figure.legend(
        handles=list(handles.values()),
        labels=list(handles),
        loc="outside upper center",
        ncols=min(columns, len(handles)),
        handlelength=1.6,
    )
    return figure


def _rate_bars(ax: Axes, rates: pd.DataFrame, styles: Mapping[str, MethodStyle]) -> None:
    levels = sorted(rates["level"].unique())
    methods = [m for m in styles if (rates["method"] == m).any()]
    width = 0.84 / len(methods)
    for place, method in enumerate(methods):
        part = rates[rates["method"] == method]
        x = np.array([levels.index(level) for level in part["level"]]) + (place - (len(methods) - 1) / 2) * width
        rate = part["rate"].to_numpy()
        reach = np.clip([rate - part["low"], part["high"] - rate], 0, None)
        style = styles[method]
        ax.bar(
            x, rate, 0.92 * width, color=style.colour, hatch=style.hatch, edgecolor="white", linewidth=0,
            label=style.label, yerr=reach, error_kw={"elinewidth": 0.9, "capsize": 1.6, "ecolor": "0.15"},
        )  # fmt: skip
    ax.set_xticks(range(len(levels)), [f"{level:g}" for level in levels])
    ax.set_ylim(0, 1.02)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.grid(axis="y", color="0.9", linewidth=0.6)
