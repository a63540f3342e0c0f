"""The figures of what the finite size of crystallites does to a pattern."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from xrdscape.demonstrations.finite_size_effects import SizeComparison
from xrdscape.figures.style import PALETTE, formula, letter_panels, new_figure

Q_LABEL = r"$Q$ (1/Å)"
_PROFILES = {
    "paper": (r"paper, $\mathrm{sinc}^2(Q\tau/2)$", "blue", "-"),
    "reference-code": (r"code, $\mathrm{sinc}^2(Q\tau)$", "vermillion", "--"),
    "gaussian": ("Gaussian alone", "black", ":"),
}
_PLATES = {
    "paper": ("plate as thick as the particle", "blue", "--"),
    "best": ("plate that fits best", "orange", "-."),
}


def size_profile_figure(curves: dict[float, pd.DataFrame]) -> Figure:
    """Return the shape of a peak, a panel a size, by both conventions and for infinite size.

    Args:
        curves: as `finite_size_effects.profile_curves` gives them.
    """
    figure = new_figure(2.7)
    axes = figure.subplots(1, len(curves), sharey=True, squeeze=False)[0]
    for ax, (size, frame) in zip(axes, curves.items(), strict=True):
        for name, (label, colour, line) in _PROFILES.items():
            ax.plot(frame.index, frame[name], color=PALETTE[colour], linestyle=line, label=label)
        ax.set(title=rf"$\tau$ = {size:g} Å", xlabel="Distance from the centre in $Q$ (1/Å)")
    axes[0].set_ylabel("Profile over its maximum")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    letter_panels(list(axes))
    return figure


def size_comparison_figure(comparisons: Sequence[SizeComparison], crystal: str) -> Figure:
    """Return the patterns of one crystal's particles and two approximations to each: a row a size, a column a shape.

    Args:
        comparisons: as `finite_size_effects.size_comparisons` gives them.
        crystal: which to show.
    """
    chosen = [one for one in comparisons if one.crystal == crystal]
    shapes, sizes = (list(dict.fromkeys(getattr(one, part) for one in chosen)) for part in ("shape", "size_angstrom"))
    figure = new_figure(1.7 * len(sizes) + 0.5)
    axes = figure.subplots(len(sizes), len(shapes), sharex=True, sharey=True, squeeze=False)
    for one in chosen:
        ax = axes[sizes.index(one.size_angstrom), shapes.index(one.shape)]
        ax.plot(one.q_inv_angstrom, one.exact, color=PALETTE["black"], label="sum over pairs of atoms")
        ax.plot(
            one.q_inv_angstrom, one.approximate["paper"], color=PALETTE["blue"], linestyle="--",
            label="plate as thick as the particle",
        )  # fmt: skip
        ax.plot(
            one.q_inv_angstrom,
            one.approximate["best"],
            color=PALETTE["orange"],
            linestyle="-.",
            label="plate that fits best",
        )
        ax.set(title=f"{formula(crystal)}, {one.shape} of {one.size_angstrom:g} Å")
    axes[0, 0].set_ylim(bottom=0)
    for ax in axes[-1]:
        ax.set_xlabel(Q_LABEL)
    for ax in axes[:, 0]:
        ax.set_ylabel("Intensity")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    letter_panels(list(axes.flat))
    return figure
