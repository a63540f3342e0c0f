"""Figures of a solution: a candidate's cell, and its pattern on the measured one."""

from matplotlib.figure import Figure
from pymatgen.core import Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from xrdscape.crystal.drawing import draw_crystal, element_colours, element_legend
from xrdscape.solution.facts import SYMPREC_ANGSTROM
from xrdscape.solution.solution import Ranked
from xrdscape.style import PALETTE, new_figure

Q_LABEL = r"Scattering vector $Q$ (Å$^{-1}$)"
MOST_DRAWN = 60
"""Atoms of a conventional cell up to which that is drawn, not the primitive one."""
BELOW = 0.06
"""Room between the pattern and its difference curve, as a share of the maximum."""


def pattern_figure(row: Ranked) -> Figure:
    """Return the measured pattern over Q with that of a candidate, both by the maximum, and their difference below."""
    figure = new_figure(2.6, width_in=6.4)
    ax = figure.subplots()
    q, top = row.q_inv_angstrom, row.measured.max()
    measured, calculated = row.measured / top, row.calculated / top
    rest = measured - calculated
    middle = -BELOW - max(float(rest.max()), 0.03)
    ax.plot(q, measured, ".", color=PALETTE["blue"], markersize=2.2, label="Measured")
    ax.plot(q, calculated, color=PALETTE["vermillion"], linewidth=0.9, label="Calculated")
    ax.axhline(middle, color=PALETTE["grey"], linewidth=0.5)
    ax.plot(q, rest + middle, color=PALETTE["purple"], linewidth=0.8, label="Difference")
    ax.set(xlabel=Q_LABEL, ylabel="Intensity", xlim=(q[0], q[-1]))
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def drawn_cell(structure: Structure) -> Structure:
    """Return the conventional cell of a crystal, or the crystal as it is where that is large or not found."""
    try:
        found = SpacegroupAnalyzer(structure, SYMPREC_ANGSTROM).get_conventional_standard_structure()
    except Exception:  # pymatgen and spglib raise errors of many kinds for odd crystals
        return structure
    return found if len(structure) < len(found) <= MOST_DRAWN else structure


def cell_figure(structure: Structure) -> Figure:
    """Return a drawing of a unit cell with the colours of its elements."""
    figure = new_figure(2.5, width_in=2.5)
    ax = figure.subplots()
    draw_crystal(ax, structure)
    element_legend(ax, element_colours(structure))
    return figure
