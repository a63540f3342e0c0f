"""The pages on the Python API: they show every public name, and their examples as they are written."""

import doctest
import importlib
import re
from pathlib import Path

import pytest

import xrdscape
from xrdscape.book import Book, build_book

PAGES = sorted((Book().chapters).glob("api*.md"))
PACKAGE = Path(xrdscape.__file__).parent


def modules_with_examples() -> list[str]:
    """Every module of the package whose source holds an example."""
    paths = [path for path in sorted(PACKAGE.rglob("*.py")) if ">>>" in path.read_text(encoding="utf8")]
    return [".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in paths]


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples_give_what_they_say(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.attempted > 0
    assert result.failed == 0


def test_every_public_name_is_on_a_page() -> None:
    shown = set(re.findall(r"auto(?:class|function):: xrdscape\.(\w+)$", "".join(p.read_text() for p in PAGES), re.M))
    assert shown == set(xrdscape.__all__) - {"errors", "XrdscapeError"}


def test_the_site_shows_the_examples_as_they_are_written() -> None:
    book = Book()
    if not (book.site / "index.html").exists():
        build_book(book)
    page = (book.site / "chapters" / "api-diffraction.html").read_text(encoding="utf8")
    text = re.sub(r"<[^>]+>", "", page)
    assert "xrdscape.simulate(&quot;U2Ti&quot;)" in text
