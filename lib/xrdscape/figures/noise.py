"""Figures of the noise models: what they do to cells, atoms and patterns."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from xrdscape.figures.style import PALETTE, TWO_THETA, letter_panels, new_figure
from xrdscape.patterns.pattern import Pattern


def lattice_noise_figure(draws: pd.DataFrame) -> Figure:
    """Draw the changes of lengths, angles and volume at each level of lattice noise.

    Args:
        draws: from `noise_effects.lattice_draws`.
    """
    fig = new_figure(3.0)
    axes = fig.subplots(1, 3)
    labels = {
        "length_change_percent": "Largest change of a length (%)",
        "angle_change_deg": "Largest change of an angle (deg)",
        "volume_change_percent": "Change of the volume (%)",
    }
    for ax, (column, label) in zip(axes, labels.items(), strict=True):
        _boxes(ax, draws, column)
        ax.set(xlabel=r"Noise level $\sigma$", ylabel=label)
    axes[2].axhline(0, color=PALETTE["grey"], linewidth=0.6)
    letter_panels(axes)
    return fig


def coordinate_noise_figure(draws: pd.DataFrame, true_shortest_angstrom: float) -> Figure:
    """Draw the displacements of the atoms and shortest distances at each level of coordinate noise.

    Args:
        draws: from `noise_effects.coordinate_draws`.
        true_shortest_angstrom: shortest distance in the reference structure.
    """
    fig = new_figure(3.0)
    left, right = fig.subplots(1, 2)
    _boxes(left, draws, "displacement_angstrom")
    left.set(yscale="log", ylabel="Root mean square displacement (Å)")
    _boxes(right, draws, "shortest_angstrom")
    right.axhline(true_shortest_angstrom, color=PALETTE["vermillion"], linestyle="--", linewidth=1.0)
    right.annotate(
        "true crystal", (0.55, true_shortest_angstrom), (0, 4), textcoords="offset points", fontsize=8,
        color=PALETTE["vermillion"], va="bottom",
    )  # fmt: skip
    right.set(ylabel="Shortest distance (Å)", ylim=(0, 1.18 * true_shortest_angstrom))
    for ax in (left, right):
        ax.set_xlabel(r"Noise level $\sigma$")
    letter_panels([left, right])
    return fig


def _boxes(ax: Axes, draws: pd.DataFrame, column: str) -> None:
    """Draw a box a level: quartiles, median, whiskers from the smallest to the largest draw."""
    levels = sorted(draws["level"].unique())
    boxes = ax.boxplot(
        [draws.loc[draws["level"] == level, column] for level in levels],
        tick_labels=[f"{level:g}" for level in levels],
        whis=(0, 100),
        widths=0.55,
        patch_artist=True,
        medianprops={"color": PALETTE["black"], "linewidth": 1.3},
    )
    for box in boxes["boxes"]:
        box.set(facecolor=PALETTE["sky"], edgecolor=PALETTE["blue"])


def noised_patterns_figure(
    reference: Pattern,
    lattice: Sequence[tuple[float, Pattern, float]],
    coordinates: Sequence[tuple[float, Pattern, float]],
) -> Figure:
    """Draw the patterns of one structure at each noise level below the true one; lattice left, coordinates right.

    Args:
        reference: pattern of the reference structure.
        lattice, coordinates: from `noise_effects.patterns_by_level`.
    """
    fig = new_figure(0.75 * (1 + max(len(lattice), len(coordinates))) + 0.8)
    left, right = fig.subplots(1, 2, sharey=True)
    for ax, rows in ((left, lattice), (right, coordinates)):
        _stack(ax, [("truth", reference, PALETTE["black"])] + [_row(*row) for row in rows])
        ax.set_xlabel(TWO_THETA)
    left.set_ylabel("Intensity (each scaled to its maximum)")
    left.set_title("Lattice noise")
    right.set_title("Coordinate noise")
    letter_panels([left, right])
    return fig


def _row(level: float, pattern: Pattern, cosine: float) -> tuple[str, Pattern, str]:
    return f"$\\sigma$ = {level:g}, cosine {cosine:.2f}", pattern, PALETTE["blue"]


def _stack(ax: Axes, rows: Sequence[tuple[str, Pattern, str]]) -> None:
    for number, (label, pattern, colour) in enumerate(rows):
        base = -1.3 * number
        ax.plot(pattern.two_theta_deg, base + pattern.intensity / pattern.intensity.max(), color=colour, linewidth=0.9)
        ax.text(89, base + 0.72, label, fontsize=8, color=colour, ha="right")
    ax.set(xlim=(0, float(np.ceil(rows[0][1].two_theta_deg[-1]))), ylim=(-1.3 * (len(rows) - 1) - 0.1, 1.15))
    ax.set_yticks([])
