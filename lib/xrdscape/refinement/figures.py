"""Figures of a refinement against a measured pattern."""

from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from xrdscape.diffraction.pattern import reflection_table
from xrdscape.patterns.measured import Values
from xrdscape.patterns.prepare import Prepared
from xrdscape.refinement.fit import Fit, shifted
from xrdscape.refinement.refine import Path, Refinement
from xrdscape.style import PALETTE, TWO_THETA, letter_panels, new_figure

# Below the pattern, as shares of its height: the reflections' marks, and the middle of the difference curve.
MARKS, DIFFERENCE = 0.06, 0.2


def tick_positions(prepared: Prepared, refinement: Refinement) -> Values:
    """Measured angles of the reflections of the refined crystal inside the range, deg."""
    shape = refinement.end_fit.shape
    angles = reflection_table(refinement.end, shifted(prepared.instrument, shape))["two_theta_deg"].to_numpy()
    return angles[angles + shape.zero_deg >= prepared.two_theta_deg[0]] + shape.zero_deg


def refinement_figure(prepared: Prepared, refinement: Refinement) -> Figure:
    """The measured pattern with that of the start, of equal area, and, below, with that of the refined crystal:
    background, reflections and difference."""
    fig = new_figure(6.6)
    before, after = fig.subplots(2, 1, sharex=True, height_ratios=(1, 1.5))
    # By least squares, peaks that meet none would vanish: the start is drawn with the area of the measured peaks.
    start = refinement.start_fit
    area = (prepared.intensity - start.background).sum() / start.peaks.sum()
    _draw(before, prepared, replace(start, peaks=area * start.peaks))
    before.set_title(f"Start: cosine {refinement.before.cosine:.3f}, Rwp {refinement.before.Rwp:.1%}")
    _draw(after, prepared, refinement.end_fit)
    after.set_title(f"Refined: cosine {refinement.after.cosine:.4f}, Rwp {refinement.after.Rwp:.1%}")
    fit, height = refinement.end_fit, np.ptp(prepared.intensity)
    ticks = tick_positions(prepared, refinement)
    low = prepared.intensity.min()
    marks = low - MARKS * height
    after.plot(ticks, np.full(len(ticks), marks), "|", color=PALETTE["black"], markersize=5, label="Reflections")
    rest = prepared.intensity - fit.background - fit.peaks
    middle = marks - max(DIFFERENCE * height, MARKS * height + rest.max())
    after.axhline(middle, color=PALETTE["grey"], linewidth=0.5)
    after.plot(prepared.two_theta_deg, rest + middle, color=PALETTE["purple"], linewidth=0.7, label="Difference")
    after.set(xlabel=TWO_THETA, xlim=(prepared.two_theta_deg[0], prepared.two_theta_deg[-1]))
    fig.legend(*after.get_legend_handles_labels(), loc="outside lower center", ncols=5)
    letter_panels([before, after])
    return fig


def _draw(ax: Axes, prepared: Prepared, fit: Fit) -> None:
    angle = prepared.two_theta_deg
    ax.plot(angle, prepared.intensity, ".", color=PALETTE["blue"], markersize=1.8, label="Measured")
    ax.plot(angle, fit.background + fit.peaks, color=PALETTE["vermillion"], linewidth=0.8, label="Simulated")
    ax.plot(angle, fit.background, color=PALETTE["grey"], linewidth=0.9, linestyle="--", label="Background")
    ax.set_ylabel("Intensity")


def path_figure(path: Path) -> Figure:
    """The loss of the descent that was taken, and how the blur of both patterns narrowed meanwhile."""
    fig = new_figure(3.2)
    loss, blur = fig.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    loss.semilogy(path.steps, 1 + path.loss, color=PALETTE["blue"])
    loss.set_ylabel("1 − cosine similarity")
    blur.step(path.steps, path.blur_deg, where="post", color=PALETTE["black"])
    blur.set(xlabel="Step", ylabel="Blur (deg)", yscale="symlog")
    blur.set_yscale("symlog", linthresh=0.2)
    letter_panels([loss, blur])
    return fig
