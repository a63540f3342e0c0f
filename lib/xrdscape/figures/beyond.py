"""Figures of the methods beyond the paper."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from IPython.display import HTML
from matplotlib.animation import FuncAnimation
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from xrdscape.analysis.smoothing import Smoothed
from xrdscape.figures.landscapes import draw_map
from xrdscape.figures.style import BEYOND_STYLE, PALETTE, letter_panels, new_figure

FRAME_MS = 700
"""Time that each frame of an animation stands."""


def smoothing_figure(smoothed: Sequence[Smoothed], paths: Sequence[pd.DataFrame]) -> Figure:
    """One slice under blurs from wide to none, with the parts of graduated descents that belong to each.

    Args:
        smoothed: slices, widest blur first.
        paths: as `graduated_path` gives them.
    """
    figure = new_figure(2.35 * -(-len(smoothed) // 3))
    axes = figure.subplots(-(-len(smoothed) // 3), 3, squeeze=False, sharex=True, sharey=True)
    for ax, place in zip(axes.ravel(), range(len(smoothed)), strict=False):
        _draw(ax, smoothed, place, paths)
    for ax in axes.ravel()[len(smoothed) :]:
        ax.set_axis_off()
    for ax in axes.ravel():
        ax.label_outer()
    letter_panels(axes.ravel()[: len(smoothed)])
    return figure


def smoothing_animation(smoothed: Sequence[Smoothed], paths: Sequence[pd.DataFrame]) -> HTML:
    """The same as `smoothing_figure`, one blur a frame, with buttons to play and step: HTML that needs no network."""
    figure = Figure(figsize=(4.6, 3.9), layout="constrained", dpi=72)
    ax = figure.subplots()

    def show(place: int) -> None:
        ax.clear()
        _draw(ax, smoothed, place, paths)

    frames = FuncAnimation(figure, show, frames=len(smoothed), interval=FRAME_MS, init_func=lambda: None)  # type: ignore[arg-type]
    return HTML(frames.to_jshtml(default_mode="loop"))


def _draw(ax: Axes, smoothed: Sequence[Smoothed], place: int, paths: Sequence[pd.DataFrame]) -> None:
    """A slice, and of each path what was walked until its blur had become that of the next slice."""
    width = smoothed[place].width_deg
    draw_map(ax, smoothed[place].landscape)
    after = smoothed[place + 1].width_deg if place + 1 < len(smoothed) else -1.0
    for path in paths:
        walked = path[path["width_deg"] > after]
        own = walked[walked["width_deg"] <= width]
        ax.plot(walked["x"], walked["y"], color="white", linewidth=0.8, alpha=0.7)
        ax.plot(own["x"], own["y"], color=PALETTE["vermillion"], linewidth=1.8)
        last = walked[["x", "y"]].iloc[-1]
        ax.plot(*last, marker="o", markersize=5, color=PALETTE["vermillion"], markeredgecolor="black")
    ax.set_title(f"blur {width:g}°" if width else "no blur")


def cost_figure(costs: pd.DataFrame) -> Figure:
    """Share of starts solved against the time that a start takes, a panel a noise level.

    Args:
        costs: as `tables.beyond.costs` gives them.
    """
    settings = list(costs.groupby(["noise", "level"], sort=False).groups)
    figure = new_figure(2.9 * -(-len(settings) // 2))
    axes = figure.subplots(-(-len(settings) // 2), 2, squeeze=False, sharey=True).ravel()
    for ax, (noise, level) in zip(axes, settings, strict=False):
        rows = costs[(costs["noise"] == noise) & np.isclose(costs["level"], level)]
        for _, row in rows.iterrows():
            style = BEYOND_STYLE[row["method"]]
            reach = [[max(0.0, row["rate"] - row["low"])], [max(0.0, row["high"] - row["rate"])]]
            ax.errorbar(
                row["seconds"], row["rate"], yerr=reach, marker=style.marker, markersize=8, color=style.colour,
                linestyle="", elinewidth=1.2, label=style.label,
                markerfacecolor="white" if style.hatch else style.colour,
            )  # fmt: skip
        ax.set_xscale("log")
        ax.set_ylim(-0.03, 1.05)
        ax.yaxis.set_major_formatter(PercentFormatter(1.0))
        ax.set_title(f"{'Lattice' if noise == 'lattice' else 'Coordinate'} noise {level:g}")
        ax.set_xlabel("Seconds a start, median")
        ax.grid(color="0.92", linewidth=0.6)
    for ax in axes[::2]:
        ax.set_ylabel("Tight matches")
    for ax in axes[len(settings) :]:
        ax.set_axis_off()
    letter_panels(axes[: len(settings)])
    handles = {label: mark for ax in axes for mark, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(*(handles.values(), handles), loc="outside upper center", ncols=min(4, len(handles)))
    return figure
