"""Figures of the chapter on a crystal of the user's own."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from xrdscape.figures.landscapes import draw_map
from xrdscape.figures.style import PALETTE, letter_panels, new_figure
from xrdscape.landscape.slices import Slice

END_LOOKS = {True: (PALETTE["yellow"], "black"), False: ("white", "black")}
"""Face and edge of the mark of a refined model, by whether it matches."""


def user_slices_figure(slices: Sequence[Slice], minima: Sequence[pd.DataFrame], ends: Sequence[pd.DataFrame]) -> Figure:
    """Draw the maps of a loss in a row, each with its own scale of colour, with false minima and the ends of descents.

    Args:
        slices: the maps.
        minima: x and y of the false minima to mark on each.
        ends: of descents, projected onto each: x, y, matched, inside (`paths.endpoints`); may be empty.
    """
    fig = new_figure(3.5)
    axes = fig.subplots(1, len(slices), squeeze=False)[0]
    for ax, landscape, low, end in zip(axes, slices, minima, ends, strict=True):
        mesh = draw_map(ax, landscape)
        fig.colorbar(mesh, ax=ax, location="bottom", aspect=25, label=landscape.label)
        ax.plot(low["x"], low["y"], "x", color=PALETTE["vermillion"], markersize=5, markeredgewidth=1.4, zorder=7)
        for matched, (face, edge) in END_LOOKS.items():
            some = end[(end["matched"] == matched) & end["inside"]]
            ax.plot(some["x"], some["y"], "o", linestyle="", markersize=5, markerfacecolor=face,
                    markeredgecolor=edge, markeredgewidth=1.1, zorder=5.5)  # fmt: skip
    letter_panels(axes)
    fig.legend(handles=_handles(any(len(end) for end in ends)), loc="outside lower center", ncols=4)
    return fig


def _handles(with_ends: bool) -> list[Line2D]:
    looks = [("+", "black", "black", "truth"), ("x", PALETTE["vermillion"], "none", "trap")]
    if with_ends:
        looks += [
            ("o", END_LOOKS[True][1], END_LOOKS[True][0], "end of a descent: match"),
            ("o", END_LOOKS[False][1], END_LOOKS[False][0], "no match"),
        ]
    return [
        Line2D([], [], linestyle="", marker=marker, markeredgecolor=edge, markerfacecolor=face, markeredgewidth=1.3,
               label=label)
        for marker, edge, face, label in looks
    ]  # fmt: skip
