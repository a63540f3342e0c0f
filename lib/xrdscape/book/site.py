"""The static site: pages, executed notebooks and assets brought together, then handed to Jupyter Book."""

import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import files as package_files
from pathlib import Path

from xrdscape.book.pages import Book, toc_pages
from xrdscape.errors import ChapterError

MATHJAX_PACKAGE = "sphinx-mathjax-offline"
MATHJAX_FILES = ("tex-svg.js", "ui/lazy.js")
PACKAGE = Path(__file__).resolve().parents[1]
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def build_site(book: Book, chapters: Sequence[str], say: Callable[[str], None]) -> None:
    """Build `_build/html` from the executed chapters, unless the site there is made of the same sources.

    The site is built aside and then put in place of the old one, which survives any failure. Every warning is
    an error: a page with a broken reference is not published.

    Raises:
        ChapterError: Jupyter Book reported warnings or failed; the message holds them.
    """
    assemble(book, chapters)
    # The pages on the Python API are made of docstrings.
    key = _digest(book.source, "*") + _digest(PACKAGE, "*.py")
    stamp = book.site / ".sources"
    if stamp.exists() and stamp.read_text() == key:
        say("site: up to date")
        return
    say("site: building ...")
    aside = book.build / "sphinx"
    shutil.rmtree(aside, ignore_errors=True)
    jupyter_book = "import sys; from jupyter_book.cli.main import main; sys.exit(main())"
    options = ["--path-output", str(aside), "-W", "-n", "--keep-going"]
    command = [sys.executable, "-c", jupyter_book, "build", str(book.source), *options]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode != 0:
        log = book.build / "site.log"
        lines = COLOUR.sub("", run.stdout + run.stderr).splitlines()
        log.write_text("\n".join(lines), encoding="utf8")
        complaints = [line for line in lines if "WARNING" in line or "ERROR" in line]
        shown = "\n  ".join(complaints or lines[-10:])
        raise ChapterError(f"the site could not be built (the whole log: {log}):\n  {shown}")
    built = aside / "_build" / "html"
    (built / ".sources").write_text(key)
    shutil.rmtree(book.site, ignore_errors=True)
    built.replace(book.site)
    shutil.rmtree(aside)


def assemble(book: Book, chapters: Sequence[str]) -> None:
    """Bring all that the site is made of into `_build/source`, executed chapters in place of their text."""
    shutil.rmtree(book.source, ignore_errors=True)
    book.source.mkdir(parents=True)
    for name in ("_config.yml", "_toc.yml", "references.bib"):
        if (book.root / name).exists():
            shutil.copy2(book.root / name, book.source / name)
    if (book.root / "assets").is_dir():
        shutil.copytree(book.root / "assets", book.source / "assets")
    for page in toc_pages(book):
        name = Path(page).name
        executed = name in chapters
        origin = book.executed / f"{name}.ipynb" if executed else book.root / f"{page}.md"
        target = book.source / f"{page}{origin.suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(origin, target)
    _copy_mathjax(book.source / "assets" / "mathjax")


def _copy_mathjax(target: Path) -> None:
    """Take MathJax from the package that carries it, so that formulas show without a network."""
    packaged = package_files(MATHJAX_PACKAGE) or []
    for name in MATHJAX_FILES:
        matches = [f for f in packaged if f.as_posix().endswith(f"/mathjax/{name}")]
        if not matches:
            raise ChapterError(f"{MATHJAX_PACKAGE} holds no {name}; install the locked environment again")
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(Path(str(matches[0].locate())), target / name)


def _digest(folder: Path, kind: str) -> str:
    """Return a digest of the files of a kind in a folder, and of their names."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob(kind) if p.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
