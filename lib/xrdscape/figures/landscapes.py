"""Figures of landscapes: maps over two lattice parameters, their minima, and descents across them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import QuadMesh
from matplotlib.colors import Normalize, PowerNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

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
from xrdscape.landscape.slices import PARAMETER_NAMES, Slice
from xrdscape.patterns.pattern import Pattern

PATH_STYLES = (
    (PALETTE["vermillion"], "o", 1.6, 6.5),
    (PALETTE["yellow"], "s", 4.5, 11.0),
    ("white", "D", 1.6, 5.5),
)
"""Colour, marker, width and marker size of up to three paths, outlined in black; a later one shows on an earlier."""

ENERGY_CONTOURS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""eV/atom above the lowest."""


def draw_map(
    ax: Axes,
    landscape: Slice,
    cmap: str = LOSS_MAP,
    norm: Normalize | None = None,
    levels: int | Sequence[float] = 12,
) -> QuadMesh:
    """Draw a slice as a map with contours, the reference as a cross."""
    mesh = ax.pcolormesh(
        landscape.x, landscape.y, landscape.value, cmap=cmap, norm=norm, shading="nearest", rasterized=True
    )
    ax.contour(
        landscape.x, landscape.y, landscape.value, levels=levels, colors="white", linewidths=0.5,
        linestyles="solid", alpha=0.55,
    )  # fmt: skip
    ax.plot(*landscape.reference, marker="+", color="white", markersize=10, markeredgewidth=3.2, zorder=5)
    ax.plot(*landscape.reference, marker="+", color="black", markersize=9, markeredgewidth=1.5, zorder=6)
    ax.set(xlabel=PARAMETER_LABELS[landscape.x_name], ylabel=PARAMETER_LABELS[landscape.y_name])
    ax.set(xlim=(landscape.x[0], landscape.x[-1]), ylim=(landscape.y[0], landscape.y[-1]))
    return mesh


