"""Figures of cells: lattice planes and the reciprocal lattice, and what the projectors do to a cell."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle
from pymatgen.core import Structure

from xrdscape.diffraction.instrument import PAPER_INSTRUMENT, Instrument
from xrdscape.figures.style import PALETTE, PARAMETER_LABELS, formula, joined_indices, letter_panels, new_figure

LABEL_BOX = {"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}


def lattice_planes_figure(
    structure: Structure, hkl: tuple[int, int, int], instrument: Instrument | None = None
) -> Figure:
    """Draw the a-c plane of a cell with one family of planes (h0l), and the same plane of reciprocal space.

    Args:
        structure: a crystal whose b axis is perpendicular to a and c.
        hkl: the planes to draw; k must be 0.
        instrument: gives the radius of the limiting sphere.
    """
    instrument = instrument or PAPER_INSTRUMENT
    fig = new_figure(3.7)
    left, right = fig.subplots(1, 2, width_ratios=[1.0, 1.08])
    basis = _plane_basis(structure)
    _draw_direct(left, basis, hkl)
    _draw_reciprocal(right, basis, hkl, structure, instrument)
    letter_panels([left, right])
    return fig


def _plane_basis(structure: Structure) -> np.ndarray:
    """Return a and c as rows in a plane with a along x, angstrom."""
    a, _, c = structure.lattice.abc
    beta = np.radians(structure.lattice.beta)
    return np.array([[a, 0.0], [c * np.cos(beta), c * np.sin(beta)]])


def _draw_direct(ax: Axes, basis: np.ndarray, hkl: tuple[int, int, int]) -> None:
    steps = np.stack(np.meshgrid(np.arange(-9, 10), np.arange(-9, 10), indexing="ij"), -1).reshape(-1, 2)
    points = steps @ basis
    normal = np.linalg.inv(basis) @ np.array([hkl[0], hkl[2]])
    spacing = 1 / np.linalg.norm(normal)
    along = np.array([-normal[1], normal[0]]) * spacing
    for n in range(-40, 41):
        foot = n * spacing**2 * normal
        ends = np.array([foot - 60 * along, foot + 60 * along])
        ax.plot(*ends.T, color=PALETTE["sky"], linewidth=0.8, zorder=1)
    ax.scatter(points[:, 0], points[:, 1], s=16, color=PALETTE["black"], zorder=3)
    cell = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]) @ basis
    ax.plot(*cell.T, color=PALETTE["grey"], linewidth=1.0, zorder=2)
    for vector, name in zip(basis, "ac", strict=True):
        _arrow(ax, vector, rf"$\mathbf{{{name}}}$", PALETTE["black"])
    centre, half = cell[:4].mean(0), 0.68 * float(np.ptp(cell, axis=0).max())
    ax.set(xlim=(centre[0] - half, centre[0] + half), ylim=(centre[1] - half, centre[1] + half), aspect="equal")
    ax.set(xlabel=r"$x$ (Å)", ylabel=r"$z$ (Å)")
    ax.set_title(f"Planes ({joined_indices(hkl)}), $d$ = {spacing:.3f} Å")


def _draw_reciprocal(
    ax: Axes, basis: np.ndarray, hkl: tuple[int, int, int], structure: Structure, instrument: Instrument
) -> None:
    dual = np.linalg.inv(basis).T
    radius = instrument.max_reciprocal_length
    reach = [int(np.ceil(1.35 * radius * np.linalg.norm(row))) for row in basis]
    h, l = np.meshgrid(*(np.arange(-n, n + 1) for n in reach), indexing="ij")  # noqa: E741
    points = np.stack([h, l], -1).reshape(-1, 2) @ dual
    inside = np.linalg.norm(points, axis=1) <= radius
    ax.scatter(points[~inside, 0], points[~inside, 1], s=7, facecolor="none", edgecolor=PALETTE["grey"], linewidth=0.6)
    ax.scatter(points[inside, 0], points[inside, 1], s=7, color=PALETTE["blue"])
    for angle in (30, 60):
        ring = 2 * np.sin(np.radians(angle / 2)) / instrument.wavelength_angstrom
        ax.add_patch(Circle((0, 0), ring, fill=False, color=PALETTE["grey"], linewidth=0.7, linestyle=":"))
        ax.annotate(f"{angle}°", (0, ring), ha="center", va="center", fontsize=7.5, bbox=LABEL_BOX, zorder=5)
    ax.add_patch(Circle((0, 0), radius, fill=False, color=PALETTE["vermillion"], linewidth=1.4))
    end = f"$2\\theta$ = {instrument.two_theta_max_deg:g}°"
    ax.annotate(
        end, (0, radius), ha="center", va="center", fontsize=8, color=PALETTE["vermillion"], bbox=LABEL_BOX, zorder=5
    )
    _arrow(ax, np.array([hkl[0], hkl[2]]) @ dual, f"$\\mathbf{{g}}$({joined_indices(hkl)})", PALETTE["black"])
    ax.set(xlim=(-1.3 * radius, 1.3 * radius), ylim=(-1.3 * radius, 1.3 * radius), aspect="equal")
    ax.set(xlabel=r"$g_x$ (1/Å)", ylabel=r"$g_z$ (1/Å)")
    ax.set_title(f"Reciprocal plane $h0l$ of {formula(structure.composition.reduced_formula)}")


def _arrow(ax: Axes, tip: np.ndarray, name: str, colour: str) -> None:
    at = (float(tip[0]), float(tip[1]))
    ax.annotate("", at, (0, 0), arrowprops={"arrowstyle": "-|>", "color": colour, "shrinkA": 0, "shrinkB": 0})
    ax.annotate(name, at, (5, 5), textcoords="offset points", color=colour, bbox=LABEL_BOX, zorder=4)


def projector_figure(table: pd.DataFrame) -> Figure:
    """Draw the six lattice parameters of one cell before and after each projector.

    Args:
        table: from `derivation.projections`; its first row is the cell as given.
    """
    fig = new_figure(3.9)
    axes = fig.subplots(2, 3, sharey=True)
    families = list(table["family"][1:])
    rows = np.arange(len(families))
    for ax, (name, label) in zip(axes.flat, PARAMETER_LABELS.items(), strict=True):
        given, projected = table[name].iloc[0], table[name].to_numpy()[1:]
        ax.axvline(given, color=PALETTE["grey"], linestyle="--", linewidth=0.9)
        ax.hlines(rows, given, projected, color=PALETTE["sky"], linewidth=1.6)
        moved = np.abs(projected - given) > 1e-9
        ax.scatter(projected[moved], rows[moved], color=PALETTE["vermillion"], s=24, zorder=3)
        ax.scatter(projected[~moved], rows[~moved], s=24, zorder=3, facecolor="white", edgecolor=PALETTE["black"])
        ax.margins(x=0.12)
        ax.set(xlabel=label, ylim=(len(families) - 0.5, -0.5))
        ax.set_yticks(rows, families)
    kinds = [
        Line2D([], [], color=PALETTE["grey"], linestyle="--", label="as given"),
        Line2D([], [], marker="o", linestyle="", color=PALETTE["vermillion"], label="changed"),
        Line2D([], [], marker="o", linestyle="", color="black", markerfacecolor="white", label="kept"),
    ]
    fig.legend(handles=kinds, loc="outside upper right", ncols=3)
    return fig
