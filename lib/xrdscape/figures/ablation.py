"""The figure of what each ingredient of a method buys, and for how much time."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, PercentFormatter

from xrdscape.crystal.distortion import Noise
from xrdscape.figures.match_rates import NOISE_LABELS
from xrdscape.figures.style import PALETTE, letter_panels, new_figure
from xrdscape.tables.words import LABELS

ROW_IN, AROUND_IN = 0.235, 1.1
"""Height of a row, and of what stands above and below them all."""
LEVEL_LOOKS = (("sky", "o"), ("blue", "s"), ("orange", "D"), ("vermillion", "P"), ("black", "X"))
"""Colour and marker, lowest level first."""


def ablation_figure(costs: pd.DataFrame, noise: Noise, whole: str) -> Figure:
    """Draw the tight matches of each variant at each level, and beside them its median time; the most successful first.

    Args:
        costs: as `statistics.costs` gives them, of up to five levels.
        noise: the kind of noise.
        whole: the method of which an ingredient is changed in the others: its rows are shaded.
    """
    part = costs[costs["noise"] == noise]
    # Where many reach everything the harder levels tell them apart.
    order = list(part.groupby("method")["rate"].mean().sort_values(kind="stable").index)
    figure = new_figure(ROW_IN * len(order) + AROUND_IN)
    rates, times = figure.subplots(1, 2, sharey=True, width_ratios=(2.4, 1))
    levels = sorted(part["level"].unique())
    for number, (level, (colour, marker)) in enumerate(zip(levels, LEVEL_LOOKS, strict=False)):
        rows = part[np.isclose(part["level"], level)].set_index("method")
        beside = 0.13 * ((len(levels) - 1) / 2 - number)
        for place, method in enumerate(order):
            if method in rows.index:
                _row(rates, times, rows.loc[method], place + beside, PALETTE[colour], marker)
        rates.plot([], [], marker=marker, color=PALETTE[colour], linestyle="", label=f"{level:g}")
    for ax in (rates, times):
        ax.axhspan(order.index(whole) - 0.5, order.index(whole) + 0.5, color="0.93", zorder=0)
        ax.grid(axis="x", color="0.92", linewidth=0.6)
    rates.set_yticks(range(len(order)), [LABELS[method] for method in order])
    rates.set_ylim(-0.6, len(order) - 0.4)
    rates.set_xlim(-0.05, 1.05)
    rates.xaxis.set_major_formatter(PercentFormatter(1.0))
    rates.set_xlabel("Tight matches")
    times.set_xscale("log")
    # Within one decade or so the powers of ten alone say little.
    few = part["seconds"].max() < 30 * part["seconds"].min()
    times.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0) if few else (1.0,)))
    times.xaxis.set_major_formatter("{x:g}")
    times.xaxis.set_minor_formatter(NullFormatter())
    times.set_xlabel("Seconds a start")
    letter_panels((rates, times))
    figure.legend(title=NOISE_LABELS[noise][0], loc="outside upper center", ncols=len(levels))
    return figure


def _row(rates: Axes, times: Axes, row: pd.Series, place: float, colour: str, marker: str) -> None:
    reach = [[max(0.0, row["rate"] - row["low"])], [max(0.0, row["high"] - row["rate"])]]
    rates.errorbar(row["rate"], place, xerr=reach, marker=marker, color=colour, markersize=4, elinewidth=0.9)
    times.plot(row["seconds"], place, marker=marker, color=colour, markersize=4, linestyle="")
