"""Execution of single chapters: MyST text, notebook, papermill, notebook without traces of this machine."""

import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import papermill
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError

from xrdscape import errors
from xrdscape.book.pages import Book, chapter_path
from xrdscape.book.parameters import check_parameters, read_chapter
from xrdscape.errors import ChapterError

KERNEL = "xrdscape"
# Errors that say by themselves what to do.
FOR_THE_USER = {name for name, kind in vars(errors).items() if isinstance(kind, type)}
PACKAGE = Path(__file__).resolve().parents[1]


def run_chapter(
    chapter: str, parameters: Mapping[str, Any], output: Path, book: Book, progress: bool = False, bars: bool = True
) -> float:
    """Execute one chapter with parameters into a notebook.

    Args:
        chapter: name of a chapter.
        parameters: values that replace the chapter's defaults, checked before anything runs.
        output: the notebook to write; it appears only when the chapter has run to its end.
        book: the book that the chapter belongs to; its root is the working directory of the chapter.
        progress: show a bar that counts cells.
        bars: show the chapter's own progress bars where standard error is a terminal.

    Returns:
        Wall time of the execution in seconds.

    Raises:
        ChapterError: unknown chapter or parameter, wrong type, or an exception in a cell. In the last case, unless
            the exception is one meant for the user, the notebook as far as it ran is kept beside `output`, with the
            ending `.failed.ipynb`.
    """
    notebook = read_chapter(chapter_path(chapter, book))
    values = check_parameters(chapter, parameters, book)
    output.parent.mkdir(parents=True, exist_ok=True)
    failed = output.with_suffix(".failed.ipynb")
    with tempfile.TemporaryDirectory(prefix="xrdscape-") as folder:
        source, result = Path(folder) / "source.ipynb", Path(folder) / "result.ipynb"
        nbformat.write(notebook, source)
        start = time.perf_counter()
        try:
            with _own_kernel(Path(folder), book.root):
                papermill.execute_notebook(
                    source, result, values, kernel_name=KERNEL, language="python", cwd=book.root,
                    progress_bar=progress, log_output=False,
                    # A chapter's own progress bars go to stderr; at a terminal someone is waiting for them.
                    stderr_file=sys.stderr if bars and sys.stderr.isatty() else None,
                )  # fmt: skip
        except (PapermillExecutionError, DeadKernelError, CellTimeoutError) as error:
            # Ctrl-C reaches the kernel too, and comes back as the failure of a cell.
            if isinstance(error, PapermillExecutionError) and error.ename == "KeyboardInterrupt":
                raise KeyboardInterrupt from error
            if isinstance(error, PapermillExecutionError) and error.ename in FOR_THE_USER:
                raise ChapterError(f"chapter {chapter}, code cell {error.exec_count}: {error.evalue}") from error
            if result.exists():
                _write_atomically(failed, result.read_text(encoding="utf8"))
            raise ChapterError(_failure(chapter, error, failed, book)) from error
        seconds = time.perf_counter() - start
        finished = without_traces(nbformat.read(result, as_version=4), book.root)
    _write_atomically(output, nbformat.writes(finished))
    failed.unlink(missing_ok=True)
    return seconds


@contextmanager
def _own_kernel(folder: Path, root: Path) -> Iterator[None]:
    """Offer a kernel that is this very interpreter, whatever kernels the user has installed elsewhere."""
    spec = folder / "kernels" / KERNEL
    spec.mkdir(parents=True)
    # The kernel's log speaks of its local connection and its shutdown; failures of cells come another way.
    quiet = "--log-level=CRITICAL"
    description = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", quiet, "-f", "{connection_file}"],
        "display_name": "Python 3",
        "language": "python",
        "env": {
            "XRDSCAPE_HOME": str(root),
            # Figures belong into the notebook, whatever backend the user has chosen elsewhere.
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
            # Arrays are small: more threads cost time, and sums in another order cost reproducibility.
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        },
    }
    (spec / "kernel.json").write_text(json.dumps(description), encoding="utf8")
    before = os.environ.get("JUPYTER_PATH")
    os.environ["JUPYTER_PATH"] = os.pathsep.join([str(folder)] + ([before] if before else []))
    try:
        yield
    finally:
        if before is None:
            del os.environ["JUPYTER_PATH"]
        else:
            os.environ["JUPYTER_PATH"] = before


def _failure(chapter: str, error: Exception, failed: Path, book: Book) -> str:
    kept = f"\n  the notebook up to there: {_relative(failed, book.root)}" if failed.exists() else ""
    alone = f"\n  to run it alone: xrdscape run {chapter}"
    if not isinstance(error, PapermillExecutionError):
        return f"chapter {chapter} stopped: {type(error).__name__}: {str(error).strip()}{kept}{alone}"
    lines = [line for line in error.source.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return (
        f"chapter {chapter} failed in code cell {error.exec_count}: {error.ename}: {error.evalue}"
        f"\n  the cell begins: {lines[0] if lines else ''}{kept}{alone}"
    )


def _relative(path: Path, root: Path) -> Path:
    return path.relative_to(root) if path.is_relative_to(root) else path


def without_traces(notebook: NotebookNode, root: Path) -> NotebookNode:
    """Return a copy without times, host paths and clutter, so that equal runs give equal files.

    The cell that papermill adds for the parameters stays in the notebook, and the site leaves it out.
    """
    text = nbformat.writes(notebook).replace(f"{root}/", "").replace(str(root), ".")
    clean = nbformat.from_dict(json.loads(text))
    clean.metadata.pop("papermill", None)
    clean.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    for number, cell in enumerate(clean.cells):
        cell["id"] = f"cell-{number}"
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        # Progress bars: they tell nothing afterwards, and their times differ from run to run.
        if "outputs" in cell:
            cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]
        tags = cell.metadata.get("tags", [])
        if "injected-parameters" in tags and "remove-cell" not in tags:
            cell.metadata["tags"] = [*tags, "remove-cell"]
    return clean


def cache_key(chapter: str, parameters: Mapping[str, Any], book: Book, extra: str = "") -> str:
    """Return the digest of everything that a chapter's outcome depends on.

    That is: its text, its parameters, the package's own code, the data that come with it, the record of the
    benchmark, the locked environment and the interpreter. Records made outside the book are not part of it: force
    the execution after adding some.
    """
    digest = hashlib.sha256()
    text = json.dumps(dict(parameters), sort_keys=True) + sys.version + extra
    digest.update(text.encode())
    code = [p for p in PACKAGE.rglob("*") if p.suffix in (".py", ".js", ".css", ".json", ".cif")]
    data = [
        p
        for folder in ("data", "benchmarks")
        for p in (book.root / folder).rglob("*")
        if p.suffix != ".pyc" and p.is_file()
    ]
    lock = [p for p in [book.root / "requirements.lock"] if p.exists()]
    for path in [chapter_path(chapter, book), *sorted(code), *sorted(data), *lock]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _write_atomically(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.write_text(text, encoding="utf8")
    partial.replace(path)


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file in one step, so that a reader never meets half of one."""
    _write_atomically(path, json.dumps(content, indent=1, sort_keys=True) + "\n")
