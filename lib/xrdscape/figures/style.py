"""The one look of all figures: sizes, fonts, colours that the colour-blind can tell apart, one look a method.

Figures are made with `new_figure`, outside pyplot: they leave no global state behind, and a notebook shows
one exactly once, where a cell returns it.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from pymatgen.util.string import latexify

from xrdscape.optimisation.methods import METHODS

WIDTH_IN = 7.4
"""Width of a figure across the page: 710 pixels in the built book, whose text column is some 750 wide."""

DOTS_PER_INCH = 200.0
"""Resolution of a PNG, and of maps and point clouds inside an SVG."""

PALETTE = MappingProxyType(
    {
        "black": "#000000",
        "orange": "#E69F00",
        "sky": "#56B4E9",
        "green": "#009E73",
        "yellow": "#F0E442",
        "blue": "#0072B2",
        "vermillion": "#D55E00",
        "purple": "#CC79A7",
        "grey": "#767676",
    }
)
"""Okabe and Ito's colours, told apart under the common deficiencies; grey is for what is secondary."""

LOSS_MAP = "viridis"
ENERGY_MAP = "cividis"


@dataclass(frozen=True)
class MethodStyle:
    """How one method looks in every figure; hatch and marker tell it apart without colour."""

    label: str
    colour: str
    hatch: str
    marker: str


METHOD_STYLE = MappingProxyType(
    {
        "noised": MethodStyle("Noised (no descent)", PALETTE["grey"], "", "s"),
        "cosine": MethodStyle("Cosine", PALETTE["blue"], "//", "o"),
        "mse": MethodStyle("MSE", PALETTE["orange"], "\\\\", "v"),
        "entropy": MethodStyle("Entropy", PALETTE["green"], "..", "D"),
        "cross_correlation": MethodStyle("Cross-correlation", PALETTE["sky"], "xx", "^"),
        "cosine_constrained": MethodStyle("Cosine + constraints", PALETTE["vermillion"], "--", "P"),
        "chgnet": MethodStyle("CHGNet", PALETTE["purple"], "oo", "*"),
    }
)
"""By the name of the method in the records; "noised" stands for the starts."""

# These stand beside the starts, cosine with and without constraints, and CHGNet alone: other colours are free again.
# What is alike under both kinds of noise looks alike; within one, hatch and marker are each method's own.
_BEYOND = {
    "graduated": ("green", "||", "D"),
    "graduated_family": ("green", "..", "p"),
    "restarts": ("orange", "\\\\", "v"),
    "restarts_family": ("orange", "xx", "^"),
    "energy_graduated": ("black", "++", "X"),
    "adam": ("green", "||", "D"),
    "adam_restarts": ("orange", "\\\\", "v"),
    "energy_adam": ("black", "++", "X"),
    "adam_entropy": ("green", "..", "p"),
    "entropy_restarts": ("orange", "xx", "^"),
    "entropy_symmetric": ("vermillion", "--", "P"),
    "energy_entropy": ("black", "**", "d"),
    "alternation": ("sky", "OO", "<"),
    "entropy_alternation": ("sky", "x.", ">"),
}
BEYOND_STYLE = MappingProxyType(
    {
        **{name: METHOD_STYLE[name] for name in ("noised", "cosine", "cosine_constrained", "chgnet")},
        **{name: MethodStyle(METHODS[name].label, PALETTE[c], h, m) for name, (c, h, m) in _BEYOND.items()},
    }
)
"""Of the methods beyond the paper, and those of the paper that they are compared with."""

RC_PARAMS = MappingProxyType(
    {
        "font.family": "DejaVu Sans",  # comes with matplotlib, so that figures agree on every machine
        "font.size": 9.0,
        "axes.titlesize": 9.5,
        "axes.labelsize": 9.0,
        "xtick.labelsize": 8.0,
        "ytick.labelsize": 8.0,
        "legend.fontsize": 8.0,
        "legend.frameon": False,
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.8,
        "axes.axisbelow": True,
        "lines.linewidth": 1.2,
        "lines.markersize": 4.5,
        "hatch.linewidth": 0.6,
        "image.cmap": LOSS_MAP,
        "mathtext.fontset": "dejavusans",
        "figure.dpi": 100.0,
        "savefig.dpi": DOTS_PER_INCH,
        "figure.facecolor": "white",
        "svg.fonttype": "path",
        "svg.hashsalt": "xrdscape",  # equal figures give equal files
    }
)


TWO_THETA = r"Scattering angle $2\theta$ (deg)"
PARAMETER_LABELS = MappingProxyType(
    {
        "a": r"$a$ (Å)",
        "b": r"$b$ (Å)",
        "c": r"$c$ (Å)",
        "alpha": r"$\alpha$ (deg)",
        "beta": r"$\beta$ (deg)",
        "gamma": r"$\gamma$ (deg)",
    }
)
"""Axis labels by the name of the lattice parameter."""


def use_style() -> None:
    """Set matplotlib's defaults for this process and, in a notebook, give figures as SVG and as PNG, without a date.

    A page shows the SVG; the PNG is for download (`xrdscape.book.downloads`).
    """
    mpl.rcParams.update(dict[Any, Any](RC_PARAMS))
    if "IPython" in sys.modules and sys.modules["IPython"].get_ipython() is not None:
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("svg", "png", metadata={"Date": None}, dpi=DOTS_PER_INCH)


def new_figure(height_in: float, width_in: float = WIDTH_IN) -> Figure:
    """An empty figure across the page whose parts are laid out so that nothing overlaps."""
    layout = ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.05, wspace=0.05)
    return Figure(figsize=(width_in, height_in), layout=layout)


def letter_panels(axes: Any, fontsize: float | None = None) -> None:
    """Put (a), (b), ... before the title of each panel; the panels in reading order, at most 26."""
    for letter, ax in zip("abcdefghijklmnopqrstuvwxyz", axes, strict=False):
        title = f"({letter}) {ax.get_title(loc='left')}".strip()
        ax.set_title(title, loc="left", fontsize=fontsize or mpl.rcParams["axes.titlesize"])


def formula(text: str) -> str:
    """A chemical formula with its numbers as subscripts.

    >>> formula("Nd(Al2Cu)4")
    'Nd(Al$_{2}$Cu)$_{4}$'
    """
    return str(latexify(text))


def joined_indices(hkl: Sequence[int]) -> str:
    """Miller indices side by side, with a proper minus sign."""
    return " ".join(str(index).replace("-", "−") for index in hkl)
