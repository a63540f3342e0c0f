"""The figure of form factors by different sources."""

import pandas as pd
from matplotlib.figure import Figure

from xrdscape.diffraction.form_factors import FormFactorSource
from xrdscape.figures.style import PALETTE, letter_panels, new_figure

LABELS: dict[FormFactorSource, str] = {
    "electron": "paper (pymatgen's table)",
    "international-tables": "International Tables C",
    "waasmaier-kirfel": "Waasmaier & Kirfel",
}
STYLES: dict[FormFactorSource, tuple[str, str]] = {
    "electron": ("vermillion", "-"),
    "international-tables": ("blue", "--"),
    "waasmaier-kirfel": ("black", ":"),
}


def form_factor_sources_figure(curves: dict[FormFactorSource, pd.DataFrame], end: float) -> Figure:
    """Return form factors against s, a panel an element, a curve a source.

    Args:
        curves: as `form_factor_effects.source_curves` gives them.
        end: s that is marked, 1/angstrom.
    """
    elements = list(next(iter(curves.values())).columns)
    rows = -(-len(elements) // 2)
    figure = new_figure(2.1 * rows + 0.6)
    axes = figure.subplots(rows, 2, sharex=True, squeeze=False).ravel()
    for ax, element in zip(axes, elements, strict=False):
        for source, table in curves.items():
            colour, line = STYLES[source]
            values = table[element].where(table[element] > 0)
            ax.plot(table.index, values, color=PALETTE[colour], linestyle=line, label=LABELS[source])
        ax.axvline(end, color=PALETTE["grey"], linewidth=0.8, linestyle="--")
        ax.set(yscale="log", ylabel=f"$f$ of {element} (electrons)", xlim=(0, table.index[-1]))
    for ax in axes[len(elements) :]:
        ax.set_axis_off()
    for ax in axes[max(0, len(elements) - 2) : len(elements)]:
        ax.tick_params(labelbottom=True)
        ax.set_xlabel(r"$s = \sin\theta/\lambda$ (1/Å)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    letter_panels(list(axes[: len(elements)]))
    return figure
