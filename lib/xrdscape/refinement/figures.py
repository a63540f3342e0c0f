"""Figures of a refinement against a measured pattern."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from xrdscape.refinement.fit import Fit
from xrdscape.refinement.prepared import Prepared
from xrdscape.refinement.refinement import DescentPath, Refinement
from xrdscape.runtime.checkpoint import replace_file
from xrdscape.style import PALETTE, TWO_THETA, inline_html, letter_panels, new_figure, styled

# Below the pattern, as shares of its height: the reflections' marks, and the middle of the difference curve.
MARKS, DIFFERENCE = 0.06, 0.2


def refinement_figure(refinement: Refinement) -> Figure:
    """Return the measured pattern with that of the starting model, of equal area, and, below, with that of the refined
    model: background, reflections and difference."""
    fig = new_figure(6.6)
    before, after = fig.subplots(2, 1, sharex=True, height_ratios=(1, 1.5))
    # By least squares, peaks that meet none would vanish: the start is drawn with the area of the measured peaks.
    prepared, start = refinement.pattern, refinement.start_fit
    area = (prepared.intensity - start.background).sum() / start.peaks.sum()
    _draw(before, prepared, replace(start, peaks=area * start.peaks))
    before.set_title(f"Start: cosine {refinement.before.cosine:.3f}, Rwp {refinement.before.Rwp:.1%}")
    draw_fit(after, refinement)
    after.set(xlabel=TWO_THETA, xlim=(prepared.two_theta_deg[0], prepared.two_theta_deg[-1]))
    fig.legend(*after.get_legend_handles_labels(), loc="outside lower center", ncols=5)
    letter_panels([before, after])
    return fig


def draw_fit(ax: Axes, refinement: Refinement) -> None:
    """Draw the measured pattern with that of the refined model: background, reflections and difference."""
    prepared, fit = refinement.pattern, refinement.refined_fit
    _draw(ax, prepared, fit)
    ax.set_title(f"Refined: cosine {refinement.after.cosine:.4f}, Rwp {refinement.after.Rwp:.1%}")
    height, ticks = np.ptp(prepared.intensity), refinement.reflections_deg
    marks = prepared.intensity.min() - MARKS * height
    ax.plot(ticks, np.full(len(ticks), marks), "|", color=PALETTE["black"], markersize=5, label="Reflections")
    rest = prepared.intensity - fit.background - fit.peaks
    middle = marks - max(DIFFERENCE * height, MARKS * height + rest.max())
    ax.axhline(middle, color=PALETTE["grey"], linewidth=0.5)
    ax.plot(prepared.two_theta_deg, rest + middle, color=PALETTE["purple"], linewidth=0.7, label="Difference")


def _draw(ax: Axes, prepared: Prepared, fit: Fit) -> None:
    angle = prepared.two_theta_deg
    ax.plot(angle, prepared.intensity, ".", color=PALETTE["blue"], markersize=1.8, label="Measured")
    ax.plot(angle, fit.background + fit.peaks, color=PALETTE["vermillion"], linewidth=0.8, label="Simulated")
    ax.plot(angle, fit.background, color=PALETTE["grey"], linewidth=0.9, linestyle="--", label="Background")
    ax.set_ylabel("Intensity")


def path_figure(path: DescentPath) -> Figure:
    """Return the loss of the descent that was taken, and how the blur of both patterns narrowed meanwhile."""
    fig = new_figure(3.2)
    loss, blur = fig.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    loss.semilogy(path.steps, 1 + path.loss, color=PALETTE["blue"])
    loss.set_ylabel("1 − cosine similarity")
    blur.step(path.steps, path.blur_deg, where="post", color=PALETTE["black"])
    blur.set(xlabel="Step", ylabel="Blur (deg)", yscale="symlog")
    blur.set_yscale("symlog", linthresh=0.2)
    letter_panels([loss, blur])
    return fig


def write_figure(refinement: Refinement, path: Path) -> None:
    """Write the figure of a refinement as the ending of the path says: .png, .svg or .pdf."""
    with styled():
        replace_file(path, partial(refinement_figure(refinement).savefig, format=path.suffix[1:]))


def fit_picture(refinement: Refinement) -> str:
    """Return the pattern of the refined model on the measured one as HTML."""
    with styled():
        figure = new_figure(3.0, width_in=6.0)
        draw_fit(figure.subplots(), refinement)
        return inline_html(figure, "Measured and simulated pattern, with their difference")
