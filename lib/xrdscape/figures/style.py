"""The look of each method in the figures of the book, beside the one look of all drawings (`xrdscape.style`).

Figures are made with `new_figure`, outside pyplot: they leave no global state behind, and a notebook shows
one exactly once, where a cell returns it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

from pymatgen.util.string import latexify

from xrdscape.optimisation.methods import METHODS
from xrdscape.style import DOTS_PER_INCH, PALETTE, TWO_THETA, WIDTH_IN, letter_panels, new_figure, use_style

__all__ = [
    "BEYOND_STYLE",
    "DOTS_PER_INCH",
    "ENERGY_MAP",
    "LOSS_MAP",
    "METHOD_STYLE",
    "PALETTE",
    "PARAMETER_LABELS",
    "TWO_THETA",
    "WIDTH_IN",
    "MethodStyle",
    "formula",
    "joined_indices",
    "letter_panels",
    "new_figure",
    "use_style",
]

LOSS_MAP = "viridis"
ENERGY_MAP = "cividis"


@dataclass(frozen=True)
class MethodStyle:
    """The look of one method in every figure; hatch and marker tell it apart without colour."""

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
"""Looks by the name of the method in the records; "noised" stands for the starts."""

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
"""Looks of the methods beyond the paper, and those of the paper that they are compared with."""

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


def formula(text: str) -> str:
    """Return a chemical formula with its numbers as subscripts.

    >>> formula("Nd(Al2Cu)4")
    'Nd(Al$_{2}$Cu)$_{4}$'
    """
    return str(latexify(text))


def joined_indices(hkl: Sequence[int]) -> str:
    """Return Miller indices side by side, with a proper minus sign."""
    return " ".join(str(index).replace("-", "−") for index in hkl)
