"""The chapters ask, by default, for what the study has made, and tell a reader what else they can ask for."""

import ast
import importlib
import re

import pytest

from xrdscape.book.pages import Book, chapter_names
from xrdscape.book.parameters import chapter_parameters
from xrdscape.study.plan import load_plan

STUDY_CHAPTERS = ("03-optimisation", "04-landscapes", "05-amd", "06-chgnet")


@pytest.mark.parametrize("chapter", STUDY_CHAPTERS)
def test_defaults_are_those_of_the_study(chapter: str) -> None:
    study = load_plan("study")
    asked = {name: p.default for name, p in chapter_parameters(chapter, Book()).items() if hasattr(study, name)}
    assert {"copies", "max_steps", "seed"} <= set(asked)
    assert asked == {name: getattr(study, name) for name in asked}


@pytest.mark.parametrize("chapter", [*STUDY_CHAPTERS, "08-crossing", "nanocrystals", "solution"])
def test_parameters_tell_meaning_and_range(chapter: str) -> None:
    for name, parameter in chapter_parameters(chapter, Book()).items():
        meaning, _, allowed = parameter.comment.partition(";")
        assert meaning.strip(), name
        assert allowed.strip(), name


def test_what_goes_beyond_has_by_default_the_starts_of_its_plan() -> None:
    beyond = load_plan("beyond")
    asked = {name: p.default for name, p in chapter_parameters("08-crossing", Book()).items() if hasattr(beyond, name)}
    assert set(asked) == {"copies", "seed"}
    assert asked == {name: getattr(beyond, name) for name in asked}


@pytest.mark.parametrize("chapter", chapter_names(Book()))
def test_chapters_ask_for_what_there_is_and_use_what_they_import(chapter: str) -> None:
    text = (Book().chapters / f"{chapter}.md").read_text(encoding="utf8")
    cells = re.findall(r"^```{code-cell} ipython3\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    tree = ast.parse(re.sub(r"^[:%!].*", "", "\n".join(cells), flags=re.MULTILINE))
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("xrdscape"):
            there = importlib.import_module(str(node.module))
            for alias in node.names:
                assert hasattr(there, alias.name), f"{node.module} has no {alias.name}"
                assert (alias.asname or alias.name) in used, f"{alias.name} is imported in vain"


@pytest.mark.parametrize("chapter", chapter_names(Book()))
def test_what_chapters_cite_is_in_the_references(chapter: str) -> None:
    text = (Book().chapters / f"{chapter}.md").read_text(encoding="utf8")
    known = set(
        re.findall(r"^@\w+{([^,]+),", (Book().root / "references.bib").read_text(encoding="utf8"), re.MULTILINE)
    )
    cited = {key.strip() for keys in re.findall(r"{cite(?::\w+)?}`([^`]+)`", text) for key in keys.split(",")}
    assert cited <= known
