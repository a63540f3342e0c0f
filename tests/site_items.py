"""The paper's items, and what is wanting where the built site shows one: content, caption, sample size, comparison."""

import re
from collections.abc import Iterator

from bs4 import BeautifulSoup, Tag

# The items by the label each has in the chapters. A figure holds a picture, a table holds rows.
FIGURES = [f"fig-{n}" for n in ("1", "2", "3", "4", "5", "6", "s1", "s2", "s3", "s4", "s5")]
TABLES = ["table-1", "table-s1", "table-s2"]

_NUMBER = r"S?\d+[a-e]?"
# "Fig. 1a", "Figures 2, 3 and S2", "Tables S1 and S2"
_MENTION = re.compile(rf"\b(Fig|Tab)(?:s?\.|ures?|les?)\s({_NUMBER}(?:(?:, | and |, and ){_NUMBER})*)")
_COUNT = r"(?:\d[\d,]*|one|two|three|four|five|six|seven|eight|nine|ten)"
_SAMPLE = re.compile(
    rf"\b{_COUNT} (?:distorted )?(?:copy|copies|structures|starts?|results|descents|relaxations|values an axis)\b"
    rf"|\b{_COUNT} × {_COUNT} (?:points|cells)\b|\bcopy \d+\b|\bno noise\b",
    re.IGNORECASE,
)
_COMPARISON = re.compile(
    r"\b(?:published|printed|reproduced)\b"
    r"|\bthe paper (?:names|shows|reports|notes|observes|finds|found|prints|has|counts|states|gives)\b",
    re.IGNORECASE,
)


def named(text: str) -> set[str]:
    """Labels of the paper's figures and tables that a text names.

    >>> sorted(named("Section 2.2, Figs. 5a and S4; Table 1"))
    ['fig-5', 'fig-s4', 'table-1']
    """
    return {
        f"{'fig' if kind == 'Fig' else 'table'}-{number.rstrip('abcde').lower()}"
        for kind, numbers in _MENTION.findall(text)
        for number in re.findall(_NUMBER, numbers)
    }


def faults(html: str, label: str) -> list[str]:
    """What is wanting at an item of the paper on the page that should hold it; nothing if all is well.

    Args:
        html: the page.
        label: of the item, one of `FIGURES` or `TABLES`.
    """
    page = BeautifulSoup(html, "html.parser")
    element = page.find("figure" if label in FIGURES else "table", id=label)
    if not isinstance(element, Tag):
        return ["is missing"]
    caption = element.find("figcaption" if label in FIGURES else "caption")
    text = _text(caption) if isinstance(caption, Tag) else ""
    blocks = [text, *_blocks(page, label)]
    tests = {
        "has no content": element.find(["img", "svg", "object"] if label in FIGURES else "td") is not None,
        "has no caption": len(text.split()) >= 5,
        "does not say how large its sample is, or why it has none": _SAMPLE.search(text) is not None,
        "is nowhere called by its name in the paper": any(label in named(block) for block in blocks),
        "is not compared with the paper": any(_COMPARISON.search(block) for block in blocks),
    }
    return [fault for fault, sound in tests.items() if not sound]


def _blocks(page: BeautifulSoup, label: str) -> Iterator[str]:
    """Paragraphs, entries and rows of the page that name the paper's item or link to ours, outside captions."""
    for block in page.find_all(["p", "li", "dd", "tr"]):
        if block.find_parent(["figcaption", "caption"]) is None:
            text = _text(block)
            if label in named(text) or block.find("a", href=re.compile(rf"#{label}$")) is not None:
                yield text


def _text(element: Tag) -> str:
    """The text of an element with plain, single spaces."""
    return " ".join(element.get_text().split())
