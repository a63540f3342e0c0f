"""The pages on the Python API: they show every public name, and its example as it is written."""

import re
from html import unescape

import pytest

import xrdscape
from xrdscape.book.build import build_book
from xrdscape.book.pages import Book

SHOWN = re.compile(r"auto(?:class|function):: xrdscape\.(\w+)$", re.MULTILINE)
WITHOUT_EXAMPLE = {"Radiation", "Refinement", "Simulator", "XrdscapeError", "errors", "read_pattern", "tight_match",
                   "reflection_table", "Solution"}  # fmt: skip


def test_every_public_name_is_on_a_page() -> None:
    pages = [path.read_text(encoding="utf8") for path in Book().chapters.glob("api*.md")]
    assert {name for page in pages for name in SHOWN.findall(page)} == set(xrdscape.__all__) - {
        "errors",
        "XrdscapeError",
    }


@pytest.mark.parametrize("name", sorted(set(xrdscape.__all__) - WITHOUT_EXAMPLE))
def test_what_users_begin_with_has_an_example(name: str) -> None:
    assert ">>> " in getattr(xrdscape, name).__doc__


def test_the_site_shows_examples_as_they_are_written() -> None:
    """Elsewhere on a page formulas are typeset."""
    book = Book()
    if not (book.site / "index.html").exists():
        build_book(book)
    page = (book.site / "chapters" / "api-diffraction.html").read_text(encoding="utf8")
    assert 'xrdscape.simulate("U2Ti")' in unescape(re.sub(r"<[^>]+>", "", page))
