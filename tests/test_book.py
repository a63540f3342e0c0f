"""The builder of the book, on a small book of three chapters."""

import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from fixture_book import HEADER, write_fixture_book

from xrdscape.book import build
from xrdscape.book.build import OVERVIEW, book_chapters, build_book, execute_chapter
from xrdscape.book.execute import run_chapter
from xrdscape.book.findings import gathered
from xrdscape.book.overview import parameters_table
from xrdscape.book.pages import Book, chapter_names
from xrdscape.book.parameters import chapter_parameters, check_parameters, parse_parameters
from xrdscape.book.records import timings_table, versions_table
from xrdscape.book.results import results_text
from xrdscape.book.tables import numbered_table
from xrdscape.errors import ChapterError, StructureError


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return write_fixture_book(tmp_path / "book")


def cell_text(path: Path) -> str:
    cells = nbformat.read(path, as_version=4).cells
    return "".join(output.get("text", "") for cell in cells for output in cell.get("outputs", []))


def test_a_chapter_with_a_table_waits_for_no_reader_of_notebooks() -> None:
    code = "import sys; from xrdscape.book import numbered_table; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "xrdscape.book.tables" in loaded
    assert not {"jupytext", "nbformat", "jsonschema"} & set(loaded)


# Parameters


def test_chapters_are_the_notebooks_in_reading_order(book: Book) -> None:
    assert chapter_names(book) == ["versions", "01-sum", "02-plot"]


def test_parameters_are_read_with_their_comments(book: Book) -> None:
    found = chapter_parameters("01-sum", book)
    assert {name: p.default for name, p in found.items()} == {
        "count": 3, "factor": 2.0, "names": ["a", "b"], "label": "sum", "exact": True,
    }  # fmt: skip
    assert found["factor"].comment == "what multiplies them"
    assert found["names"].comment == ""


def test_a_comment_holds_meaning_and_range(book: Book) -> None:
    lines = "count = 3  # how many; of them, each; 1 or more\nlabel = 'x'  # no range\nbare = 1\n"
    cell = f"```{{code-cell}} ipython3\n:tags: [parameters]\n\n{lines}```\n"
    (book.chapters / "02-plot.md").write_text(HEADER + cell)
    found = chapter_parameters("02-plot", book)
    assert [(p.meaning, p.range) for p in found.values()] == [
        ("how many; of them, each", "1 or more"), ("no range", ""), ("", ""),
    ]  # fmt: skip
    table = parameters_table(book)
    assert list(table["Chapter"]) == ["01-sum"] * 5 + ["02-plot"] * 3
    assert table.iloc[5].tolist() == ["02-plot", "`count`", "`3`", "how many; of them, each", "1 or more"]


def test_names_of_crystals_that_are_to_be_typed_are_code(book: Book) -> None:
    cell = '```{code-cell} ipython3\n:tags: [parameters]\n\nname = "U2Ti"  # which; one of U2Ti, Nd(Al2Cu)4\n```\n'
    (book.chapters / "02-plot.md").write_text(HEADER + cell)
    assert parameters_table(book)["Range"].iloc[-1] == "one of `U2Ti`, `Nd(Al2Cu)4`"


# How the range of a parameter may be said; the paper's value is no range.
RANGE = re.compile(r"or more|above -?\d|any integer|one of|\d to \d|\d or \d|True or False|names?$")


@pytest.mark.parametrize("chapter", chapter_names(Book()))
def test_every_parameter_says_what_it_means_and_which_values_it_takes(chapter: str) -> None:
    for parameter in chapter_parameters(chapter, Book()).values():
        assert parameter.meaning, parameter
        assert RANGE.search(parameter.range), parameter
        assert not parameter.range.startswith(("paper", "the paper")), parameter


def test_chapter_without_parameters(book: Book) -> None:
    assert chapter_parameters("02-plot", book) == {}
    with pytest.raises(ChapterError, match="02-plot has no parameter 'x'; its parameters are: none"):
        check_parameters("02-plot", {"x": 1}, book)


