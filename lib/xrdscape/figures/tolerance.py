"""Figures of artefacts: what each does to a pattern, and how recovery falls as it grows."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from xrdscape.diffraction.artefacts import ARTEFACTS, NONE, ArtefactName
from xrdscape.figures.style import PALETTE, TWO_THETA, letter_panels, new_figure
from xrdscape.patterns.pattern import Pattern
from xrdscape.tables.tolerance import size_phrase, size_text

LOOKS = {
    False: ("Tight match, cell free", "o", PALETTE["blue"], -0.08),
    True: ("Tight match, cell projected onto its family", "P", PALETTE["vermillion"], 0.08),
}
"""Label, marker, colour and place beside the size, by whether the cell is projected."""

MISLED = "Cell free: no tight match, but fits as well as the truth"

SHOWN_DEG = (5.0, 60.0)
"""Range of 2theta that is drawn."""


def artefacts_figure(targets: Mapping[ArtefactName, Pattern]) -> Figure:
    """Draw targets with each artefact over the one without, one panel an artefact, all of maximum 1.

    Args:
        targets: as `artefact_effects.middling_targets` gives them.
    """
    names = [name for name in targets if name != NONE]
    figure = new_figure(1.55 * -(-len(names) // 2))
    axes = figure.subplots(-(-len(names) // 2), 2, sharex=True, sharey=True).ravel()
    for ax, name in zip(axes, names, strict=True):
        for pattern, colour, width in ((targets[NONE], "0.6", 2.4), (targets[name], PALETTE["blue"], 0.9)):
            ax.plot(pattern.two_theta_deg, pattern.intensity, color=colour, linewidth=width)
        ax.set_title(f"{ARTEFACTS[name].label}: {size_phrase(name, ARTEFACTS[name].middling)}")
        ax.set_xlim(SHOWN_DEG)
        ax.set_yticks([0, 0.5, 1])
    for ax in axes[-2:]:
        ax.set_xlabel(TWO_THETA)
    for ax in axes[::2]:
        ax.set_ylabel("Intensity")
    letter_panels(axes, fontsize=8.5)
    return figure


def tolerance_figure(rates: pd.DataFrame) -> Figure:
    """Draw the recovery against the size of each artefact, one panel an artefact; sizes at equal distances.

    Args:
        rates: as `artefact_rates.rates_by_size` gives them.
    """
    figure = new_figure(5.8)
    axes = figure.subplots(3, 3, sharey=True).ravel()
    for ax, (name, artefact) in zip(axes, ARTEFACTS.items(), strict=False):
        _recovery(ax, name, rates[rates["artefact"] == name])
        ax.set_title(artefact.label)
        ax.set_xlabel(artefact.size_label)
        ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    for ax in axes[len(ARTEFACTS) :]:
        ax.set_axis_off()
    for ax in axes[: len(ARTEFACTS) : 3]:
        ax.set_ylabel("Share of descents")
    letter_panels(axes[: len(ARTEFACTS)])
    figure.align_xlabels(axes[: len(ARTEFACTS)])
    handles = [Line2D([], [], marker=marker, color=colour, label=label) for label, marker, colour, _ in LOOKS.values()]
    handles.append(Line2D([], [], color=LOOKS[False][2], linestyle="--", linewidth=0.9, label=MISLED))
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(0.42, 0.27))
    return figure


def _recovery(ax: Axes, name: ArtefactName, rates: pd.DataFrame) -> None:
    # The size of none comes first, but where one can be wrong in two ways it stands between them.
    sizes = sorted(rates["size"].unique(), reverse=bool(ARTEFACTS[name].absent == rates["size"].max()))
    for projected, (_, marker, colour, beside) in LOOKS.items():
        part = rates[rates["projected"] == projected]
        place = np.array([sizes.index(size) for size in part["size"]], dtype=float)
        order = np.argsort(place)
        part, place = part.iloc[order], place[order]
        reach = np.clip([part["rate"] - part["low"], part["high"] - part["rate"]], 0, None)
        ax.errorbar(place + beside, part["rate"], yerr=reach, marker=marker, color=colour, markersize=4,
                    elinewidth=0.9, capsize=1.8)  # fmt: skip
        if not projected:
            ax.plot(place, part["misled"], color=colour, linestyle="--", linewidth=0.9)
    texts = [size_text(name, size) for size in sizes]
    ax.set_xticks(range(len(sizes)), texts, rotation=40, ha="right", rotation_mode="anchor")
    ax.set_ylim(-0.04, 1.04)
    ax.grid(axis="y", color="0.92", linewidth=0.6)
