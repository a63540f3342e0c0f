"""The figure of the reference structures."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure
from pymatgen.core import Structure
from pymatgen.util.string import latexify_spacegroup

from xrdscape.crystal.drawing import draw_crystal, element_colours, element_legend
from xrdscape.figures.style import formula, new_figure


def structures_figure(structures: Sequence[Structure], facts: pd.DataFrame) -> Figure:
    """Draw structures three a row: unit cell, formula, space group (Figure S1).

    Args:
        structures: what to draw.
        facts: their formulas and space groups, in the same order, as `reference_facts` gives them.
    """
    rows = -(-len(structures) // 3)
    figure = new_figure(1.85 * rows)
    axes = figure.subplots(rows, 3, squeeze=False).ravel()
    for ax, structure, fact in zip(axes, structures, facts.to_dict("records"), strict=False):
        draw_crystal(ax, structure)
        element_legend(ax, element_colours(structure))
        group = f"{latexify_spacegroup(fact['space_group'])} ({fact['space_group_number']})"
        ax.set_title(f"{formula(fact['formula'])},  {group}", loc="center")
    for ax in axes[len(structures) :]:
        ax.set_axis_off()
    return figure
