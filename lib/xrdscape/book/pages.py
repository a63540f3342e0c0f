"""The pages of a book: its folders, its table of contents, and which of its pages are chapters to execute."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from xrdscape.errors import ChapterError
from xrdscape.paths import ROOT, from_checkout


@dataclass(frozen=True)
class Book:
    """The folders of one book; every place is named from its root."""

    root: Path = field(default_factory=lambda: ROOT)

    @property
    def chapters(self) -> Path:
        return self.root / "chapters"

    @property
    def build(self) -> Path:
        return self.root / "_build"

    @property
    def executed(self) -> Path:
        return self.build / "executed"

    @property
    def source(self) -> Path:
        return self.build / "source"

    @property
    def site(self) -> Path:
        return self.build / "html"


def toc_pages(book: Book) -> list[str]:
    """Return every page of the table of contents in reading order: paths from the book's root, without extension."""
    toc = yaml.safe_load(from_checkout(book.root / "_toc.yml").read_text(encoding="utf8"))

    def walk(node: dict[str, Any]) -> list[str]:
        own = [node[key] for key in ("root", "file") if key in node]
        parts = [child for key in ("parts", "chapters", "sections") for child in node.get(key, [])]
        return own + [page for part in parts for page in walk(part)]

    return walk(toc)


def chapter_names(book: Book) -> list[str]:
    """Return the names of the chapters that can be executed, in reading order; those outside the contents come last."""
    notebooks = {path.stem for path in book.chapters.glob("*.md") if is_notebook(path)}
    listed = [Path(page).name for page in toc_pages(book) if Path(page).parent == Path("chapters")]
    ordered = [name for name in listed if name in notebooks]
    return ordered + sorted(notebooks - set(ordered))


def is_notebook(path: Path) -> bool:
    """Return whether a Markdown file is a MyST notebook, which its jupytext header tells."""
    head, _, rest = path.read_text(encoding="utf8").partition("\n")
    return head.strip() == "---" and "jupytext:" in rest.partition("\n---")[0]


def unknown_chapter(chapter: str, names: Sequence[str]) -> ChapterError:
    """Return the error for a name that no chapter has."""
    return ChapterError(f"no chapter is called {chapter!r}; the chapters are: {', '.join(names) or 'none'}")


def chapter_path(chapter: str, book: Book) -> Path:
    """Return the source file of a chapter.

    Raises:
        ChapterError: no chapter of that name; the message lists those there are.
    """
    names = chapter_names(book)
    if chapter not in names:
        raise unknown_chapter(chapter, names)
    return book.chapters / f"{chapter}.md"
