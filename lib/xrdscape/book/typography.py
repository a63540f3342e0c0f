"""A Sphinx extension: the typography of running text and tables, which sources and computed tables write plainly.

Minus signs, powers of ten, subscripts of the ten formulas and of screw axes, and spaces that no line may end at. Code
and formulas stay as they are.
"""

import re
from typing import Any

from docutils import nodes
from pymatgen.util.string import unicodeify
from sphinx.addnodes import desc_signature
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

from xrdscape.paths import REFERENCE_NAMES

AS_WRITTEN = (
    nodes.literal,
    nodes.literal_block,
    nodes.doctest_block,
    desc_signature,
    nodes.math,
    nodes.math_block,
    nodes.raw,
)

FORMULA = re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in REFERENCE_NAMES))
SCREW_AXIS = re.compile(r"(?<=\b[A-Z]\d)_\d(?!\d)")
POWER = re.compile(r"\b(\d(?:\.\d+)?)e([-−]?)0*(\d+)\b")
MINUS = re.compile(r"(?<![^\s(\[])-(?=\d)")
KEPT = re.compile(r"(?<=\d) (?=[%Å])|(?<=\S) (?=[=×±≤≥<>] \S)|(?<= [=×±≤≥<>]) (?=\S)")

SUPERSCRIPTS = str.maketrans("-−0123456789", "⁻⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def typeset(text: str) -> str:
    """Return a piece of text as the page shows it.

    >>> typeset("Na3MnCoNiO6 in P6_3/mmc, off by -0.2 or 2e-07").replace(chr(160), " ")
    'Na₃MnCoNiO₆ in P6₃/mmc, off by −0.2 or 2 × 10⁻⁷'

    Numbers stay with their units, and both sides of a relation with its sign:

    >>> typeset("95 % of mp-1709 in 2026-11-21, a = b").replace(chr(160), "~")
    '95~% of mp-1709 in 2026-11-21, a~=~b'
    """
    text = FORMULA.sub(lambda name: unicodeify(name[0]), text)
    text = SCREW_AXIS.sub(lambda digit: digit[0][1].translate(SUBSCRIPTS), text)
    text = POWER.sub(lambda p: f"{p[1]} × 10{(p[2] + p[3]).translate(SUPERSCRIPTS)}", text)
    return KEPT.sub("\u00a0", MINUS.sub("−", text))


class Typography(SphinxPostTransform):
    """Apply `typeset` to all text of a page but code and formulas."""

    # After pasted values and references have been given their text.
    default_priority = 800
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        """Look at every piece of text of the page."""
        for text in list(self.document.findall(nodes.Text)):
            parent = text.parent
            while parent is not None and not isinstance(parent, AS_WRITTEN):
                parent = parent.parent
            if parent is None and (shown := typeset(str(text))) != str(text):
                text.parent.replace(text, nodes.Text(shown))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the transform with Sphinx."""
    app.add_post_transform(Typography)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
