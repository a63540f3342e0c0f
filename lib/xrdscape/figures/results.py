"""Figures of what the descents and relaxations led to."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import PercentFormatter
from pymatgen.util.string import latexify_spacegroup

from xrdscape.crystal.reference_facts import reference_facts
from xrdscape.crystal.structures import REFERENCE_NAMES, load_structure
from xrdscape.diffraction.pattern import Pattern, reflection_table, simulate
from xrdscape.figures.crystals import best_view, draw_crystal, element_colours, element_legend, same_scale
from xrdscape.figures.style import METHOD_STYLE, PALETTE, TWO_THETA, MethodStyle, formula, letter_panels, new_figure
from xrdscape.study.records import PUBLISHED_METHODS
from xrdscape.tables.case import Case
from xrdscape.tables.results import STATISTICS, estimate_text

NOISE_LABELS = {
    "lattice": ("Lattice noise", "Noise level (largest strain)"),
    "coordinates": ("Coordinate noise", "Noise level (standard deviation, fractional)"),
}
SIMILARITY_LABELS = {
    "cosine": "Cosine similarity",
    "mse": "−MSE",
    "entropy": "Entropy similarity",
    "cross_correlation": "Cross-correlation",
}
# The panels of the paper's Figure 4, in its order.
CORRELATION_PANELS = ("mse", "entropy", "cross_correlation", "cosine", "cosine_constrained")
# How many lines of a pattern get their indices, and how far apart labelled lines must stand.
LABELLED_LINES, LABEL_DISTANCE_DEG = 6, 5.0


def structures_figure(names: Sequence[str] = REFERENCE_NAMES) -> Figure:
    """The reference structures: unit cell, formula, space group (Figure S1).

    Args:
        names: reference structures, three a row.
    """
    facts = {fact["name"]: fact for fact in reference_facts().to_dict("records")}
    rows = -(-len(names) // 3)
    figure = new_figure(1.85 * rows)
    axes = figure.subplots(rows, 3, squeeze=False).ravel()
    for ax, name in zip(axes, names, strict=False):
        structure, fact = load_structure(name), facts[name]
        draw_crystal(ax, structure)
        element_legend(ax, element_colours(structure))
        group = f"{latexify_spacegroup(fact['space_group'])} ({fact['space_group_number']})"
        ax.set_title(f"{formula(fact['formula'])},  {group}", loc="center")
    for ax in axes[len(names) :]:
        ax.set_axis_off()
    return figure


def match_rates_figure(
    rates: pd.DataFrame, what: str = "Match rate", styles: Mapping[str, MethodStyle] = METHOD_STYLE
) -> Figure:
    """Match rate against noise level, one bar a method, one panel a kind of noise (Figure 1, Figure 6 top).

    Args:
        rates: as `records.match_rates` gives them; the methods in it are the bars.
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
        *(handles.values(), handles), loc="outside upper center", ncols=min(columns, len(handles)), handlelength=1.6
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


def correlation_figure(
    records: pd.DataFrame, correlations: pd.DataFrame, noise: str = "lattice", level: float = 0.1
) -> Figure:
    """Geometric distance against pattern similarity at the end of each descent, one panel a method (Figure 4).

    Args:
        records: rows of descents.
        correlations: of the same rows, as `records.correlations` gives them.
        noise, level: the setting shown.
    """
    shown = records[(records["noise"] == noise) & np.isclose(records["level"], level)]
    methods = [m for m in CORRELATION_PANELS if (shown["method"] == m).any()]
    figure = new_figure(5.9)
    axes = figure.subplots(2, 3, sharey=True).ravel()
    for ax, method in zip(axes, methods, strict=False):
        _scatter(ax, shown[shown["method"] == method], method)
        at = correlations[
            (correlations["noise"] == noise)
            & np.isclose(correlations["level"], level)
            & (correlations["method"] == method)
        ].set_index("statistic")
        bounds = {key: [float(at[end][key]) for end in ("value", "low", "high")] for key in at.index}
        numbers = [f"{name}  {estimate_text(*bounds[key])}" for key, name in STATISTICS.items() if key in bounds]
        ax.set_title(METHOD_STYLE[method].label + "\n" + "\n".join(numbers))
    for ax in axes[::3]:
        ax.set_ylabel("EMD to the truth (Å)")
    letter_panels(axes[: len(methods)], fontsize=8)
    for ax in axes[len(methods) :]:
        ax.set_axis_off()
    handles = [
        Line2D([], [], linestyle="", marker="o", markersize=5, label=label, **face)
        for label, face in zip(("does not match", "matches (in colour)", "matches tightly"), _faces("0.6"), strict=True)
    ]
    axes[-1].legend(handles=handles, loc="center", fontsize=9, title="The result", title_fontsize=9)
    return figure


