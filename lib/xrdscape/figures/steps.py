"""Figures of single steps of the way from a crystal to the gradient of its pattern."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from xrdscape.figures.style import PALETTE, PARAMETER_LABELS, TWO_THETA, joined_indices, letter_panels, new_figure
from xrdscape.patterns.pattern import Pattern

TERM_COLOURS = ("vermillion", "blue", "green", "purple")
LINE_COLOURS = ("blue", "vermillion", "green", "orange", "sky", "purple")


def structure_factor_figure(crystals: Sequence[tuple[str, pd.DataFrame]]) -> Figure:
    """Draw the structure factors as sums in the complex plane: one arrow an atom, head to tail, and their sum.

    Args:
        crystals: of each row of panels its title and its terms, from `steps.structure_factor_terms`: three reflections.
    """
    fig = new_figure(2.75 * len(crystals))
    grid = fig.subplots(len(crystals), 3, squeeze=False)
    for row, (title, terms) in zip(grid, crystals, strict=True):
        symbols = sorted(terms["symbol"].unique())
        colours = {symbol: PALETTE[colour] for symbol, colour in zip(symbols, TERM_COLOURS, strict=False)}
        for ax, hkl in zip(row, terms["hkl"].unique(), strict=True):
            modulus = _head_to_tail(ax, terms[terms["hkl"] == hkl], colours)
            ax.set_title(f"{title}, {joined_indices(hkl)}: $|F|$ = {modulus:.0f}")
        handles = [Line2D([], [], color=colour, linewidth=2, label=symbol) for symbol, colour in colours.items()]
        handles.append(Line2D([], [], color=PALETTE["black"], linewidth=2.5, label="$F$"))
        row[0].legend(handles=handles, loc="best", handlelength=1.0)
    for ax in grid[-1]:
        ax.set_xlabel("Real part (electrons)")
    for ax in grid[:, 0]:
        ax.set_ylabel("Imaginary part (electrons)")
    letter_panels(grid.ravel())
    return fig


def _head_to_tail(ax: Axes, terms: pd.DataFrame, colours: dict[str, str]) -> float:
    """Draw one sum and give its modulus."""
    steps = terms[["real", "imaginary"]].to_numpy()
    ends = np.concatenate([np.zeros((1, 2)), np.cumsum(steps, 0)])
    # Without an area, of a sum along one line, the panel would have no height.
    half = 0.58 * max(float(np.ptp(ends, axis=0).max()), float(np.linalg.norm(steps, axis=1).max()))
    middle = (ends.max(0) + ends.min(0)) / 2
    ax.set(xlim=(middle[0] - half, middle[0] + half), ylim=(middle[1] - half, middle[1] + half), aspect="equal")
    ax.axhline(0, color="0.85", linewidth=0.7, zorder=0)
    ax.axvline(0, color="0.85", linewidth=0.7, zorder=0)
    for symbol, begin, end in zip(terms["symbol"], ends[:-1], ends[1:], strict=True):
        _arrow(ax, begin, end, colours[symbol], 1.5)
    total = float(np.linalg.norm(ends[-1]))
    if total > 0.01 * half:
        _arrow(ax, ends[0], ends[-1], PALETTE["black"], 2.2)
    ax.plot(*ends[-1], "o", color=PALETTE["black"], markersize=4, zorder=4)
    return total


def _arrow(ax: Axes, begin: NDArray[np.float64], end: NDArray[np.float64], colour: str, width: float) -> None:
    look = {"arrowstyle": "-|>", "color": colour, "linewidth": width, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 9}
    ax.annotate("", tuple(end), tuple(begin), arrowprops=look)


def assembly_figure(table: pd.DataFrame, peaks: NDArray[np.float64], two_theta_deg: NDArray[np.float64]) -> Figure:
    """Draw a pattern put together: squares of structure factors, times Lorentz-polarisation, as peaks, and their sum.

    Args:
        table, peaks: from `steps.line_by_line`.
        two_theta_deg: the grid of the peaks, [n].
    """
    fig = new_figure(5.2)
    axes = fig.subplots(3, 1, sharex=True)
    colours = [PALETTE[LINE_COLOURS[i % len(LINE_COLOURS)]] for i in range(len(table))]
    for ax, column in zip(axes, ("squares", "intensity"), strict=False):
        ax.vlines(table["two_theta_deg"], 0, table[column], color=colours, linewidth=1.8)
        ax.set_ylim(0, 108)
    factor = axes[1].twinx()
    factor.plot(table["two_theta_deg"], table["lorentz_polarisation"], color=PALETTE["grey"], linewidth=1.0)
    factor.set(yscale="log", ylabel="LP (grey)", ylim=(2, 100))
    factor.set_yticks([3, 10, 30, 100], ["3", "10", "30", "100"])
    factor.minorticks_off()
    factor.spines["right"].set_visible(True)
    for peak, colour in zip(peaks, colours, strict=True):
        axes[2].plot(two_theta_deg, peak, color=colour, linewidth=1.0)
    axes[2].plot(two_theta_deg, peaks.sum(0), color=PALETTE["black"], linewidth=0.9)
    axes[2].set(yscale="log", ylim=(0.02, 200), xlabel=TWO_THETA, xlim=(two_theta_deg[0], two_theta_deg[-1]))
    titles = ("$|F|^2$, summed over a line", r"$|F|^2 \cdot \mathrm{LP}$", "Each line a peak; black: their sum")
    for ax, title in zip(axes, titles, strict=True):
        ax.set_title(title)
        ax.set_ylabel("Maximum 100")
    letter_panels(axes)
    return fig


def pattern_change_figure(change: pd.DataFrame, parameter: str) -> Figure:
    """Draw the way from the change of a pattern to the gradient of the loss.

    Args:
        change: from `steps.pattern_change`.
        parameter: the lattice parameter, a name of `landscape.PARAMETER_NAMES`.
    """
    fig = new_figure(5.6)
    axes = fig.subplots(3, 1, sharex=True)
    symbol, unit = PARAMETER_LABELS[parameter].rstrip(")").split(" (")
    angle = change["two_theta_deg"]
    axes[0].plot(angle, change["target"], color=PALETTE["grey"], label="target $t$")
    axes[0].plot(angle, change["pattern"], color=PALETTE["blue"], label="simulated $x$")
    axes[0].set_ylabel("Maximum 1")
    looks = {"moving": ("blue", "-"), "heights": ("orange", "-"), "widths": ("green", "--")}
    for name, (colour, line) in looks.items():
        axes[1].plot(angle, change[name], line, color=PALETTE[colour], label=f"by {name}", linewidth=1.0)
    axes[1].set_ylabel(f"d$x$/d{symbol} (1/{unit})")
    axes[2].plot(angle, change["running"], color=PALETTE["vermillion"])
    axes[2].axhline(0, color=PALETTE["grey"], linewidth=0.6)
    axes[2].set(xlabel=TWO_THETA, ylabel=f"Sum up to here (1/{unit})", xlim=(angle.iloc[0], angle.iloc[-1]))
    end = float(change["running"].iloc[-1])
    axes[2].annotate(
        f"d$L$/d{symbol} = {end:.2f}/{unit}".replace("-", "−"), (angle.iloc[-1], end), (-4, 8),
        textcoords="offset points", ha="right",
    )  # fmt: skip
    for ax, title in zip(axes, ("The patterns", "The change of $x$", "The gradient of the cosine loss"), strict=True):
        ax.set_title(title)
    for ax in axes[:2]:
        ax.legend(loc="upper right", ncols=3)
    letter_panels(axes)
    return fig


def crossing_figure(before: Pattern, after: Pattern) -> Figure:
    """Draw the end of two patterns between which a reflection has crossed the upper end of the range.

    Args:
        before, after: of the same crystal, just before and just after the crossing.
    """
    fig = new_figure(2.6)
    left, right = fig.subplots(1, 2)
    scale = 100 / float(before.intensity.max())
    change = scale * np.abs(after.intensity - before.intensity)
    for pattern, colour, line, label in ((before, "blue", "-", "before"), (after, "vermillion", "--", "after")):
        near = pattern.two_theta_deg > pattern.two_theta_deg[-1] - 8
        left.plot(
            pattern.two_theta_deg[near], scale * pattern.intensity[near], line, color=PALETTE[colour], label=label
        )
    left.set(xlabel=TWO_THETA, ylabel="Intensity (maximum 100)", title="The end of the pattern")
    left.legend(loc="upper left")
    right.plot(before.two_theta_deg, change, color=PALETTE["black"])
    right.set(xlabel=TWO_THETA, ylabel="Change of intensity", title="What the reflection brings or takes")
    right.set(yscale="log", ylim=(1e-3, None), xlim=(50, before.two_theta_deg[-1]))
    letter_panels([left, right])
    return fig
