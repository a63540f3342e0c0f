"""Unit cells drawn flat: parallel projection, the cell's edges, one colour an element, far atoms paler than near."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from types import MappingProxyType

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.patches import Circle
from numpy.typing import NDArray
from pymatgen.core import Element, Structure

from xrdscape.style import PALETTE

# The most electronegative element of a crystal gets the first colour, so that oxygen is red as chemists expect.
ELEMENT_COLOURS = ("vermillion", "blue", "yellow", "green", "purple", "sky", "orange", "grey")
RADIUS_SCALE = 0.38
"""Drawn radius over the element's atomic radius: small enough to leave the cell behind visible."""
TURN_DEG, TILT_DEG = 18.0, 13.0
"""Angles by which the view is turned away from the cell's shortest edge, sideways and upwards."""
AT_FACE = 0.02
"""Atoms within this fraction of a face are drawn on the opposite face too, as crystallographers do."""
PALEST = 0.5
"""Share of white that the farthest atom is mixed with."""


@dataclass(frozen=True)
class View:
    """A direction to look from: unit vectors to the right, upwards and towards the viewer, as rows [3, 3]."""

    axes: NDArray[np.float64]

    def project(self, cartesian: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn positions [..., 3] in angstrom into (right, up, towards the viewer)."""
        return cartesian @ self.axes.T


def best_view(structure: Structure) -> View:
    """Look nearly along the shortest cell edge with the longest to the right, so that least is hidden."""
    matrix = structure.lattice.matrix
    _, middle, longest = np.argsort(structure.lattice.abc, kind="stable")
    right = matrix[longest] / np.linalg.norm(matrix[longest])
    up = matrix[middle] - (matrix[middle] @ right) * right
    up /= np.linalg.norm(up)
    straight = np.stack([right, up, np.cross(right, up)])
    turn, tilt = np.radians(TURN_DEG), np.radians(TILT_DEG)
    sideways = np.array([[np.cos(turn), 0, -np.sin(turn)], [0, 1, 0], [np.sin(turn), 0, np.cos(turn)]])
    upwards = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    return View(upwards @ sideways @ straight)


def element_colours(structure: Structure) -> Mapping[str, str]:
    """Return a colour for each element of a crystal, by falling electronegativity."""
    elements = sorted(
        {element.symbol for site in structure for element in site.species}, key=lambda e: (-Element(e).X, e)
    )
    return MappingProxyType({e: PALETTE[ELEMENT_COLOURS[i % len(ELEMENT_COLOURS)]] for i, e in enumerate(elements)})


def with_face_images(structure: Structure) -> tuple[list[str], NDArray[np.float64]]:
    """Return the atoms of one cell and their images on opposite faces, edges and corners.

    Returns:
        Element symbols (the most abundant one of a shared site) and Cartesian positions [n, 3] in angstrom.
    """
    symbols, positions = [], []
    for site in structure:
        symbol = max(site.species.items(), key=lambda item: item[1])[0].symbol
        wrapped = np.mod(site.frac_coords + AT_FACE, 1.0) - AT_FACE
        places = [(x, x + 1) if abs(x) <= AT_FACE else (x,) for x in wrapped]
        for place in product(*places):
            symbols.append(symbol)
            positions.append(structure.lattice.get_cartesian_coords(place))
    return symbols, np.array(positions)


def drawn_radius(symbol: str) -> float:
    """Return the radius of an element's circle in angstrom."""
    return RADIUS_SCALE * float(Element(symbol).atomic_radius or 1.5)


def draw_crystal(
    ax: Axes,
    structure: Structure,
    view: View | None = None,
    colours: Mapping[str, str] | None = None,
    outline: Structure | None = None,
) -> None:
    """Draw one unit cell into an axes, to scale in angstrom.

    Args:
        ax: where to draw; its frame is removed.
        structure: the crystal.
        view: the direction to look from; chosen for this cell if left out.
        colours: one an element; chosen for this crystal if left out.
        outline: another crystal whose cell is drawn dashed behind, from the same origin.
    """
    view = view or best_view(structure)
    colours = colours or element_colours(structure)
    if outline is not None:
        _draw_edges(ax, outline, view, PALETTE["grey"], "--", behind=True)
    _draw_edges(ax, structure, view, PALETTE["black"], "-", behind=False)
    _label_edges(ax, structure, view)
    symbols, positions = with_face_images(structure)
    placed = view.project(positions)
    depth = placed[:, 2]
    far = (depth.max() - depth) / max(float(np.ptp(depth)), 1e-9)
    for symbol, (x, y, z), distance in zip(symbols, placed, far, strict=True):
        colour = (1 - PALEST * distance) * np.array(to_rgb(colours[symbol])) + PALEST * distance
        edge = str(0.55 * distance)
        look = {"facecolor": colour, "edgecolor": edge, "linewidth": 0.5, "zorder": 3 + 0.01 * z}
        ax.add_patch(Circle((x, y), drawn_radius(symbol), **look))
    ax.set_aspect("equal")
    ax.set_axis_off()
    ax.autoscale_view()


def element_legend(ax: Axes, colours: Mapping[str, str], anchor: tuple[float, float] = (0.5, -0.05)) -> None:
    """Write the elements and their colours in one line under a drawing."""
    handles = [
        Line2D([], [], marker="o", linestyle="", markersize=5.5, markerfacecolor=c, markeredgecolor="black",
               markeredgewidth=0.5, label=e)
        for e, c in colours.items()
    ]  # fmt: skip
    ax.legend(
        handles=handles, loc="upper center", bbox_to_anchor=anchor, ncols=len(handles), handletextpad=0.0,
        columnspacing=0.7, borderpad=0.0, borderaxespad=0.2,
    )  # fmt: skip


def same_scale(axes: Sequence[Axes]) -> None:
    """Show several drawings at one scale, in a window that holds each of them."""
    boxes = [(ax.get_xlim(), ax.get_ylim()) for ax in axes]
    x = (min(b[0][0] for b in boxes), max(b[0][1] for b in boxes))
    y = (min(b[1][0] for b in boxes), max(b[1][1] for b in boxes))
    for ax in axes:
        ax.set_xlim(*x)
        ax.set_ylim(*y)


def _draw_edges(ax: Axes, structure: Structure, view: View, colour: str, style: str, behind: bool) -> None:
    corners = np.array(list(product((0, 1), repeat=3)))
    placed = view.project(corners @ structure.lattice.matrix)
    farthest = int(placed[:, 2].argmin())
    for ends in map(list, combinations(range(8), 2)):
        if np.abs(corners[ends[0]] - corners[ends[1]]).sum() != 1:
            continue
        hidden = farthest in ends
        ax.plot(
            placed[ends, 0], placed[ends, 1], style, color=colour,
            linewidth=0.5 if hidden or behind else 0.9, alpha=0.6 if hidden else 1.0,
            zorder=1 if behind else (2 if hidden else 2.999 + 0.01 * placed[ends, 2].min()),
        )  # fmt: skip


def _label_edges(ax: Axes, structure: Structure, view: View) -> None:
    """Write a, b, c beside edges of the drawing's silhouette, the lower one where two are parallel."""
    matrix = view.project(structure.lattice.matrix)[:, :2]
    centre = matrix.sum(0) / 2
    for axis, name in enumerate("abc"):
        others = [v for i, v in enumerate(matrix) if i != axis]
        along = matrix[axis] / max(float(np.linalg.norm(matrix[axis])), 1e-9)
        middles = np.array([matrix[axis] / 2 + i * others[0] + j * others[1] for i, j in product((0, 1), repeat=2)])
        sideways = (middles - centre) - np.outer((middles - centre) @ along, along)
        distance = np.linalg.norm(sideways, axis=1)
        outer = np.flatnonzero(distance > distance.max() - 1e-6)
        chosen = outer[middles[outer, 1].argmin()]
        ax.annotate(
            name, middles[chosen], xytext=10 * sideways[chosen] / max(float(distance[chosen]), 1e-9),
            textcoords="offset points", ha="center", va="center", fontsize=8, fontstyle="italic", zorder=4,
        )  # fmt: skip
