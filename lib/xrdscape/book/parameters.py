"""The parameters of chapters: reading their defaults, checking what a user asks for."""

import ast
import io
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jupytext
from nbformat import NotebookNode

from xrdscape.book.pages import Book, chapter_path
from xrdscape.errors import ChapterError
from xrdscape.paths import REFERENCE_NAMES, crystal_path


@dataclass(frozen=True)
class Parameter:
    """One line of a chapter's `parameters` cell: its name, default value and the comment beside it.

    The comment says what the parameter means, with its unit, and after the last semicolon its range.
    """

    name: str
    default: Any
    comment: str = ""

    @property
    def meaning(self) -> str:
        return self.comment.rpartition(";")[0].strip() or self.comment

    @property
    def range(self) -> str:
        """Values that it may take; empty where the comment does not say."""
        _, semicolon, rest = self.comment.rpartition(";")
        return rest.strip() if semicolon else ""


def read_chapter(path: Path) -> NotebookNode:
    """Return the chapter as a notebook whose cell ids depend on nothing but their order."""
    notebook = jupytext.read(path)
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
    return notebook


def chapter_parameters(chapter: str, book: Book) -> dict[str, Parameter]:
    """Return the parameters that a chapter declares in its cell tagged `parameters`, by name.

    Raises:
        ChapterError: unknown chapter, or a `parameters` cell with anything but assignments of literal values.
    """
    path = chapter_path(chapter, book)
    cells = [cell for cell in read_chapter(path).cells if "parameters" in cell.metadata.get("tags", [])]
    return {p.name: p for cell in cells for p in _declarations(cell.source, chapter)}


def _declarations(source: str, chapter: str) -> list[Parameter]:
    comments = {
        token.start[0]: token.string.lstrip("# ").strip()
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    found = []
    for node in ast.parse(source).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        try:
            (target,) = targets
            if not isinstance(target, ast.Name) or value is None:
                raise ValueError
            default = ast.literal_eval(value)
        except ValueError:
            raise ChapterError(
                f"the parameters cell of chapter {chapter} may hold only `name = literal value`, "
                f"received: {ast.unparse(node)}"
            ) from None
        found.append(Parameter(target.id, default, comments.get(node.end_lineno or node.lineno, "")))
    return found


def check_parameters(chapter: str, values: Mapping[str, Any], book: Book) -> dict[str, Any]:
    """Return the values in the type of their defaults, once every name and every type is found to be right.

    Args:
        chapter: name of a chapter.
        values: parameter names and the values asked for; an int is welcome where the default is a float.
        book: the book that the chapter belongs to.

    Raises:
        ChapterError: unknown chapter or parameter, or a value of another type than the default's.
    """
    declared = chapter_parameters(chapter, book)
    for name in values:
        if name not in declared:
            valid = ", ".join(f"{p.name} (default {p.default!r})" for p in declared.values()) or "none"
            raise ChapterError(f"chapter {chapter} has no parameter {name!r}; its parameters are: {valid}")
    return {name: _converted(chapter, declared[name], value) for name, value in values.items()}


def parse_parameters(chapter: str, texts: Mapping[str, str], book: Book) -> dict[str, Any]:
    """Check values typed on a command line as `check_parameters` does, and return them.

    Python literals are read as such. Text stays text where the default is a string, and a bare list of words
    (`U2Ti,Au2S`) is read as a list where the default is one. Where the default is the name of a crystal, a file
    is welcome, too, and is looked for from the folder in which the command is given: the chapter itself runs in that
    of the book.

    Raises:
        ChapterError: as `check_parameters`.
        StructureError: no such crystal.
    """
    declared = chapter_parameters(chapter, book)
    values = {n: _literal(text, declared[n].default) if n in declared else text for n, text in texts.items()}
    checked = check_parameters(chapter, values, book)
    return {name: _seen_from_anywhere(value, declared[name].default) for name, value in checked.items()}


def _seen_from_anywhere(value: Any, default: Any) -> Any:
    if not isinstance(default, str) or default not in REFERENCE_NAMES or value in REFERENCE_NAMES:
        return value
    return str(crystal_path(value).resolve())


def _literal(text: str, default: Any) -> Any:
    if isinstance(default, str):
        return text
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        if isinstance(default, list | tuple) and not text.lstrip().startswith(("[", "(")):
            return [part.strip() for part in text.split(",")]
        return text


def _converted(chapter: str, parameter: Parameter, value: Any) -> Any:
    default = parameter.default
    try:
        return _as_type_of(default, value)
    except TypeError:
        raise ChapterError(
            f"parameter {parameter.name} of chapter {chapter} must be {_describe(default)} "
            f"such as {default!r}, received {value!r} ({type(value).__name__})"
        ) from None


def _as_type_of(default: Any, value: Any) -> Any:
    if default is None:
        return value
    if isinstance(default, float) and type(value) is int:
        return float(value)
    if isinstance(default, list | tuple) and isinstance(value, list | tuple):
        return type(default)(_element(default, item) for item in value)
    if type(value) is not type(default):
        raise TypeError
    return value


def _element(defaults: list[Any] | tuple[Any, ...], item: Any) -> Any:
    """Return an element in a type that occurs in the default list, or as it is where that list is empty."""
    for default in defaults:
        try:
            return _as_type_of(default, item)
        except TypeError:
            continue
    if defaults:
        raise TypeError
    return item


def _describe(default: Any) -> str:
    names = {bool: "True or False", int: "an integer", float: "a number", str: "a text", dict: "a dict"}
    if isinstance(default, list | tuple):
        kinds = " or ".join(sorted({type(item).__name__ for item in default}))
        return f"a {type(default).__name__}" + (f" of {kinds}" if kinds else "")
    return names.get(type(default), f"a {type(default).__name__}")