def minima_figure(landscape: Slice, minima: pd.DataFrame, patterns: Sequence[Pattern], reference: Pattern) -> Figure:
    """Draw a map with its most prominent false minima marked, and their patterns over the true one.

    Args:
        landscape: of the cosine loss.
        minima: x, y and value of the marked ones, from `minima.minima_with_barriers`.
        patterns: of these minima, in the same order.
        reference: pattern of the reference structure.
    """
    fig = new_figure(3.4)
    left, right = fig.subplots(1, 2, width_ratios=[1.05, 1.0])
    fig.colorbar(draw_map(left, landscape), ax=left, aspect=30, label=landscape.label)
    reference_height = reference.intensity / reference.intensity.max()
    places = minima[["x", "y", "value"]].to_numpy()
    for number, ((x, y, value), pattern) in enumerate(zip(places, patterns, strict=True), start=1):
        left.plot(x, y, "o", markersize=12, color="white", markeredgecolor="black", zorder=7, clip_on=False)
        left.text(x, y, str(number), ha="center", va="center_baseline", fontsize=8, zorder=8)
        base = -1.45 * (number - 1)
        right.fill_between(
            reference.two_theta_deg,
            base,
            base + reference_height,
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
    """Draw descents across two-parameter maps, one panel a slice.

    Args:
        slices: maps of the loss.
        paths: for each slice, up to three paths (x, y by step, from `slices.slice_descent`) by label.
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
    fig.legend(handles=[*handles, _reference_handle()], loc="outside lower center", ncols=2)
    letter_panels(axes)
    return fig


def _draw_path(ax: Axes, path: pd.DataFrame, number: int) -> None:
    """Draw a path to its best point: a dot where it starts, its marker where it ends."""
    colour, marker, width, size = PATH_STYLES[number]
    path = path.iloc[: int(path["loss"].to_numpy().argmin()) + 1]
    outline = [withStroke(linewidth=width + 1.4, foreground="black")]
    x, y = path["x"].to_numpy(), path["y"].to_numpy()
    ax.plot(x, y, color=colour, linewidth=width, path_effects=outline, zorder=7 + 0.1 * number)
    ends: dict[str, Any] = {"color": colour, "markeredgecolor": "black", "zorder": 8 + 0.1 * number}
    ax.plot(x[0], y[0], ".", markersize=size + 1, **ends)
    ax.plot(x[-1], y[-1], marker, markersize=size, **ends)


def _outline() -> list[withStroke]:
    return [withStroke(linewidth=2.8, foreground="black")]


def _reference_handle() -> Line2D:
    return Line2D([], [], linestyle="", marker="+", color="black", markeredgewidth=1.5, markersize=9, label="truth")


def endpoints_figure(slices: Sequence[Slice], ends: Sequence[pd.DataFrame]) -> Figure:
    """Draw the end points of descents in all six parameters, projected onto two-parameter maps.

    Args:
        slices: maps of the loss, one a row of panels.
        ends: for each slice, one row an end point: method (key of `METHOD_STYLE`; one a column of panels), x, y,
            matched.
    """
    methods = [name for name in METHOD_STYLE if any((frame["method"] == name).any() for frame in ends)]
    fig = new_figure(3.1 * len(slices) + 0.4)
    axes = fig.subplots(len(slices), len(methods), squeeze=False, sharex="row", sharey="row")
    for row, landscape, frame in zip(axes, slices, ends, strict=True):
        for ax, method in zip(row, methods, strict=True):
            mesh = draw_map(ax, landscape)
            ax.set_title(f"{formula(landscape.structure_name)}, {METHOD_STYLE[method].label.lower()}")
            for matched, label in ((False, "no match"), (True, "match")):
                some = frame[(frame["method"] == method) & (frame["matched"] == matched)]
                ax.plot(some["x"], some["y"], label=label, zorder=3 + matched, **_end_style(matched))
            if ax is not row[0]:
                ax.set_ylabel("")
        fig.colorbar(mesh, ax=list(row), aspect=25, label=landscape.label)
    handles = axes[0, 0].get_legend_handles_labels()[0]
    fig.legend(handles=[*handles, _reference_handle()], loc="outside lower center", ncols=3)
    letter_panels(axes.flat)
    return fig


def _end_style(matched: bool) -> dict[str, Any]:
    """Return the style of hundreds of points on one map: small, and outlined in black as the map has every colour."""
    return {
        "linestyle": "",
        "marker": "o",
        "markersize": 3.6,
        "markerfacecolor": PALETTE["vermillion"] if matched else "white",
        "markeredgecolor": "black",
        "markeredgewidth": 0.6,
        "alpha": 0.9,
    }


def all_slices_figure(slices: Sequence[Slice]) -> Figure:
    """Draw every slice of one structure on one scale of colour: a column for each x, a row for each y."""
    columns, rows = (
        [name for name in PARAMETER_NAMES if name in {getattr(s, axis) for s in slices}]
        for axis in ("x_name", "y_name")
    )
    fig = new_figure(1.26 * len(rows) + 0.35)
    axes = fig.subplots(len(rows), len(columns), squeeze=False, sharex="col", sharey="row")
    norm = Normalize(min(np.nanmin(s.value) for s in slices), max(np.nanmax(s.value) for s in slices))
    shown = {(rows.index(s.y_name), columns.index(s.x_name)): s for s in slices}
    for place, ax in np.ndenumerate(axes):
        if place not in shown:
            ax.set_axis_off()
            continue
        landscape = shown[place]
        ax.pcolormesh(
            landscape.x, landscape.y, landscape.value, cmap=LOSS_MAP, norm=norm, shading="nearest", rasterized=True
        )
        ax.plot(*landscape.reference, "+", color="white", markersize=7, markeredgewidth=1.2)
        ax.set(xlabel=PARAMETER_LABELS[landscape.x_name], ylabel=PARAMETER_LABELS[landscape.y_name])
        ax.locator_params(nbins=3)
        ax.label_outer()
    fig.align_labels()
    bar = fig.add_axes((0.6, 0.92, 0.36, 0.018))  # above the diagonal nothing else is drawn
    fig.colorbar(ScalarMappable(norm, LOSS_MAP), cax=bar, orientation="horizontal", label=slices[0].label)
    return fig


def energy_slices_figure(slices: Sequence[Slice]) -> Figure:
    """Draw the maps of the energy above its lowest value on the map, three a row.

    Args:
        slices: from `slices.energy_slice`, eV/atom.
    """
    rows = -(-len(slices) // 3)
    fig = new_figure(2.9 * rows)
    axes = fig.subplots(rows, min(len(slices), 3), squeeze=False)
    for ax in axes.flat[len(slices) :]:
        ax.set_axis_off()
    for ax, landscape in zip(axes.flat, slices, strict=False):
        _draw_energy(fig, ax, landscape)
        ax.set_title(formula(landscape.structure_name))
    letter_panels(axes.flat[: len(slices)])
    return fig


def _draw_energy(fig: Figure, ax: Axes, landscape: Slice) -> None:
    """Draw the energy above the lowest; colours and contours are close together where it is low, so that the bottom
    shows.
    """
    above = replace(landscape, value=landscape.value - np.nanmin(landscape.value))
    top = float(np.nanmax(above.value))
    mesh = draw_map(ax, above, ENERGY_MAP, PowerNorm(0.5, 0, top), ENERGY_CONTOURS)
    ticks = [0, *(level for level in ENERGY_CONTOURS[2::2] if level < top)]
    bar = fig.colorbar(mesh, ax=ax, location="bottom", aspect=25, ticks=ticks, label="eV/atom above the lowest")
    bar.ax.set_xticklabels([f"{tick:g}" for tick in ticks])


def readme_figure(landscape: Slice, energy: Slice) -> Figure:
    """Draw the claim in one picture: the loss of diffraction beside the energy, over the same two parameters."""
    fig = new_figure(3.6)
    left, right = fig.subplots(1, 2)
    fig.colorbar(draw_map(left, landscape), ax=left, location="bottom", aspect=25, label=landscape.label)
    _draw_energy(fig, right, energy)
    left.set_title(f"{formula(landscape.structure_name)}: diffraction")
    right.set_title(f"{formula(energy.structure_name)}: CHGNet energy")
    letter_panels([left, right])
    return fig
