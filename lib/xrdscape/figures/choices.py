"""Figures of what choices change: in descents, in the evaluation of their results, and beside the published numbers."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from xrdscape.crystal.distortion import Noise
from xrdscape.evaluation.estimates import Statistic
from xrdscape.evaluation.matching import Criterion
from xrdscape.figures.style import METHOD_STYLE, PALETTE, letter_panels, new_figure
from xrdscape.study.columns import NOISES
from xrdscape.study.comparison import Reason
from xrdscape.study.records import PUBLISHED_METHODS
from xrdscape.tables.words import CHOICES, CRITERION_NAMES, NOISE_WORDS

NOISE_LOOK: Mapping[Noise, tuple[str, str, float]] = {
    "lattice": ("o", PALETTE["blue"], 0.16),
    "coordinates": ("s", PALETTE["orange"], -0.16),
}
"""Marker, colour and place above the method's line."""

CRITERIA_LOOK: Mapping[Criterion, tuple[str, str, float]] = {
    "conventional": ("o", PALETTE["black"], -0.13),
    "pymatgen": ("s", PALETTE["sky"], 0.0),
    "tight": ("D", PALETTE["vermillion"], 0.13),
}
"""Marker, colour and place beside the level."""

REASON_LOOK: Mapping[Reason, tuple[str, str]] = {
    "agrees": ("o", PALETTE["black"]),
    "sign convention": ("s", PALETTE["sky"]),
    "estimator": ("D", PALETTE["green"]),
    "open choice": ("^", PALETTE["purple"]),
    "shorter descent": ("v", PALETTE["orange"]),
    "real disagreement": ("X", PALETTE["vermillion"]),
}
"""Marker and colour."""
TITLES: Mapping[Statistic, str] = {
    "mutual_information": "Mutual information (nats)",
    "pearson": "Pearson",
    "spearman": "Spearman",
}


def open_choices_figure(table: pd.DataFrame) -> Figure:
    """Draw the change of the match rate over the same starts, one panel a choice; a note where no choice has been run.

    Args:
        table: as `sensitivity.choice_table` gives it.
    """
    if table.empty:
        figure = new_figure(1.0)
        figure.text(0.5, 0.5, "No plan with another choice has been run yet.", ha="center", va="center")
        return figure
    shown = [name for name in CHOICES if (table["choice"] == name).any()]
    rows = -(-len(shown) // 3)
    figure = new_figure(0.5 + 1.85 * rows)
    axes = figure.subplots(rows, 3, squeeze=False, sharex=True, sharey=True).ravel()
    for ax, name in zip(axes, shown, strict=False):
        _forest(ax, table[table["choice"] == name])
        ax.set_title(CHOICES[name], fontsize=8.5)
    for ax in axes[len(shown) :]:
        ax.set_axis_off()
    for ax in axes[max(0, len(shown) - 3) : len(shown)]:
        ax.tick_params(labelbottom=True)
        ax.set_xlabel("Match rate, change (points)")
    letter_panels(axes[: len(shown)])
    handles = [
        Line2D([], [], marker=marker, color=colour, label=NOISE_WORDS[noise])
        for noise, (marker, colour, _) in NOISE_LOOK.items()
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=2)
    return figure


def _forest(ax: Axes, table: pd.DataFrame) -> None:
    methods = list(PUBLISHED_METHODS)[::-1]
    ax.axvline(0, color="0.6", linewidth=0.8)
    for noise, (marker, colour, above) in NOISE_LOOK.items():
        part = table[table["noise"] == noise]
        place = np.array([methods.index(method) for method in part["method"]]) + above
        value, low, high = (100 * part[name].to_numpy() for name in ("difference", "low", "high"))
        # Plain Wald's centre and the interval's differ a little in small samples.
        reach = np.clip([value - low, high - value], 0, None)
        ax.errorbar(value, place, xerr=reach, fmt=marker, color=colour, elinewidth=0.9, capsize=1.8, markersize=4)
    ax.set_yticks(range(len(methods)), [METHOD_STYLE[method].label for method in methods])
    ax.set_ylim(-0.6, len(methods) - 0.4)
    ax.grid(axis="x", color="0.92", linewidth=0.6)


def criteria_figure(rates: pd.DataFrame) -> Figure:
    """Draw the share of results that each criterion accepts, against noise level: one panel a method, one row a kind of
    noise.

    Args:
        rates: as `statistics.rates_by_criterion` gives them.
    """
    methods = list(PUBLISHED_METHODS)
    figure = new_figure(4.0)
    axes = figure.subplots(len(NOISES), len(methods), squeeze=False, sharey=True)
    for row, noise in zip(axes, NOISES, strict=True):
        for ax, method in zip(row, methods, strict=True):
            part = rates[(rates["noise"] == noise) & (rates["method"] == method)]
            if part.empty:
                ax.set_axis_off()
                continue
            _criteria(ax, part)
            ax.set_title(METHOD_STYLE[method].label, fontsize=8)
            ax.set_xlabel(NOISE_WORDS[noise].capitalize())
        row[0].set_ylabel("Share accepted")
    handles = [
        Line2D([], [], marker=marker, color=colour, label=CRITERION_NAMES[name])
        for name, (marker, colour, _) in CRITERIA_LOOK.items()
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
    return figure


def _criteria(ax: Axes, rates: pd.DataFrame) -> None:
    levels = sorted(rates["level"].unique())
    for name, (marker, colour, beside) in CRITERIA_LOOK.items():
        part = rates[rates["criterion"] == name].sort_values("level")
        rate = part["rate"].to_numpy()
        reach = np.clip([rate - part["low"], part["high"] - rate], 0, None)
        place = np.array([levels.index(level) for level in part["level"]]) + beside
        ax.errorbar(place, rate, yerr=reach, marker=marker, color=colour, markersize=3.2, linewidth=0.9, elinewidth=0.8)
    ax.set_xticks(range(len(levels)), [f"{level:g}" for level in levels], rotation=45)
    ax.set_ylim(-0.03, 1.03)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.grid(axis="y", color="0.92", linewidth=0.6)


def differences_figure(found: pd.DataFrame) -> Figure:
    """Draw our value of each statistic against the published one, by the reason for their difference; on the line:
    equal.

    Args:
        found: as `comparison.differences` gives it.
    """
    figure = new_figure(3.0)
    axes = figure.subplots(1, len(TITLES))
    for ax, (statistic, title) in zip(axes, TITLES.items(), strict=True):
        part = found[found["statistic"] == statistic]
        ends = [min(0.0, part[["turned", "value"]].min().min()), part[["turned", "value"]].max().max()]
        ax.plot(ends, ends, color="0.6", linewidth=0.8)
        for reason, (marker, colour) in REASON_LOOK.items():
            rows = part[part["reason"] == reason]
            reach = np.clip([rows["value"] - rows["low"], rows["high"] - rows["value"]], 0, None)
            ax.errorbar(
                rows["turned"], rows["value"], yerr=reach, fmt=marker, color=colour, markersize=4,
                elinewidth=0.6, markeredgewidth=0,
            )  # fmt: skip
        ax.set_title(title)
        ax.set_xlabel("Published")
    axes[0].set_ylabel("Here")
    letter_panels(axes)
    handles = [
        Line2D([], [], linestyle="", marker=marker, color=colour, label=reason)
        for reason, (marker, colour) in REASON_LOOK.items()
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=6, columnspacing=1.2, handletextpad=0.3)
    return figure
