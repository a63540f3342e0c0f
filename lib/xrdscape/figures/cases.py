"""The figure of single cases: cells and patterns of the reference structure, the starting model and refined ones."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from xrdscape.crystal.drawing import best_view, draw_crystal, element_colours, element_legend, same_scale
from xrdscape.figures.style import PALETTE, TWO_THETA, letter_panels, new_figure
from xrdscape.patterns.pattern import Pattern
from xrdscape.study.cases import Case

LABELLED_LINES, LABEL_DISTANCE_DEG = 6, 5.0
"""Number of lines of a pattern that get their indices, and least distance of labelled lines."""


def case_figure(case: Case) -> Figure:
    """Draw the models of one case: cell and pattern, cosine similarity, match (Figure 5, Figure S4).

    Dashed: the reference's cell. Thin line behind: its pattern.
    """
    figure = new_figure(1.95 * len(case.models) + 0.2)
    grid = figure.subplots(len(case.models), 2, width_ratios=[1, 2.1], squeeze=False)
    view, colours = best_view(case.reference), element_colours(case.reference)
    target = case.models[0].pattern
    for (left, right), model in zip(grid, case.models, strict=True):
        is_reference = model is case.models[0]
        draw_crystal(left, model.structure, view, colours, None if is_reference else case.reference)
        if not is_reference:
            right.plot(target.two_theta_deg, 100 * target.intensity / target.intensity.max(),
                       color="0.62", linewidth=0.8)  # fmt: skip
        pattern = model.pattern
        right.plot(pattern.two_theta_deg, 100 * pattern.intensity / pattern.intensity.max(),
                   color=PALETTE["black" if is_reference else "blue"], linewidth=1.0)  # fmt: skip
        _label_lines(right, pattern, model.reflections)
        left.set_title(model.label)
        if not is_reference:
            # Between two panels it could be read as belonging to the upper one.
            status = f"cosine {model.cosine:.2f}, {'match' if model.matched else 'no match'}"
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
    r"""Return Miller indices as crystallographers write them, minus signs on top; spaced where digits or signs would
    join.

    >>> hkl_text(1, 1, 2), hkl_text(10, 0, 2)
    ('$112$', '$10\\,0\\,2$')
    """
    parts = [rf"\overline{{{-i}}}" if i < 0 else str(i) for i in (h, k, l)]
    return "$" + (r"\," if min(h, k, l) < 0 or max(h, k, l) > 9 else "").join(parts) + "$"
