"""Figures of single crystals in structure solution: patterns of nanocrystals, a search step by step, cells and
patterns beside the truth."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from xrdscape.crystal.drawing import best_view, draw_crystal, element_colours, element_legend
from xrdscape.demonstrations.nano_residuals import NanoSteps
from xrdscape.demonstrations.solving import Descent
from xrdscape.figures.style import PALETTE, formula, letter_panels, new_figure
from xrdscape.solution.figures import drawn_cell
from xrdscape.study.solution_examples import Example
from xrdscape.tables.solution import CONVENTIONS, NOT_YET

Q_LABEL = r"$Q$ (1/Å)"
_MATCH = {"strict": "strict match", "loose": "loose match", "none": "no match"}


def nano_steps_figure(steps: Sequence[NanoSteps]) -> Figure:
    """Draw a crystal's patterns at each size, a row each, by both conventions, a column each.

    Args:
        steps: as `nano_residuals.nano_steps` gives them.
    """
    sizes = list(dict.fromkeys(one.size_angstrom for one in steps))
    conventions = list(dict.fromkeys(one.convention for one in steps))
    figure = new_figure(1.9 * len(sizes) + 0.4)
    axes = figure.subplots(len(sizes), len(conventions), sharex=True, sharey=True, squeeze=False)
    for one in steps:
        ax = axes[sizes.index(one.size_angstrom), conventions.index(one.convention)]
        ax.plot(one.fine_q_inv_angstrom, one.sharp, color="0.6", linewidth=0.8, label="large crystal")
        ax.plot(one.fine_q_inv_angstrom, one.filtered, color=PALETTE["purple"], linewidth=1.0, label=r"with sinc$^2$")
        ax.plot(
            one.q_inv_angstrom, one.given, color=PALETTE["black"], linestyle="--", linewidth=1.2,
            label="and a Gaussian: as it is given",
        )  # fmt: skip
        ax.set(title=f"{formula(one.crystal)}, {one.size_angstrom:g} Å, {CONVENTIONS[one.convention]}", ylim=(0, 1.05))
    for ax in axes[-1]:
        ax.set_xlabel(Q_LABEL)
    for ax in axes[:, 0]:
        ax.set_ylabel("Intensity")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    letter_panels(list(axes.flat))
    return figure


def descent_figure(descent: Descent) -> Figure:
    """Draw the scan of a library's entry over sizes of its cell, and its pattern before and after each leg.

    Args:
        descent: as `solving.descent_to_first` gives it.
    """
    panels = 1 + len(descent.stages)
    rows = -(-panels // 2)
    figure = new_figure(1.75 * rows + 0.4)
    axes = figure.subplots(rows, 2, squeeze=False).ravel()
    axes[0].plot(descent.scales, descent.shares, marker="o", color=PALETTE["blue"])
    axes[0].set(
        title="Scan under the widest blur", xlabel="Edges over the expected ones", ylabel="Unexplained", ylim=(0, None)
    )
    for ax, stage in zip(axes[1:], descent.stages, strict=False):
        ax.plot(stage.q_inv_angstrom, stage.measured, color="0.65", linewidth=2.6, label="pattern")
        ax.plot(stage.q_inv_angstrom, stage.before, color=PALETTE["orange"], linestyle="--", label="crystal before")
        ax.plot(stage.q_inv_angstrom, stage.after, color=PALETTE["blue"], linewidth=1.0, label="crystal after")
        blur = f"blur {stage.blur:.2f} 1/Å" if stage.blur > 1e-6 else "no blur"
        ax.set(title=f"{stage.name.capitalize()}, {blur}: {100 * stage.residual:.2g} % left", xlabel=Q_LABEL, yticks=[])
    for ax in axes[panels:]:
        ax.set_axis_off()
    figure.legend(*axes[1].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    letter_panels(axes[:panels])
    return figure


def examples_figure(examples: Sequence[Example]) -> Figure:
    """Draw crystals, a row each: the truth's cell, the first candidate's, and the sharp patterns of both.

    Args:
        examples: as `solution_examples` gives them; none leaves a note.
    """
    count = max(len(examples), 1)
    figure = new_figure(1.95 * count + 0.3)
    grid = figure.subplots(count, 3, squeeze=False, width_ratios=[1, 1, 2])
    if not examples:
        for ax in grid.flat:
            ax.set_axis_off()
        grid[0, 1].text(0.5, 0.5, NOT_YET, ha="center", va="center", color=PALETTE["grey"])
        return figure
    for (left, middle, right), one in zip(grid, examples, strict=True):
        colours = element_colours(one.truth)
        for ax, structure, title in (
            (left, one.truth, formula(one.formula)),
            (middle, one.candidate, "first candidate"),
        ):
            cell = drawn_cell(structure)
            draw_crystal(ax, cell, best_view(cell), colours)
            ax.set_title(title)
        element_legend(left, colours, (0.5, -0.12))
        _draw_patterns(right, one)
    grid[-1, 2].set_xlabel(Q_LABEL)
    figure.legend(*grid[0, 2].get_legend_handles_labels(), loc="outside lower right", ncols=2)
    letter_panels(grid[:, 0])
    return figure


def _draw_patterns(ax: Axes, one: Example) -> None:
    ax.plot(one.q_inv_angstrom, one.true_pattern, color="0.65", linewidth=2.0, label="truth")
    ax.plot(one.q_inv_angstrom, one.pattern, color=PALETTE["vermillion"], linewidth=0.8, label="first candidate")
    verdict = "solved" if one.solved else "not solved"
    ax.set_title(rf"$R_\mathrm{{wp}}^2$ = {one.residual:.2g}, {_MATCH[one.match]}, called {verdict}")
    seen = one.q_inv_angstrom[one.true_pattern > 1e-3]
    ax.set(yticks=[], xlim=(0, min(float(seen.max()) + 0.2, float(one.q_inv_angstrom[-1]))), ylim=(0, 1.05))