def test_unknown_chapter_lists_those_there_are(book: Book) -> None:
    with pytest.raises(ChapterError, match=r"no chapter is called '03-none'.*versions, 01-sum, 02-plot"):
        chapter_parameters("03-none", book)
    with pytest.raises(ChapterError, match="no chapter is called 'not-a-notebook'"):
        build_book(book, chapter="not-a-notebook", say=lambda line: None)


def test_unknown_parameter_lists_the_valid_ones(book: Book) -> None:
    with pytest.raises(ChapterError, match=r"no parameter 'cuont'.*count \(default 3\), factor \(default 2.0\)"):
        check_parameters("01-sum", {"cuont": 4}, book)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("count", 2.5, "an integer such as 3, received 2.5 [(]float[)]"),
        ("count", True, "an integer such as 3, received True [(]bool[)]"),
        ("factor", "2", "a number such as 2.0, received '2' [(]str[)]"),
        ("names", "a", r"a list of str such as \['a', 'b'\], received 'a'"),
        ("names", [1], r"a list of str such as \['a', 'b'\], received \[1\]"),
        ("label", 3, "a text such as 'sum', received 3"),
        ("exact", 1, "True or False such as True, received 1"),
    ],
)
def test_wrong_type_is_refused_with_the_right_one(book: Book, name: str, value: object, expected: str) -> None:
    with pytest.raises(ChapterError, match=f"parameter {name} of chapter 01-sum must be {expected}"):
        check_parameters("01-sum", {name: value}, book)


def test_integer_is_taken_for_a_number(book: Book) -> None:
    value = check_parameters("01-sum", {"factor": 3}, book)["factor"]
    assert value == 3.0
    assert isinstance(value, float)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("count", "7", 7),
        ("factor", "1e-3", 1e-3),
        ("factor", "-2", -2.0),
        ("names", "x,y", ["x", "y"]),
        ("names", "['x']", ["x"]),
        ("label", "12", "12"),
        ("exact", "False", False),
    ],
)
def test_command_line_texts_are_read_by_the_type_of_the_default(
    book: Book, name: str, text: str, value: object
) -> None:
    assert parse_parameters("01-sum", {name: text}, book) == {name: value}


def test_word_for_a_number_is_refused(book: Book) -> None:
    with pytest.raises(ChapterError, match="an integer such as 3, received 'many'"):
        parse_parameters("01-sum", {"count": "many"}, book)


def test_computed_default_is_refused(book: Book) -> None:
    cell = "```{code-cell} ipython3\n:tags: [parameters]\n\ncount = len('abc')\n```\n"
    (book.chapters / "02-plot.md").write_text(HEADER + cell)
    with pytest.raises(ChapterError, match=r"only `name = literal value`, received: count = len\('abc'\)"):
        chapter_parameters("02-plot", book)


