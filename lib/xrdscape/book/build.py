"""The executable paper: every chapter executed, then one static site built from the executed notebooks."""

import hashlib
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from xrdscape.book.execute import cache_key, run_chapter, write_json
from xrdscape.book.pages import Book, chapter_names, toc_pages, unknown_chapter
from xrdscape.book.parameters import chapter_parameters
from xrdscape.book.records import environment, read_timings, timings_path
from xrdscape.book.site import build_site
from xrdscape.errors import ChapterError

# Pages that report on the executed chapters, each on all that stand before it here too, and so run after them.
REPORTS = ("verdicts", "versions")
# This one lists the parameters of all.
OVERVIEW = "run-it-yourself"


def book_chapters(book: Book) -> list[str]:
    """The chapters in the table of contents in the order of execution: reading order, reports last.

    Raises:
        ChapterError: the table of contents names a page that does not exist.
    """
    for page in toc_pages(book):
        if not any((book.root / f"{page}{ending}").exists() for ending in (".md", ".ipynb")):
            raise ChapterError(f"_toc.yml names the page {page!r}, but there is no file {page}.md")
    listed = {page.rpartition("/")[2] for page in toc_pages(book)}
    names = [name for name in chapter_names(book) if name in listed]
    return sorted(names, key=lambda name: REPORTS.index(name) if name in REPORTS else -1)


def _told_of_others(chapter: str, book: Book) -> str:
    """What the page of a chapter says about other chapters."""
    if chapter == OVERVIEW:
        return str([chapter_parameters(name, book) for name in chapter_names(book)])
    return _reported(chapter, book) if chapter in REPORTS else ""


def _reported(report: str, book: Book) -> str:
    """What a report depends on: when the chapters before it were executed, and what is in their notebooks."""
    names = book_chapters(book)
    timings = read_timings(book)
    digest = hashlib.sha256()
    for name in names[: names.index(report)]:
        notebook = book.executed / f"{name}.ipynb"
        digest.update(f"{name} {timings.get(name, {}).get('finished')}".encode())
        digest.update(notebook.read_bytes() if notebook.exists() else b"")
    return digest.hexdigest()


def execute_chapter(chapter: str, book: Book, force: bool, say: Callable[[str], None]) -> bool:
    """Bring one executed chapter up to date and record its time; False where nothing had to be done.

    Raises:
        ChapterError: a cell failed; an earlier executed notebook of this chapter is left as it was.
    """
    output = book.executed / f"{chapter}.ipynb"
    key = cache_key(chapter, {}, book, extra=_told_of_others(chapter, book))
    known = read_timings(book).get(chapter, {})
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


def build_book(
    book: Book | None = None,
    chapter: str | None = None,
    force: bool = False,
    say: Callable[[str], None] = print,
) -> list[str]:
    """Execute what is out of date, then build the site into `_build/html`.

    Args:
        book: the book to build; this project's own by default.
        chapter: execute this chapter only (and the reports on it), with the others as they were.
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
    chapters = [name for name in names if name not in REPORTS and chapter in (None, name)]
    executed = _execute(chapters, book, force, say)
    missing = [n for n in names if n not in (*REPORTS, chapter) and not (book.executed / f"{n}.ipynb").exists()]
    if missing:
        raise ChapterError(f"not executed yet: {', '.join(missing)}; run `xrdscape book` for the whole book")
    for name in [name for name in names if name in REPORTS]:
        executed += _execute([name], book, force and chapter in (None, name), say)
    build_site(book, names, say)
    say(f"the book is built in {time.perf_counter() - start:.0f} s: {book.site / 'index.html'}")
    return executed


def _execute(chapters: Sequence[str], book: Book, force: bool, say: Callable[[str], None]) -> list[str]:
    """Bring chapters up to date, past those that fail; names of those that were executed.

    Raises:
        ChapterError: some failed.
    """
    executed, failures = [], []
    for name in chapters:
        try:
            if execute_chapter(name, book, force, say):
                executed.append(name)
        except ChapterError as error:
            say(f"{name}: FAILED")
            failures.append(str(error))
    if failures:
        kept = "the executed notebooks of the other chapters are kept; the site was not built"
        raise ChapterError("\n".join([*failures, kept]))
    return executed
