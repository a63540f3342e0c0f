"""Docstrings begin with what is done or what a thing is: those of functions with a verb, all others with a noun."""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

import xrdscape

PACKAGE = Path(xrdscape.__file__).parent

VERBS = """
Add Apply Bring Build Call Check Compare Compile Compute Count Descend Displace Do Draw Execute Fall Forget Hold
Import Keep List Look Make Measure Move Multiply Offer Parse Print Put Raise Read Refine Refuse Register Relax Replace
Return Run Search Set Show Simulate Solve Stack Store Strain Take Tell Turn Write Yield
"""
"""First words of functions' docstrings; a new verb is added here."""
NO_HEADS = "As At By For From How In Of On To What When Where Whether Which Why With"
"""First words that leave open what is spoken of."""
FILES = sorted(PACKAGE.rglob("*.py"))


def docstrings(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """Yield each docstring of a module with what it describes: the module, a class, a function or an assignment."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node)):
            yield node, text
        for before, after in pairwise(node.body if isinstance(node, ast.Module | ast.ClassDef) else ()):
            if isinstance(before, ast.Assign | ast.AnnAssign) and is_text(after):
                yield before, ast.literal_eval(after.value)


def is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def first_word(text: str) -> str:
    return re.split(r"[\s,:;.]", text, maxsplit=1)[0]


def is_property(node: ast.FunctionDef) -> bool:
    return any(ast.unparse(decorator).endswith("property") for decorator in node.decorator_list)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_docstrings_begin_with_a_verb_or_a_noun(path: Path) -> None:
    for node, text in docstrings(ast.parse(path.read_text(encoding="utf8"))):
        word, line = first_word(text), text.splitlines()[0]
        assert word not in NO_HEADS.split(), f"line {node.lineno}: {line!r}"
        if isinstance(node, ast.FunctionDef) and not is_property(node):
            assert word in VERBS.split(), f"line {node.lineno}, {node.name}: {line!r} does not begin with a verb"