def test_where_a_crystal_is_asked_for_a_file_is_welcome(
    book: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = "```{code-cell} ipython3\n:tags: [parameters]\n\ncrystal = 'U2Ti'\nlabel = 'sum'\n```\n"
    (book.chapters / "02-plot.md").write_text(HEADER + cell)
    (tmp_path / "mine.cif").write_text("")
    monkeypatch.chdir(tmp_path)
    assert parse_parameters("02-plot", {"crystal": "mine.cif"}, book) == {"crystal": str(tmp_path / "mine.cif")}
    assert parse_parameters("02-plot", {"crystal": "Au2S", "label": "mine.cif"}, book) == {
        "crystal": "Au2S", "label": "mine.cif",
    }  # fmt: skip
    with pytest.raises(StructureError, match=rf"no structure named or file called 'none\.cif' in {tmp_path}.*U2Ti"):
        parse_parameters("02-plot", {"crystal": "none.cif"}, book)


# Execution


def test_changed_parameters_show_in_the_output(book: Book, tmp_path: Path) -> None:
    output = tmp_path / "mine.ipynb"
    assert run_chapter("01-sum", {"count": 5, "label": "mine"}, output, book) > 0
    assert "mine 20.0 ['a', 'b'] ." in cell_text(output)


def test_executed_notebook_carries_no_trace_of_the_machine(book: Book, tmp_path: Path) -> None:
    first, second = tmp_path / "1.ipynb", tmp_path / "2.ipynb"
    for output in (first, second):
        run_chapter("01-sum", {"count": 5}, output, book)
    text = first.read_text()
    assert str(book.root) not in text
    injected = [c for c in nbformat.read(first, 4).cells if "injected-parameters" in c.metadata.get("tags", [])]
    assert [("remove-cell" in c.metadata.tags) for c in injected] == [True]
    bodies = [[c.get("outputs", []) for c in nbformat.read(path, 4).cells] for path in (first, second)]
    assert bodies[0] == bodies[1]
    # The chapter warns, which must have left no trace: the warning names a temporary file of the kernel.
    assert "stderr" not in text
    assert "papermill" not in json.loads(text)["metadata"]


def test_failing_chapter_says_where_and_how_to_run_it(book: Book, tmp_path: Path) -> None:
    text = HEADER + "```{code-cell} ipython3\nprint('before')\n```\n\n```{code-cell} ipython3\n1 / 0\n```\n"
    (book.chapters / "02-plot.md").write_text(text)
    output = tmp_path / "plot.ipynb"
    with pytest.raises(ChapterError) as caught:
        run_chapter("02-plot", {}, output, book)
    message = str(caught.value)
    assert "chapter 02-plot failed in code cell 2: ZeroDivisionError: division by zero" in message
    assert "the cell begins: 1 / 0" in message
    assert "xrdscape run 02-plot" in message
    assert not output.exists()
    assert "before" in cell_text(output.with_suffix(".failed.ipynb"))


def test_an_error_for_the_user_is_told_as_it_is(book: Book, tmp_path: Path) -> None:
    cell = "```{code-cell} ipython3\nfrom xrdscape.errors import CellError\nraise CellError('Mend the cell.')\n```\n"
    (book.chapters / "02-plot.md").write_text(HEADER + cell)
    with pytest.raises(ChapterError) as caught:
        run_chapter("02-plot", {}, tmp_path / "plot.ipynb", book)
    assert str(caught.value) == "chapter 02-plot, code cell 1: Mend the cell."
    assert list(tmp_path.glob("*.ipynb")) == []


def test_tables_of_an_executed_chapter_are_read_back(book: Book, tmp_path: Path) -> None:
    output = tmp_path / "sum.ipynb"
    run_chapter("01-sum", {"count": 2}, output, book)
    text = "Of 2 rows, after segal2026.\nn  half\n0  0.00\n1  0.50"
    assert results_text(output) == results_text(output, "table-squares") == text
    with pytest.raises(ChapterError, match=r"sum\.ipynb has no table 'fig-1'; it has: table-squares"):
        results_text(output, "fig-1")
    for wrong in (tmp_path / "none.ipynb", book.chapters / "01-sum.md"):
        with pytest.raises(ChapterError, match=r"is not a notebook .* Give the path"):
            results_text(wrong)


# The whole book


def test_book_is_built_once_and_then_only_what_changed(book: Book) -> None:
    lines: list[str] = []
    assert build_book(book, say=lines.append) == ["01-sum", "02-plot", "versions"]
    assert (book.site / "index.html").exists()
    assert any(line.startswith("01-sum: executed in ") for line in lines)

    lines.clear()
    assert build_book(book, say=lines.append) == []
    assert "site: up to date" in lines

    chapter = book.chapters / "01-sum.md"
    chapter.write_text(chapter.read_text().replace("count = 3", "count = 4"))
    assert build_book(book, say=lines.append) == ["01-sum", "versions"]

    page = (book.site / "chapters" / "01-sum.html").read_text()
    assert "12.00" in page
    assert "UNWANTED" not in page
    table = timings_table(book).set_index("Chapter")
    assert set(table.index) == {"01-sum", "02-plot", "versions"}
    assert "count = 4" in table.loc["01-sum", "Parameters"]
    assert (table["Seconds"] > 0).all()


MEETING = """```{{code-cell}} ipython3
import time
from pathlib import Path
Path("{own}").touch()
for _ in range(1200):
    time.sleep(0.1 * (not Path("{other}").exists()))
assert Path("{other}").exists()
```
"""


def test_two_chapters_are_executed_at_a_time_and_those_that_measure_time_alone(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of two chapters waits for the other to begin; a third begins when both are done."""
    monkeypatch.setattr(build, "cores", lambda: 2)
    monkeypatch.setattr(build, "TIMED", ("00-timed",))
    for own, other in (("01-sum", "02-plot"), ("02-plot", "01-sum")):
        (book.chapters / f"{own}.md").write_text(HEADER + MEETING.format(own=own, other=other))
    (book.chapters / "00-timed.md").write_text(HEADER + "# A page\n")
    toc = book.root / "_toc.yml"
    toc.write_text(
        toc.read_text().replace(
            "      - file: chapters/01", "      - file: chapters/00-timed\n      - file: chapters/01"
        )
    )
    said: list[str] = []
    with pytest.raises(ChapterError, match="could not be built"):
        build_book(book, say=said.append)
    begun = [line.partition(":")[0] for line in said if line.endswith("executing ...")]
    assert begun == ["01-sum", "02-plot", "00-timed", "versions"]
    assert {line.partition(":")[0] for line in said[: said.index("00-timed: executing ...")]} == {"01-sum", "02-plot"}


def test_the_page_of_parameters_follows_those_of_other_chapters(book: Book) -> None:
    (book.chapters / "01-sum.md").rename(book.chapters / f"{OVERVIEW}.md")
    toc = book.root / "_toc.yml"
    toc.write_text(toc.read_text().replace("01-sum", OVERVIEW))
    said: list[str] = []
    plot, cell = book.chapters / "02-plot.md", "```{code-cell} ipython3\n:tags: [parameters]\n\nsize = 1\n```\n"
    assert execute_chapter(OVERVIEW, book, False, said.append)
    plot.write_text(f"{plot.read_text()}\nMore words.\n")
    assert not execute_chapter(OVERVIEW, book, False, said.append)
    plot.write_text(f"{plot.read_text()}\n{cell}")
    assert execute_chapter(OVERVIEW, book, False, said.append)


def test_failure_keeps_the_other_chapters(book: Book) -> None:
    (book.chapters / "01-sum.md").write_text(HEADER + "```{code-cell} ipython3\nraise KeyError('gone')\n```\n")
    with pytest.raises(ChapterError, match=r"(?s)01-sum failed in code cell 1: KeyError: 'gone'.*others? chapters"):
        build_book(book, say=lambda line: None)
    assert (book.executed / "02-plot.ipynb").exists()
    assert not (book.executed / "01-sum.ipynb").exists()
    assert not book.site.exists()


def test_broken_reference_is_not_published(book: Book) -> None:
    for name in ("01-sum", "02-plot"):
        (book.chapters / f"{name}.md").write_text(HEADER + "# A page\n")
    with pytest.raises(ChapterError, match=r"(?s)could not be built.*fig-line"):
        build_book(book, say=lambda line: None)
    assert not book.site.exists()


def test_missing_page_is_named(book: Book) -> None:
    (book.chapters / "02-plot.md").unlink()
    with pytest.raises(ChapterError, match="names the page 'chapters/02-plot', but there is no file"):
        build_book(book, say=lambda line: None)


# Tables


def test_numbered_table_formats_numbers_and_gaps() -> None:
    frame = pd.DataFrame({"name": ["a|b", "c"], "n": [1, 2], "x": [-0.126, float("nan")]})
    text = numbered_table(frame, "table-x", "A caption\nin two lines.").data
    assert text.splitlines() == [
        ":::{table} A caption in two lines.", ":name: table-x", "",
        "| name | n | x |", "| :--- | ---: | ---: |", "| a\\|b | 1 | −0.13 |", "| c | 2 | – |", ":::",
    ]  # fmt: skip


def test_integers_get_commas_from_ten_thousand_on() -> None:
    frame = pd.DataFrame({"n": [9999, 10_000, -1_234_567], "flag": [True, False, True], "text": ["10000"] * 3})
    assert numbered_table(frame, "table-x", "Counts.").data.splitlines()[5:-1] == [
        "| 9999 | True | 10000 |", "| 10,000 | False | 10000 |", "| −1,234,567 | True | 10000 |",
    ]  # fmt: skip


def test_versions_are_reported_before_any_execution(book: Book) -> None:
    table = versions_table(book).set_index("Item")["Value"]
    assert table["torch"].startswith("2.")
    assert int(table["cores"]) >= 1


def test_interruption_stops_the_build_and_is_no_failure(book: Book) -> None:
    """Ctrl-C reaches the kernel as well; what waits for its turn must not begin."""
    cell = "```{code-cell} ipython3\nraise KeyboardInterrupt\n```\n"
    (book.chapters / "01-sum.md").write_text(HEADER + cell)
    said: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        build_book(book, say=said.append)
    assert said == [f"{name}: executing ..." for name in ("01-sum", "02-plot")[: len(said)]]
    assert not book.site.exists()


# Pages that report on others

FOUND = """# A chapter with a claim

```{code-cell} ipython3
from xrdscape.book.findings import FindingsTable
from xrdscape.findings.finding import Finding

holds = True
FindingsTable(
    [Finding("one", "A claim.", "Fig. 1", "it does", "so much", {"a": True, "b": holds}, "levels", ("fig-line",))],
    "table-findings",
    "Claims.",
)
```
"""

VERDICTS = """# Verdicts

```{code-cell} ipython3
from xrdscape.book.findings import claim_entries, gathered, verdicts_sentence, verdicts_table
from xrdscape.book.tables import numbered_table

found = gathered(["01-sum"])
print(verdicts_sentence(found))
numbered_table(verdicts_table(found), "table-verdicts", "Verdicts.")
```

```{code-cell} ipython3
claim_entries(found, "01-sum")
```
"""


def with_verdicts(book: Book) -> Book:
    """The small book with a claim in its first chapter and a page that gathers it."""
    chapter = book.chapters / "01-sum.md"
    chapter.write_text(chapter.read_text() + FOUND)
    (book.chapters / "verdicts.md").write_text(HEADER + VERDICTS)
    toc = book.root / "_toc.yml"
    toc.write_text(
        toc.read_text().replace("chapters/versions\n", "chapters/versions\n      - file: chapters/verdicts\n")
    )
    return book


def test_reports_run_after_what_they_report_on(book: Book) -> None:
    assert book_chapters(with_verdicts(book)) == ["01-sum", "02-plot", "verdicts", "versions"]


def test_verdicts_are_gathered_from_executed_notebooks(book: Book) -> None:
    with_verdicts(book)
    assert build_book(book, say=lambda line: None) == ["01-sum", "02-plot", "verdicts", "versions"]
    assert "1 is reproduced, 0 are partly" in cell_text(book.executed / "verdicts.ipynb")
    page = (book.site / "chapters" / "verdicts.html").read_text()
    assert 'href="#claim-one"' in page
    assert 'href="02-plot.html#fig-line"' in page

    chapter = book.chapters / "01-sum.md"
    chapter.write_text(chapter.read_text().replace("holds = True", "holds = False"))
    assert build_book(book, chapter="01-sum", say=lambda line: None) == ["01-sum", "verdicts", "versions"]
    assert "1 is partly reproduced" in cell_text(book.executed / "verdicts.ipynb")

    # A notebook put there by other means counts as well.
    run_chapter("01-sum", {"count": 9}, book.executed / "01-sum.ipynb", book)
    assert build_book(book, chapter="verdicts", say=lambda line: None) == ["verdicts", "versions"]


def test_verdicts_without_chapters_say_what_to_run(book: Book, tmp_path: Path) -> None:
    with_verdicts(book)
    with pytest.raises(ChapterError, match=r"(?s)findings of 01-sum are not there.*xrdscape book --chapter 01-sum"):
        gathered(["01-sum"], book)
    with pytest.raises(ChapterError, match="xrdscape book --chapter 01-sum"):
        run_chapter("verdicts", {}, tmp_path / "verdicts.ipynb", book)
    with pytest.raises(ChapterError, match=r"not executed yet: 02-plot; run `xrdscape book`"):
        build_book(book, chapter="01-sum", say=lambda line: None)
    run_chapter("02-plot", {}, book.executed / "02-plot.ipynb", book)
    with pytest.raises(ChapterError, match="notebook of 02-plot holds no findings"):
        gathered(["02-plot"], book)
