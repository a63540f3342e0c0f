"""The executable paper: every chapter executed, then one static site built from the executed notebooks."""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from datetime import UTC, datetime
from itertools import chain
from multiprocessing import get_context
from typing import Any

from xrdscape.book.execute import cache_key, run_chapter, write_json
from xrdscape.book.pages import Book, chapter_names, toc_pages, unknown_chapter
from xrdscape.book.parameters import chapter_parameters
from xrdscape.book.records import environment, read_timings, timings_path
from xrdscape.book.site import build_site
from xrdscape.errors import ChapterError
from xrdscape.runtime.provenance import cores, machine

# Pages that report on the executed chapters, each on all that stand before it here too, and so run after them.
REPORTS = ("verdicts", "versions")
# This one lists the parameters of all.
OVERVIEW = "run-it-yourself"
# These measure times, and are executed with nothing beside them.
TIMED = ("engine",)
# Memory that one chapter may need: that of CHGNet and of some gradients.
CHAPTER_GIB = 2.5


def book_chapters(book: Book) -> list[str]:
    """Return the chapters in the table of contents in the order of execution: reading order, reports last.

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
    """Return what the page of a chapter says about other chapters."""
    if chapter == OVERVIEW:
        return str([chapter_parameters(name, book) for name in chapter_names(book)])
    return _reported(chapter, book) if chapter in REPORTS else ""


def _reported(report: str, book: Book) -> str:
    """Return what a report depends on: when the chapters before it were executed, and what is in their notebooks."""
    names = book_chapters(book)
    timings = read_timings(book)
    digest = hashlib.sha256()
    for name in names[: names.index(report)]:
        notebook = book.executed / f"{name}.ipynb"
        digest.update(f"{name} {timings.get(name, {}).get('finished')}".encode())
        digest.update(notebook.read_bytes() if notebook.exists() else b"")
    return digest.hexdigest()


def execute_chapter(chapter: str, book: Book, force: bool, say: Callable[[str], None]) -> bool:
    """Bring one executed chapter up to date and record its time; return False where nothing had to be done.

    Raises:
        ChapterError: a cell failed; an earlier executed notebook of this chapter is left as it was.
    """
    return _execute([chapter], book, force, say) == [chapter]


def _outdated(chapters: Sequence[str], book: Book, force: bool, say: Callable[[str], None]) -> dict[str, str]:
    """Return the chapters that have to be executed, each with the digest of what it is made of now."""
    timings, found = read_timings(book), {}
    for name in chapters:
        key = cache_key(name, {}, book, extra=_told_of_others(name, book))
        known = timings.get(name, {})
        if not force and known.get("key") == key and (book.executed / f"{name}.ipynb").exists():
            say(f"{name}: up to date ({known['seconds']:.1f} s when it was executed)")
        else:
            found[name] = key
    return found


def _record(chapter: str, key: str, seconds: float, book: Book) -> None:
    entry: dict[str, Any] = {
        "key": key,
        "seconds": round(seconds, 2),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "parameters": {p.name: p.default for p in chapter_parameters(chapter, book).values()},
        "environment": environment(),
    }
    write_json(timings_path(book), {**read_timings(book), chapter: entry})


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
    """Bring chapters up to date, past those that fail, and return the names of those that were executed.

    Raises:
        ChapterError: some failed.
    """
    keys = _outdated(chapters, book, force, say)
    timed = [name for name in keys if name in TIMED]
    others = [name for name in keys if name not in TIMED]
    failures = {}
    for name, outcome in chain(_side_by_side(others, book, say), _in_turn(timed, book, say)):
        if isinstance(outcome, ChapterError):
            say(f"{name}: FAILED")
            failures[name] = str(outcome)
        else:
            _record(name, keys[name], outcome, book)
            say(f"{name}: executed in {outcome:.1f} s")
    if failures:
        kept = "the executed notebooks of the other chapters are kept; the site was not built"
        raise ChapterError("\n".join([*(failures[name] for name in keys if name in failures), kept]))
    return list(keys)


Outcomes = Iterator[tuple[str, float | ChapterError]]
"""Chapters as they come to their end, each with its seconds or with what went wrong."""


def _in_turn(chapters: Iterable[str], book: Book, say: Callable[[str], None]) -> Outcomes:
    """Execute chapters one after the other."""
    for name in chapters:
        say(f"{name}: executing ...")
        try:
            seconds = _run(name, book)
        except ChapterError as error:
            yield name, error
        else:
            yield name, seconds


def _side_by_side(chapters: Sequence[str], book: Book, say: Callable[[str], None]) -> Outcomes:
    """Execute chapters, as many at a time as the machine has cores and memory for; they begin in their order."""
    workers = min(cores(), len(chapters), int(machine()["memory_gib"] / CHAPTER_GIB))
    if workers < 2:
        yield from _in_turn(chapters, book, say)
        return
    waiting, running = list(chapters), dict[Future[float], str]()
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        while waiting or running:
            while waiting and len(running) < workers:
                name = waiting.pop(0)
                say(f"{name}: executing ...")
                running[pool.submit(_run, name, book, bars=False)] = name
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                name, error = running.pop(future), future.exception()
                if error is not None and not isinstance(error, ChapterError):
                    raise error
                yield name, error or future.result()


def _run(chapter: str, book: Book, bars: bool = True) -> float:
    """Execute a chapter with its defaults, and return the seconds it took."""
    return run_chapter(chapter, {}, book.executed / f"{chapter}.ipynb", book, bars=bars)
