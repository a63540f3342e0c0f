"""Figures of landscapes: maps over two lattice parameters, their minima, and descents across them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import QuadMesh
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from xrdscape.analysis.landscape import Slice
from xrdscape.engine.pattern import Pattern
from xrdscape.figures.style import (
    ENERGY_MAP,
    LOSS_MAP,
    METHOD_STYLE,
    PALETTE,
    PARAMETER_LABELS,
    TWO_THETA,
    formula,
    letter_panels,
    new_figure,
)

PATH_STYLES = (
    (PALETTE["vermillion"], "o", 1.6, 6.5),
    (PALETTE["yellow"], "s", 4.5, 11.0),
    ("white", "D", 1.6, 5.5),
)
"""Colour, marker, width and marker size of up to three paths, outlined in black; a later one shows on an earlier."""


def draw_map(ax: Axes, landscape: Slice, cmap: str = LOSS_MAP, norm: Normalize | None = None) -> QuadMesh:
    """The slice as a map with contours, the truth as a cross."""
    mesh = ax.pcolormesh(
        landscape.x, landscape.y, landscape.value, cmap=cmap, norm=norm, shading="nearest", rasterized=True
    )
    ax.contour(landscape.x, landscape.y, landscape.value, levels=12, colors="white", linewidths=0.35, alpha=0.55)
    ax.plot(*landscape.truth, marker="+", color="white", markersize=10, markeredgewidth=3.2, zorder=5)
    ax.plot(*landscape.truth, marker="+", color="black", markersize=9, markeredgewidth=1.5, zorder=6)
    ax.set(xlabel=PARAMETER_LABELS[landscape.x_name], ylabel=PARAMETER_LABELS[landscape.y_name])
    ax.set(xlim=(landscape.x[0], landscape.x[-1]), ylim=(landscape.y[0], landscape.y[-1]))
    return mesh


def minima_figure(landscape: Slice, minima: pd.DataFrame, patterns: Sequence[Pattern], truth: Pattern) -> Figure:
    """A map with its most prominent false minima marked, and their patterns over the true one.

    Args:
        landscape: of the cosine loss.
        minima: x, y and value of the marked ones, from `relief.minima_with_barriers`.
        patterns: of these minima, in the same order.
        truth: pattern of the true crystal.
    """
    fig = new_figure(3.9)
    left, right = fig.subplots(1, 2, width_ratios=[1.05, 1.0])
    mesh = draw_map(left, landscape)
    fig.colorbar(mesh, ax=left, location="bottom", shrink=0.9, aspect=30, label=landscape.label)
    truth_height = truth.intensity / truth.intensity.max()
    places = minima[["x", "y", "value"]].to_numpy()
    for number, ((x, y, value), pattern) in enumerate(zip(places, patterns, strict=True), start=1):
        left.plot(x, y, "o", markersize=12, color="white", markeredgecolor="black", zorder=7, clip_on=False)
        left.text(x, y, str(number), ha="center", va="center_baseline", fontsize=8, zorder=8)
        base = -1.45 * (number - 1)
        right.fill_between(
            truth.two_theta_deg,
            base,
            base + truth_height,
            color=PALETTE["grey"],
            alpha=0.4,
            linewidth=0,
            rasterized=True,
        )
        right.plot(
            pattern.two_theta_deg,
            base + pattern.intensity / pattern.intensity.max(),
            color=PALETTE["blue"],
            linewidth=0.9,
        )
        cell = ", ".join(
            f"{label.split(' (')[0]} = {number_of:.2f}"
            for label, number_of in (
                (PARAMETER_LABELS[landscape.x_name], x),
                (PARAMETER_LABELS[landscape.y_name], y),
            )
        )
        right.text(1, base + 1.06, f"{number}: {cell}; cosine {-value:.2f}", fontsize=8)
    right.set(xlabel=TWO_THETA, ylabel="Intensity (each scaled to its maximum)", xlim=(0, 90))
    right.set(ylim=(-1.45 * (len(patterns) - 1) - 0.08, 1.35), yticks=[])
    left.set_title(formula(landscape.structure_name))
    right.set_title("At the minima (line), truth (grey)")
    letter_panels([left, right])
    return fig


def trajectories_figure(slices: Sequence[Slice], paths: Sequence[Mapping[str, pd.DataFrame]]) -> Figure:
    """Descents across two-parameter maps, one panel a slice.

    Args:
        slices: maps of the loss.
        paths: for each slice, up to three paths (x, y by step, from `landscape.slice_descent`) by label.
    """
    fig = new_figure(3.9)
    axes = np.atleast_1d(fig.subplots(1, len(slices)))
    for ax, landscape, named in zip(axes, slices, paths, strict=True):
        mesh = draw_map(ax, landscape)
        fig.colorbar(mesh, ax=ax, location="bottom", shrink=0.9, aspect=30, label=landscape.label)
        ax.set_title(formula(landscape.structure_name))
        for number, path in enumerate(named.values()):
            _draw_path(ax, path, number)
    handles = [
        Line2D([], [], color=colour, marker=marker, markeredgecolor="black", label=label, path_effects=_outline())
        for (colour, marker, _, _), label in zip(PATH_STYLES, paths[0], strict=False)
    ]
    fig.legend(handles=[*handles, _truth_handle()], loc="outside lower center", ncols=2)
    letter_panels(axes)
    return fig


def _draw_path(ax: Axes, path: pd.DataFrame, number: int) -> None:
    """A path to its best point; hollow where it starts, full where it ends."""
    colour, marker, width, size = PATH_STYLES[number]
    path = path.iloc[: int(path["loss"].to_numpy().argmin()) + 1]
    outline = [withStroke(linewidth=width + 1.4, foreground="black")]
    x, y = path["x"].to_numpy(), path["y"].to_numpy()
    ax.plot(x, y, color=colour, linewidth=width, path_effects=outline, zorder=7 + 0.1 * number)
    hollow: dict[str, Any] = {
        "markerfacecolor": "none",
        "markeredgecolor": colour,
        "markeredgewidth": 1.8,
        "path_effects": _outline(),
    }
    ax.plot(x[0], y[0], marker, markersize=size, zorder=8 + 0.1 * number, **hollow)
    ax.plot(x[-1], y[-1], marker, color=colour, markeredgecolor="black", markersize=size, zorder=8 + 0.1 * number)


def _outline() -> list[withStroke]:
    return [withStroke(linewidth=2.8, foreground="black")]


def _truth_handle() -> Line2D:
    return Line2D([], [], linestyle="", marker="+", color="black", markeredgewidth=1.5, markersize=9, label="truth")


def endpoints_figure(slices: Sequence[Slice], ends: Sequence[pd.DataFrame]) -> Figure:
    """End points of descents in all six parameters, projected onto two-parameter maps.

    Args:
        slices: maps of the loss.
        ends: for each slice, one row an end point: method (key of `METHOD_STYLE`), x, y, matched.
    """
    fig = new_figure(4.0)
    axes = np.atleast_1d(fig.subplots(1, len(slices)))
    methods = [name for name in METHOD_STYLE if any((frame["method"] == name).any() for frame in ends)]
    for ax, landscape, frame in zip(axes, slices, ends, strict=True):
        mesh = draw_map(ax, landscape)
        fig.colorbar(mesh, ax=ax, location="bottom", shrink=0.9, aspect=30, label=landscape.label)
        for method in methods:
            style, rows = METHOD_STYLE[method], frame[frame["method"] == method]
            for matched, face in ((True, style.colour), (False, "white")):
                some = rows[rows["matched"] == matched]
                ax.plot(
                    some["x"], some["y"], style.marker, linestyle="", markersize=6, markerfacecolor=face,
                    markeredgecolor=style.colour, markeredgewidth=1.5, path_effects=_outline(), zorder=7, clip_on=True,
                )  # fmt: skip
        ax.set_title(formula(landscape.structure_name))
    handles = [
        Line2D(
            [],
            [],
            linestyle="",
            marker=METHOD_STYLE[m].marker,
            color=METHOD_STYLE[m].colour,
            label=METHOD_STYLE[m].label,
        )
        for m in methods
    ]
    hollow = Line2D([], [], linestyle="", marker="o", color="white", markeredgecolor="black", label="hollow: no match")
    fig.legend(handles=[*handles, hollow, _truth_handle()], loc="outside lower center", ncols=4)
    letter_panels(axes)
    return fig


def all_slices_figure(slices: Sequence[Slice]) -> Figure:
    """Every slice of one structure on one scale of colour, five a row."""
    rows = -(-len(slices) // 5)
    fig = new_figure(1.62 * rows + 0.8)
    axes = fig.subplots(rows, 5, squeeze=False)
    lowest = min(float(np.nanmin(s.value)) for s in slices)
    highest = max(float(np.nanmax(s.value)) for s in slices)
    norm = Normalize(lowest, highest)
    for ax in axes.flat[len(slices) :]:
        ax.set_axis_off()
    for ax, landscape in zip(axes.flat, slices, strict=False):
        ax.pcolormesh(
            landscape.x, landscape.y, landscape.value, cmap=LOSS_MAP, norm=norm, shading="nearest", rasterized=True
        )
        ax.plot(*landscape.truth, "+", color="white", markersize=6, markeredgewidth=1.2)
        ax.set(xlabel=PARAMETER_LABELS[landscape.x_name], ylabel=PARAMETER_LABELS[landscape.y_name])
        ax.tick_params(labelsize=7, length=2)
        ax.locator_params(nbins=3)
        ax.xaxis.labelpad = ax.yaxis.labelpad = 1
    fig.colorbar(
        ScalarMappable(norm, LOSS_MAP), ax=axes, location="bottom", shrink=0.5, aspect=40, label=slices[0].label
    )
    return fig


def energy_slices_figure(slices: Sequence[Slice]) -> Figure:
    """Maps of the energy above its lowest value on the map, three a row.

    Args:
        slices: from `landscape.energy_slice`, eV/atom.
    """
    rows = -(-len(slices) // 3)
    fig = new_figure(2.9 * rows)
    axes = fig.subplots(rows, min(len(slices), 3), squeeze=False)
    for ax in axes.flat[len(slices) :]:
        ax.set_axis_off()
    for ax, landscape in zip(axes.flat, slices, strict=False):
        above = landscape.value - np.nanmin(landscape.value)
        shown = Slice(**{**vars(landscape), "value": above})
        mesh = draw_map(ax, shown, cmap=ENERGY_MAP)
        fig.colorbar(mesh, ax=ax, location="bottom", aspect=25, label="eV/atom above the lowest")
        ax.set_title(formula(landscape.structure_name))
    letter_panels(axes.flat[: len(slices)])
    return fig


def readme_figure(landscape: Slice, energy: Slice) -> Figure:
    """The claim in one picture: the loss of diffraction beside the energy, over the same two parameters."""
    fig = new_figure(3.6)
    left, right = fig.subplots(1, 2)
    maps = ((left, landscape, LOSS_MAP, landscape.label), (right, energy, ENERGY_MAP, energy.label))
    for ax, shown, cmap, label in maps:
        fig.colorbar(draw_map(ax, shown, cmap), ax=ax, location="bottom", aspect=30, label=label)
    left.set_title(f"{formula(landscape.structure_name)}: diffraction")
    right.set_title(f"{formula(energy.structure_name)}: energy")
    letter_panels([left, right])
    return fig
