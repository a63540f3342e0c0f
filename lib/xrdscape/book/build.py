"""The executable paper: every chapter executed, then one static site built from the executed notebooks."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from xrdscape.book.execute import cache_key, run_chapter, write_json
from xrdscape.book.parameters import Book, chapter_names, chapter_parameters, toc_pages, unknown_chapter
from xrdscape.book.records import environment, read_timings, timings_path
from xrdscape.book.site import build_site
from xrdscape.errors import ChapterError

# This chapter reports on the execution of all others and so runs after them.
REPORT = "versions"
# This one lists the parameters of all.
OVERVIEW = "run-it-yourself"


def book_chapters(book: Book) -> list[str]:
    """The chapters in the table of contents in the order of execution: reading order, the report last.

    Raises:
        ChapterError: the table of contents names a page that does not exist.
    """
    for page in toc_pages(book):
        if not any((book.root / f"{page}{ending}").exists() for ending in (".md", ".ipynb")):
            raise ChapterError(f"_toc.yml names the page {page!r}, but there is no file {page}.md")
    listed = {page.rpartition("/")[2] for page in toc_pages(book)}
    names = [name for name in chapter_names(book) if name in listed]
    return sorted(names, key=lambda name: name == REPORT)


def execute_chapter(chapter: str, book: Book, force: bool, say: Callable[[str], None]) -> bool:
    """Bring one executed chapter up to date and record its time; False where nothing had to be done.

    Raises:
        ChapterError: a cell failed; an earlier executed notebook of this chapter is left as it was.
    """
    output = book.executed / f"{chapter}.ipynb"
    timings = read_timings(book)
    key = cache_key(chapter, {}, book, extra=_told_of_others(chapter, book, timings))
    known = timings.get(chapter, {})
    if not force and known.get("key") == key and output.exists():
        say(f"{chapter}: up to date ({known['seconds']:.1f} s when it was executed)")
        return False
    say(f"{chapter}: executing ...")
    seconds = run_chapter(chapter, {}, output, book)
    entry: dict[str, Any] = {
        "key": key,
        "seconds": round(seconds, 2),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "parameters": {p.name: p.default for p in chapter_parameters(chapter, book).values()},
        "environment": environment(),
    }
    write_json(timings_path(book), {**read_timings(book), chapter: entry})
    say(f"{chapter}: executed in {seconds:.1f} s")
    return True


def _told_of_others(chapter: str, book: Book, timings: dict[str, dict[str, Any]]) -> str:
    """What the page of a chapter says about other chapters."""
    if chapter == REPORT:
        return str({name: entry["finished"] for name, entry in sorted(timings.items()) if name != REPORT})
    if chapter == OVERVIEW:
        return str([chapter_parameters(name, book) for name in chapter_names(book)])
    return ""


def build_book(
    book: Book | None = None,
    chapter: str | None = None,
    force: bool = False,
    say: Callable[[str], None] = print,
) -> list[str]:
    """Execute what is out of date, then build the site into `_build/html`.

    Args:
        book: the book to build; this project's own by default.
        chapter: execute this chapter only (and the report on it), with the others as they were.
        force: execute even where the result is up to date.
        say: receives one line of progress at a time.

    Returns:
        Names of the chapters that were executed.

    Raises:
        ChapterError: a chapter failed (the others are executed and kept), or the site could not be built.
    """
    book = book or Book()
    names = book_chapters(book)
    if chapter is not None and chapter not in names:
        raise unknown_chapter(chapter, names)
    start = time.perf_counter()
    executed, failures = [], []
    for name in names if chapter is None else [n for n in names if n in (chapter, REPORT)]:
        try:
            if execute_chapter(name, book, force and chapter in (None, name), say):
                executed.append(name)
        except ChapterError as error:
            say(f"{name}: FAILED")
            failures.append(str(error))
    if failures:
        kept = "the executed notebooks of the other chapters are kept; the site was not built"
        raise ChapterError("\n".join([*failures, kept]))
    missing = [name for name in names if not (book.executed / f"{name}.ipynb").exists()]
    if missing:
        raise ChapterError(f"not executed yet: {', '.join(missing)}; run `xrdscape book` for the whole book")
    build_site(book, names, say)
    say(f"the book is built in {time.perf_counter() - start:.0f} s: {book.site / 'index.html'}")
    return executed
