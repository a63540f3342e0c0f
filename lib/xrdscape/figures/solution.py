"""Figures of structure solution counted from records: distributions, matches by kind of crystal, curves."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator, PercentFormatter

from xrdscape.figures.style import PALETTE, letter_panels, new_figure
from xrdscape.study.pxrdnet import published_residual
from xrdscape.study.solution_outcomes import SUCCESS, SYSTEMS
from xrdscape.tables.solution import CONVENTIONS, NOT_YET

SIZES = (10.0, 100.0)
_LOOK = {"paper": ("blue", "o", "-"), "reference-code": ("vermillion", "s", "--")}
"""Colour, marker and line of each convention."""
_FLOOR = 1e-5
"""Smaller R_wp^2 are drawn here."""
R_LABEL = r"$R_\mathrm{wp}^2$, best of ten"


def _settings(frame: pd.DataFrame, size: float) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the conventions that a frame has at a size, with their rows."""
    for convention in _LOOK:
        rows = frame[(frame["convention"] == convention) & (frame["size"] == size)]
        if len(rows):
            yield convention, rows


def _note_if_empty(ax: Axes) -> None:
    if not ax.has_data():
        ax.text(0.5, 0.5, NOT_YET, transform=ax.transAxes, ha="center", va="center", color=PALETTE["grey"])


def _finish(figure: Figure, axes: np.ndarray) -> Figure:
    """Return a figure with one legend of all its panels below them, and their letters."""
    for ax in axes.flat:
        _note_if_empty(ax)
    handles = {label: mark for ax in axes.flat for mark, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    if handles:
        figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=min(4, len(handles)))
    letter_panels(list(axes.flat))
    return figure


def residual_distribution_figure(found: pd.DataFrame) -> Figure:
    """Draw how R_wp^2 is distributed: how many crystals have which, and which share is below.

    Args:
        found: the headline's searches, as `solution_outcomes.searched` gives them.
    """
    figure = new_figure(4.9)
    axes = figure.subplots(2, 2)
    edges = np.linspace(0, 1.2, 25)
    for (left, right), size in zip(axes, SIZES, strict=True):
        for convention, rows in _settings(found, size):
            colour, _, line = _LOOK[convention]
            label = f"here, {CONVENTIONS[convention]}"
            values = np.sort(rows["best"].to_numpy())
            counts, _ = np.histogram(np.clip(values, 0, edges[-1]), edges)
            left.stairs(counts / len(values), edges, color=PALETTE[colour], linestyle=line, linewidth=1.3, label=label)
            share = np.arange(1, len(values) + 1) / len(values)
            right.step(np.maximum(values, _FLOOR), share, where="post", color=PALETTE[colour], linestyle=line)
        for ax in (left, right):
            ax.yaxis.set_major_formatter(PercentFormatter(1.0))
            ax.set_title(f"{size:g} Å")
            if not ax.has_data():
                continue
            ax.axvline(
                published_residual("PXRDnet", size)[0], color=PALETTE["black"], linestyle=":",
                label="mean of PXRDnet, published",
            )  # fmt: skip
            ax.axvline(SUCCESS, color=PALETTE["grey"], linewidth=0.8, label="0.1")
        left.set(xlim=(0, 1.2), ylabel="Crystals in a bin")
        right.set(xscale="log", xlim=(_FLOOR, 2), ylim=(0, 1.02), ylabel="Crystals below")
    for ax in axes[-1]:
        ax.set_xlabel(R_LABEL)
    return _finish(figure, axes)


def systems_figure(summary: pd.DataFrame) -> Figure:
    """Draw loose matches by crystal system, a panel a size: among ten filled, at first place open.

    Args:
        summary: as `solution_outcomes.summary` gives it by convention, size and system.
    """
    names = [name.capitalize() for name in SYSTEMS]
    return _by_class(summary.assign(place=[SYSTEMS.index(s) for s in summary["system"]]), names, "Crystal system")


def classes_figure(atoms: pd.DataFrame, free: pd.DataFrame) -> Figure:
    """Draw loose matches by the number of atoms and by that of free coordinates, a row each.

    Args:
        atoms, free: as `solution_outcomes.summary` gives them by convention, size and class.
    """
    figure = new_figure(5.2)
    axes = figure.subplots(2, 2, sharey=True)
    for row, table, label in zip(axes, (atoms, free), ("Atoms in the primitive cell", "Free coordinates"), strict=True):
        names = list(table["class"].cat.categories) if len(table) else []
        placed = table.assign(place=table["class"].cat.codes) if len(table) else table
        _draw_classes(row, placed, names, label)
    return _finish(figure, axes)