def _scatter(ax: Axes, rows: pd.DataFrame, method: str) -> None:
    """Every result as a point; those closest to the truth are drawn last."""
    style, objective = METHOD_STYLE[method], PUBLISHED_METHODS[method].objective
    found, tight = (rows[f"match_{name}_end"].astype(bool) for name in ("conventional", "tight"))
    for part, face in zip((rows[~found], rows[found & ~tight], rows[tight]), _faces(style.colour), strict=True):
        ax.plot(part[f"{objective}_end"], part["emd_end"], "o", markersize=3.4, alpha=0.65, **face)
    ax.set_xlabel(SIMILARITY_LABELS[objective])
    ax.locator_params(axis="x", nbins=4)
    ax.grid(color="0.93", linewidth=0.6)


def _faces(colour: str) -> list[dict[str, Any]]:
    """How a result without match, with one, and with a tight one is marked."""
    return [
        {"markerfacecolor": "none", "markeredgecolor": PALETTE["grey"], "markeredgewidth": 0.7},
        {"markerfacecolor": colour, "markeredgecolor": colour, "markeredgewidth": 0.0},
        {"markerfacecolor": PALETTE["black"], "markeredgecolor": PALETTE["black"], "markeredgewidth": 0.0},
    ]


def case_figure(case: Case) -> Figure:
    """Truth, start and two ends of one case: cell and pattern, cosine similarity, match (Figure 5, Figure S4).

    Dashed: the true cell. Thin line behind: the true pattern.
    """
    figure = new_figure(1.95 * len(case.stages) + 0.2)
    grid = figure.subplots(len(case.stages), 2, width_ratios=[1, 2.1], squeeze=False)
    view, colours = best_view(case.reference), element_colours(case.reference)
    target = simulate(case.reference)
    for (left, right), stage in zip(grid, case.stages, strict=True):
        is_reference = stage.structure is case.reference
        draw_crystal(left, stage.structure, view, colours, None if is_reference else case.reference)
        if not is_reference:
            right.plot(target.two_theta_deg, 100 * target.intensity / target.intensity.max(),
                       color="0.62", linewidth=0.8)  # fmt: skip
        pattern = simulate(stage.structure)
        right.plot(pattern.two_theta_deg, 100 * pattern.intensity / pattern.intensity.max(),
                   color=PALETTE["black" if is_reference else "blue"], linewidth=1.0)  # fmt: skip
        _label_lines(right, pattern, reflection_table(stage.structure))
        left.set_title(stage.label)
        if not is_reference:
            # Between two panels it could be read as belonging to the upper one.
            status = f"cosine {stage.cosine:.2f}, {'match' if stage.matched else 'no match'}"
            right.text(0.99, 0.975, status, transform=right.transAxes, ha="right", va="top")
        right.set_xlim(pattern.two_theta_deg[0], pattern.two_theta_deg[-1])
        right.set_ylim(0, 136)  # room for the indices of a line of 100, and for the words above them
        right.set_yticks([0, 50, 100])
        right.set_ylabel("Intensity (%)")
    letter_panels(grid[:, 0])
    same_scale(list(grid[:, 0]))
    element_legend(grid[-1, 0], colours)
    for right in grid[:-1, 1]:
        right.tick_params(labelbottom=False)
    grid[-1, 1].set_xlabel(TWO_THETA)
    return figure


def _label_lines(ax: Axes, pattern: Pattern, table: pd.DataFrame) -> None:
    """Write hkl over the strongest lines that stand far enough apart."""
    placed: list[float] = []
    strongest = table.sort_values("intensity", ascending=False)
    angles, indices = strongest["two_theta_deg"].to_numpy(), strongest[["h", "k", "l"]].to_numpy()
    for angle, (h, k, l) in zip(angles, indices, strict=True):  # noqa: E741
        if len(placed) == LABELLED_LINES:
            break
        if all(abs(angle - other) > LABEL_DISTANCE_DEG for other in placed):
            placed.append(angle)
            near = np.abs(pattern.two_theta_deg - angle) < 0.5
            top = 100 * pattern.intensity[near].max() / pattern.intensity.max()
            text = ax.text(angle, top + 3, hkl_text(int(h), int(k), int(l)), ha="center", fontsize=7.5)
            text.set_path_effects([withStroke(linewidth=2.0, foreground="white")])


def hkl_text(h: int, k: int, l: int) -> str:  # noqa: E741
    """Miller indices as crystallographers write them, minus signs on top; spaced where digits or signs would join.

    >>> hkl_text(1, 1, 2), hkl_text(10, 0, 2)
    ('$112$', '$10\\,0\\,2$')
    """
    parts = [rf"\overline{{{-i}}}" if i < 0 else str(i) for i in (h, k, l)]
    return "$" + (r"\," if min(h, k, l) < 0 or max(h, k, l) > 9 else "").join(parts) + "$"
