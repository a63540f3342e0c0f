"""The figure of how flat a loss is around the reference structure."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from xrdscape.figures.style import PALETTE, letter_panels, new_figure


def flatness_figure(losses: Mapping[str, Mapping[str, pd.DataFrame]], fixed: frozenset[str]) -> Figure:
    """Draw the loss against the displacement of the atoms, one panel an objective and one line a crystal.

    Args:
        losses: as `flatness.losses_beside` gives them, by label of the objective and name of the crystal.
        fixed: crystals in which no coordinate is free.
    """
    figure = new_figure(2.9)
    axes = figure.subplots(1, len(losses), sharex=True, sharey=True, squeeze=False).ravel()
    for ax, (label, by_name) in zip(axes, losses.items(), strict=True):
        for name, rows in by_name.items():
            colour, line = (PALETTE["vermillion"], "-") if name in fixed else (PALETTE["blue"], "--")
            ax.loglog(rows["displacement"], rows["loss"], color=colour, linestyle=line, linewidth=1.0)
        ax.set_title(label)
        ax.set_xlabel("Displacement, root mean square (Å)")
        ax.xaxis.set_major_formatter("{x:g}")
        ax.grid(color="0.92", linewidth=0.6)
    axes[0].set_ylabel("Loss above the truth's")
    for colour, line, label in (
        (PALETTE["vermillion"], "-", "no coordinate free"),
        (PALETTE["blue"], "--", "some coordinates free"),
    ):
        axes[0].plot([], [], color=colour, linestyle=line, label=label)
    axes[0].legend(loc="upper left")
    letter_panels(axes)
    return figure
