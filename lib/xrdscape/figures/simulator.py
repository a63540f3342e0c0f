"""Figures of the simulator: its equations drawn for a real structure."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pymatgen.core import Element

from xrdscape.diffraction.instrument import PAPER_INSTRUMENT, Instrument
from xrdscape.figures.style import PALETTE, PARAMETER_LABELS, TWO_THETA, joined_indices, letter_panels, new_figure
from xrdscape.patterns.pattern import Pattern


def form_factor_figure(curves: pd.DataFrame, instrument: Instrument | None = None) -> Figure:
    """Draw the form factors against s, and as a share of Z; the heaviest element first in the legend.

    Args:
        curves: as `curves.form_factor_curves` gives them.
        instrument: marks the largest s that its range reaches.
    """
    instrument = instrument or PAPER_INSTRUMENT
    end, s = instrument.max_reciprocal_length / 2, curves.index.to_numpy()
    colours = mpl.colormaps["viridis"](np.linspace(0, 0.92, len(curves.columns)))
    fig = new_figure(3.7)
    absolute, relative = fig.subplots(1, 2)
    for symbol, colour in zip(curves.columns, colours, strict=True):
        absolute.plot(s, curves[symbol], color=colour, label=f"{symbol} ({Element(symbol).Z})")
        relative.plot(s, curves[symbol] / Element(symbol).Z, color=colour)
    for ax in (absolute, relative):
        ax.axvline(end, color=PALETTE["grey"], linewidth=0.8, linestyle="--")
        ax.set(xlabel=r"$s = \sin\theta/\lambda$ (1/Å)", xlim=(0, s[-1]))
    absolute.set(yscale="log", ylabel="$f(s)$ (electrons)")
    relative.set(ylabel="$f(s)/Z$", ylim=(0, 1.03))
    note = f"$2\\theta$ = {instrument.two_theta_max_deg:g}°"
    relative.annotate(note, (end, 1.0), (-4, 0), textcoords="offset points", ha="right", va="top", fontsize=8)
    fig.legend(
        *absolute.get_legend_handles_labels(),
        loc="outside right upper",
        title="Element ($Z$)",
        handlelength=1.3,
        labelspacing=0.35,
    )
    letter_panels([absolute, relative])
    return fig


def lorentz_polarisation_figure(curve: pd.DataFrame, instrument: Instrument | None = None) -> Figure:
    """Draw the Lorentz-polarisation factor over the range, with its two parts.

    Args:
        curve: as `curves.lorentz_polarisation_curve` gives it.
        instrument: its range is marked.
    """
    instrument = instrument or PAPER_INSTRUMENT
    two_theta, product, polarisation = (curve[name] for name in ("two_theta_deg", "product", "polarisation"))
    fig = new_figure(2.7, width_in=5.0)
    ax = fig.subplots()
    ax.plot(two_theta, product, color=PALETTE["blue"], linewidth=1.8, label="product")
    ax.plot(two_theta, product / polarisation, "--", color=PALETTE["orange"], label=r"$1/(\sin^2\theta\,\cos\theta)$")
    ax.plot(two_theta, polarisation, ":", color=PALETTE["green"], linewidth=1.8, label=r"$1 + \cos^2 2\theta$")
    ax.axvspan(instrument.two_theta_max_deg, 180, color=PALETTE["grey"], alpha=0.15, linewidth=0)
    ax.text(178, 350, "outside the range", fontsize=8, color=PALETTE["grey"], ha="right")
    ax.set(yscale="log", xlabel=TWO_THETA, ylabel="Factor", xlim=(0, 180), ylim=(0.7, 1500))
    ax.set_xticks(range(0, 181, 30))
    ax.legend(loc="upper center", bbox_to_anchor=(0.34, 1.0))
    return fig


def width_figure(curve: pd.DataFrame) -> Figure:
    """Draw the full width at half maximum over the range, with the three terms of its square.

    Args:
        curve: as `curves.width_curve` gives it.
    """
    fig = new_figure(2.6)
    left, right = fig.subplots(1, 2)
    left.plot(curve["two_theta_deg"], curve["fwhm_deg"], color=PALETTE["blue"])
    left.set(xlabel=TWO_THETA, ylabel="FWHM $H$ (deg)", ylim=(0, None), title="Width")
    colours = [PALETTE["sky"], PALETTE["orange"], PALETTE["green"]]
    labels = ["$W$", r"$V\,\tan\theta$", r"$U\,\tan^2\theta$"]
    parts = [curve[name].to_numpy() for name in "WVU"]
    right.stackplot(curve["two_theta_deg"], *parts, labels=labels, colors=colours, linewidth=0)
    right.set(xlabel=TWO_THETA, ylabel="$H^2$ (deg$^2$)", title="The terms of its square")
    right.legend(loc="upper left", reverse=True)
    letter_panels([left, right])
    return fig


def peak_shape_figure(
    centre: pd.DataFrame, tails: pd.DataFrame, two_theta_deg: float, instrument: Instrument
) -> Figure:
    """Draw the pseudo-Voigt peak and its two parts at one angle, on a linear and a logarithmic scale.

    Args:
        centre, tails: near the centre and far from it, as `curves.peak_shape_curves` gives them.
        two_theta_deg: the angle.
        instrument: whose peak it is.
    """
    looks = {
        "gaussian": ("Gaussian", PALETTE["orange"], "--"),
        "lorentzian": ("Lorentzian", PALETTE["green"], ":"),
        "pseudo_voigt": (f"pseudo-Voigt, $\\eta$ = {instrument.eta:g}", PALETTE["blue"], "-"),
    }
    fig = new_figure(2.9)
    axes = fig.subplots(1, 2)
    for ax, curves in zip(axes, (centre, tails), strict=True):
        offset = curves["offset_deg"]
        for name, (label, colour, line) in looks.items():
            ax.plot(offset, curves[name], line, color=colour, label=label, linewidth=1.5)
        ax.set(xlabel=r"$2\theta - 2\theta_0$ (deg)", ylabel="Height", xlim=(offset.iloc[0], offset.iloc[-1]))
    half = float(instrument.fwhm_deg(torch.tensor(two_theta_deg, dtype=torch.float64))) / 2
    axes[0].annotate(
        "", (-half, 0.5), (half, 0.5), arrowprops={"arrowstyle": "<->", "shrinkA": 0, "shrinkB": 0, "linewidth": 0.8}
    )
    axes[0].annotate(f"$H$ = {2 * half:.2f}°", (half, 0.5), (5, 0), textcoords="offset points", va="center")
    axes[1].set(yscale="log", ylim=(1e-5, 2))
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    axes[0].set_title(f"Near the centre ($2\\theta_0$ = {two_theta_deg:g}°)")
    axes[1].set_title("The tails")
    letter_panels(axes)
    return fig


def pattern_figure(
    pattern: Pattern, title: str | None = None, table: pd.DataFrame | None = None, labels: int = 12
) -> Figure:
    """Draw a pattern scaled to maximum 100.

    Args:
        pattern: to draw.
        title: above the figure.
        table: its reflections, from `reflection_table`, drawn as sticks; the strongest are labelled with their hkl.
        labels: how many to label.
    """
    fig = new_figure(2.8)
    ax = fig.subplots()
    scaled = 100 * pattern.intensity / pattern.intensity.max()
    ax.plot(pattern.two_theta_deg, scaled, color=PALETTE["blue"], linewidth=1.0)
    top = 108.0
    if table is not None:
        ax.vlines(table["two_theta_deg"], -9, -3, color=PALETTE["vermillion"], linewidth=0.7)
        label_reflections(ax, pattern, table, labels)
        top = 132.0
    ax.set(xlabel=TWO_THETA, ylabel="Intensity (maximum 100)", ylim=(-11 if table is not None else -2, top))
    ax.set_xlim(pattern.two_theta_deg[0], pattern.two_theta_deg[-1])
    ax.set_yticks(range(0, 101, 25))
    if title is not None:
        ax.set_title(title)
    return fig


def label_reflections(ax: Axes, pattern: Pattern, table: pd.DataFrame, count: int, gap_deg: float = 1.6) -> None:
    """Write hkl above the strongest peaks of a pattern drawn with maximum 100; none closer than `gap_deg`."""
    scaled = 100 * pattern.intensity / pattern.intensity.max()
    taken: list[float] = []
    strongest = table.nlargest(4 * count, "intensity")
    angles, indices = strongest["two_theta_deg"].to_numpy(), strongest[["h", "k", "l"]].to_numpy().tolist()
    for angle, hkl in zip(angles, indices, strict=True):
        if len(taken) == count or any(abs(angle - other) < gap_deg for other in taken):
            continue
        taken.append(float(angle))
        height = float(np.interp(angle, pattern.two_theta_deg, scaled))
        ax.annotate(
            joined_indices(hkl), (angle, height), (0, 3), textcoords="offset points", ha="center", va="bottom",
            rotation=90, fontsize=7,
        )  # fmt: skip


def pymatgen_agreement_figure(lines: pd.DataFrame) -> Figure:
    """Draw differences to pymatgen line by line, in angle and in relative intensity.

    Args:
        lines: from `derivation.pymatgen_lines`.
    """
    fig = new_figure(2.9)
    axes = fig.subplots(1, 2, sharex=True)
    columns = ("angle_difference_deg", "intensity_difference")
    names = ("Difference in $2\\theta$ (deg)", "Relative difference in intensity")
    # An exact agreement has no place on a logarithmic axis: it is drawn at the spacing of float64 numbers near 1.
    floor = float(np.finfo(float).eps) / 4
    for ax, column, name, colour in zip(axes, columns, names, (PALETTE["blue"], PALETTE["vermillion"]), strict=True):
        shown = lines[column].clip(lower=floor)
        ax.scatter(lines["two_theta_deg"], shown, s=7, color=colour, alpha=0.5, linewidth=0)
        ax.axhline(1e-6, color=PALETTE["grey"], linestyle="--", linewidth=0.8)
        ax.text(1, 1.6e-6, "tolerance of the tests: $10^{-6}$", fontsize=8, color=PALETTE["grey"])
        ax.set(yscale="log", ylim=(floor / 3, 1e-4), xlim=(0, 90), xlabel=TWO_THETA, ylabel=name)
    letter_panels(axes)
    return fig


def edge_figure(strain: np.ndarray, sharp: np.ndarray, tapered: np.ndarray, crossings: pd.DataFrame) -> Figure:
    """Draw the loss along an isotropic strain with the sharp cut and with a taper, whole and around the largest jump.

    Args:
        strain: relative change of the lengths, [n].
        sharp, tapered: cosine loss for the two edges, [n].
        crossings: of the sharp edge, from `derivation.edge_crossings`.
    """
    fig = new_figure(2.9)
    left, right = fig.subplots(1, 2)
    largest = int(crossings["jump"].abs().to_numpy().argmax())
    worst, jump = crossings[["strain", "jump"]].to_numpy()[largest]
    half = 0.0025
    near = np.abs(strain - worst) <= half
    pieces = np.split(np.arange(len(strain)), np.searchsorted(strain, crossings["strain"]))
    for ax in (left, right):
        for number, piece in enumerate(pieces):
            label = "sharp cut" if number == 0 else None
            ax.plot(100 * strain[piece], sharp[piece], color=PALETTE["blue"], label=label)
        ax.plot(100 * strain, tapered, "--", color=PALETTE["vermillion"], label="taper")
        ax.set(xlabel="Isotropic strain (%)", ylabel="Cosine loss")
    for value in crossings["strain"]:
        left.axvline(100 * value, color=PALETTE["grey"], linewidth=0.7, linestyle=":")
    right.axvline(100 * worst, color=PALETTE["grey"], linewidth=0.7, linestyle=":")
    shown = np.concatenate([sharp[near], tapered[near]])
    pad = 0.08 * np.ptp(shown)
    right.set_xlim(100 * (worst - half), 100 * (worst + half))
    right.set_ylim(shown.min() - pad, shown.max() + pad)
    left.legend(loc="lower left")
    left.set_title("Crossings dotted")
    right.set_title(f"The largest jump, {abs(jump):.4f}")
    letter_panels([left, right])
    return fig


def gradient_figure(pattern_slope: pd.DataFrame, loss_slope: pd.DataFrame, parameter: str) -> Figure:
    """Draw derivatives by differentiation as lines, by finite difference as points.

    Args:
        pattern_slope: from `derivation.pattern_derivative`.
        loss_slope: from `derivation.loss_derivative`.
        parameter: the lattice parameter, a name of `landscape.PARAMETER_NAMES`.
    """
    fig = new_figure(4.6)
    top, bottom = fig.subplots(2, 1)
    symbol, unit = PARAMETER_LABELS[parameter].rstrip(")").split(" (")
    steepest = int(pattern_slope["autograd"].abs().to_numpy().argmax())
    centre, scale = pattern_slope[["two_theta_deg", "autograd"]].abs().to_numpy()[steepest]
    near = pattern_slope[(pattern_slope["two_theta_deg"] - centre).abs() < 6]
    _line_and_points(top, near["two_theta_deg"], near, scale, 6)
    top.set(xlabel=TWO_THETA, ylabel=f"d$I$/d{symbol} (maximum 1)", title="The pattern, around its steepest peak")
    _line_and_points(bottom, loss_slope["value"], loss_slope, 1.0, max(1, len(loss_slope) // 60))
    bottom.axhline(0, color=PALETTE["grey"], linewidth=0.6)
    bottom.set(xlabel=PARAMETER_LABELS[parameter], ylabel=f"d$L$/d{symbol} (1/{unit})", title="The cosine loss")
    top.legend(loc="upper left", ncols=2)
    letter_panels([top, bottom])
    return fig


def _line_and_points(ax: Axes, x: pd.Series, slopes: pd.DataFrame, scale: float, every: int) -> None:
    ax.plot(x, slopes["autograd"] / scale, color=PALETTE["blue"], label="automatic differentiation")
    picked = slice(None, None, every)
    ax.plot(
        x[picked], slopes["difference"][picked] / scale, "o", color=PALETTE["vermillion"], markersize=2.8,
        label="finite difference",
    )  # fmt: skip
    ax.set_xlim(x.iloc[0], x.iloc[-1])
