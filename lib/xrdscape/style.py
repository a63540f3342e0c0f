"""The one look of all drawings: sizes, fonts, and colours that the colour-blind can tell apart."""

import html
import sys
from base64 import b64encode
from contextlib import AbstractContextManager
from io import BytesIO
from types import MappingProxyType
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

WIDTH_IN = 7.4
"""Width of a figure across the page: 710 pixels in the built book, whose text column is some 750 wide."""

DOTS_PER_INCH = 200.0
"""Resolution of a PNG, and of maps and point clouds inside an SVG."""

INLINE_DOTS_PER_INCH = 120.0
"""Resolution of a figure inside a page of text."""

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
        "image.cmap": "viridis",
        "mathtext.fontset": "dejavusans",
        "figure.dpi": 100.0,
        "savefig.dpi": DOTS_PER_INCH,
        "figure.facecolor": "white",
        "svg.fonttype": "path",
        "svg.hashsalt": "xrdscape",  # equal figures give equal files
    }
)

TWO_THETA = r"Scattering angle $2\theta$ (deg)"


def use_style() -> None:
    """Set matplotlib's defaults for this process and, in a notebook, give figures as SVG and as PNG, without a date.

    A page shows the SVG; the PNG is for download (`xrdscape.book.downloads`).
    """
    mpl.rcParams.update(dict[Any, Any](RC_PARAMS))
    if "IPython" in sys.modules and sys.modules["IPython"].get_ipython() is not None:
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("svg", "png", metadata={"Date": None}, dpi=DOTS_PER_INCH)


def styled() -> AbstractContextManager[None]:
    """Return a context in which figures have this look, whatever matplotlib's defaults are outside it."""
    return mpl.rc_context(dict[Any, Any](RC_PARAMS))


def new_figure(height_in: float, width_in: float = WIDTH_IN) -> Figure:
    """Return an empty figure across the page whose parts are laid out so that nothing overlaps."""
    layout = ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.05, wspace=0.05)
    return Figure(figsize=(width_in, height_in), layout=layout)


def letter_panels(axes: Any, fontsize: float | None = None) -> None:
    """Put (a), (b), ... before the title of each panel; the panels in reading order, at most 26."""
    for letter, ax in zip("abcdefghijklmnopqrstuvwxyz", axes, strict=False):
        title = f"({letter}) {ax.get_title(loc='left')}".strip()
        ax.set_title(title, loc="left", fontsize=fontsize or mpl.rcParams["axes.titlesize"])


def inline_html(figure: Figure, alternative: str) -> str:
    """Return a figure as HTML that needs no other file.

    Args:
        figure: to show.
        alternative: words for who does not see it.
    """
    png = BytesIO()
    figure.savefig(png, format="png", dpi=INLINE_DOTS_PER_INCH)
    data = b64encode(png.getvalue()).decode()
    return f'<img alt="{html.escape(alternative, quote=True)}" src="data:image/png;base64,{data}">'