def _by_class(table: pd.DataFrame, names: list[str], label: str) -> Figure:
    figure = new_figure(3.4)
    axes = figure.subplots(1, 2, sharey=True)
    _draw_classes(axes, table, names, label)
    for ax in axes:
        ax.tick_params(axis="x", rotation=40)
    return _finish(figure, axes)


def _draw_classes(axes: np.ndarray, table: pd.DataFrame, names: list[str], label: str) -> None:
    for ax, size in zip(axes, SIZES, strict=True):
        for shift, (convention, rows) in enumerate(_settings(table, size) if len(table) else ()):
            colour, marker, _ = _LOOK[convention]
            place = rows["place"].to_numpy() + 0.22 * shift - 0.11
            reach = np.clip(
                [rows["loose_10"] - rows["loose_10_low"], rows["loose_10_high"] - rows["loose_10"]], 0, None
            )
            ax.errorbar(
                place, rows["loose_10"], yerr=reach, color=PALETTE[colour], marker=marker, linestyle="",
                label=f"among ten, {CONVENTIONS[convention]}",
            )  # fmt: skip
            ax.plot(
                place, rows["loose_1"], color=PALETTE[colour], marker=marker, markerfacecolor="white", linestyle="",
                label=f"first, {CONVENTIONS[convention]}",
            )  # fmt: skip
        ax.set(title=f"{size:g} Å", xlabel=label, ylim=(0, 1.05), xlim=(-0.5, max(len(names), 1) - 0.5))
        ax.set_xticks(range(len(names)), names)
        ax.yaxis.set_major_formatter(PercentFormatter(1.0))
        ax.grid(axis="y", color="0.92", linewidth=0.6)
    axes[0].set_ylabel("Loose matches")


def candidates_figure(curve: pd.DataFrame) -> Figure:
    """Draw the share of crystals with a match among the first so many candidates, a panel a size.

    Args:
        curve: as `solution_outcomes.candidate_curve` gives it, of the headline.
    """
    figure = new_figure(2.9)
    axes = figure.subplots(1, 2, sharey=True)
    for ax, size in zip(axes, SIZES, strict=True):
        for convention, rows in _settings(curve, size):
            colour, marker, line = _LOOK[convention]
            for kind, face in (("loose", PALETTE[colour]), ("strict", "white")):
                ax.plot(
                    rows["candidates"], rows[kind], color=PALETTE[colour], marker=marker, linestyle=line,
                    markerfacecolor=face, label=f"{kind}, {CONVENTIONS[convention]}",
                )  # fmt: skip
        ax.set(title=f"{size:g} Å", xlabel="First so many candidates", xlim=(0.5, 20.5))
        ax.set_xticks([1, 5, 10, 15, 20])
        ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        ax.yaxis.set_major_locator(MultipleLocator(0.05))
        ax.grid(axis="y", color="0.92", linewidth=0.6)
    axes[0].set_ylabel("Crystals with a match")
    return _finish(figure, axes)


def library_figure(curve: pd.DataFrame) -> Figure:
    """Draw the share of crystals that prototypes find by the size of the library, and the line on to twice of it.

    Args:
        curve: as `solution_outcomes.library_curve` gives it.
    """
    figure = new_figure(2.9)
    axes = figure.subplots(1, 2, sharey=True)
    for ax, size in zip(axes, SIZES, strict=True):
        for convention, rows in _settings(curve, size):
            colour, marker, line = _LOOK[convention]
            reach = np.clip([rows["rate"] - rows["low"], rows["high"] - rows["rate"]], 0, None)
            ax.errorbar(
                rows["entries"], rows["rate"], yerr=reach, color=PALETTE[colour], marker=marker, linestyle="",
                label=f"loose, among ten, {CONVENTIONS[convention]}",
            )  # fmt: skip
            whole, last = float(rows["entries"].max()), rows.iloc[-1]
            entries = np.array([float(rows["entries"].min()), 2 * whole])
            fitted = last["expected"] + last["slope"] * np.log2(entries / (2 * whole))
            ax.plot(
                entries, fitted, color=PALETTE[colour], linestyle=line, linewidth=0.9, label="line over the logarithm"
            )
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter("{x:,.0f}")
        ax.set(title=f"{size:g} Å", xlabel="Entries in the library", ylim=(0, 1.05))
        ax.yaxis.set_major_formatter(PercentFormatter(1.0))
        ax.grid(axis="y", color="0.92", linewidth=0.6)
    axes[0].set_ylabel("Crystals with a match")
    return _finish(figure, axes)
