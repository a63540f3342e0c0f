"""Figures of the chapter "Your own crystal"."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from xrdscape.figures.landscapes import draw_map
from xrdscape.figures.style import PALETTE, letter_panels, new_figure
from xrdscape.landscape.slices import Slice

END_LOOKS = {True: (PALETTE["yellow"], "black"), False: ("white", "black")}
"""Face and edge of the end of a descent, by whether it matches."""


def own_slices_figure(slices: Sequence[Slice], traps: Sequence[pd.DataFrame], ends: Sequence[pd.DataFrame]) -> Figure:
    """Maps of a loss in a row, each with its own scale of colour, with traps and the ends of descents.

    Args:
        slices: the maps.
        traps: x and y of the traps of each.
        ends: of descents, projected onto each: x, y, matched, inside (`relief.endpoints`); may be empty.
    """
    fig = new_figure(3.5)
    axes = fig.subplots(1, len(slices), squeeze=False)[0]
    for ax, landscape, low, end in zip(axes, slices, traps, ends, strict=True):
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
