"""`xrdscape solve`, called as a user calls it."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from made_nano import SIZE_ANGSTROM, made_pattern
from pymatgen.analysis.structure_matcher import StructureMatcher

from xrdscape.cli import app
from xrdscape.crystal.structures import load_structure
from xrdscape.solution import solve as solving

OPTIONS = ("--axis", "q", "--size-angstrom", SIZE_ANGSTROM, "--convention", "reference-code")
COLUMNS = [
    "rank", "file", "formula", "space_group", "r_wp_squared", "r_nano", "prototype", "prototype_source",
    "volume_angstrom3", "contact", "origin", "alternative_to", "cell_contents",
]  # fmt: skip


def call(*words: object) -> Result:
    return CliRunner().invoke(app, ["solve", *map(str, words)])


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = made_pattern(load_structure("NaS").get_primitive_structure())
    path = tmp_path_factory.mktemp("pattern") / "p.txt"
    np.savetxt(path, np.column_stack([made.q_inv_angstrom, made.intensity]))
    return path


def test_a_pattern_is_solved_and_all_of_it_is_written(pattern: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    words = ("Na4 S4", pattern, "-o", folder, *OPTIONS, "--without", "NaS", "--candidates", 4)
    result = call(*words)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("Solved: candidate 1, NaS in ")
    assert f"{folder}/report.html" in result.stdout
    assert "Q in 1/Å, as asked" in result.stderr
    with (folder / "candidates.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == COLUMNS
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4"]
    written = {row["file"] for row in rows} | {"candidates.csv", "report.html", "solution.json"}
    assert {path.name for path in folder.iterdir()} == written
    best = load_structure(folder / rows[0]["file"])
    assert StructureMatcher().fit(best, load_structure("NaS"))
    assert best.composition.formula == rows[0]["cell_contents"] == "Na4 S4"
    assert best.volume == pytest.approx(float(rows[0]["volume_angstrom3"]), rel=1e-4)
    numbers = json.loads((folder / "solution.json").read_text())
    assert numbers["solved"] is True
    assert numbers["candidates"][0]["r_nano"] == float(rows[0]["r_nano"]) < numbers["explained_below"]
    assert numbers["search"]["without"] == ["NaS"]
    assert numbers["settings"]["convention"] == "reference-code"
    assert numbers["made_by"]["packages"]["xrdscape"]
    page_is_whole((folder / "report.html").read_text(), rows)
    again = call(*words)
    assert again.exit_code == 2
    assert f"{folder} exists; choose another name, or replace it with --force" in again.stderr
    assert call(*words[:-1], 1, "--force").exit_code == 0
    assert len(list(folder.iterdir())) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def page_is_whole(page: str, rows: list[dict[str, str]]) -> None:
    """The report shows each candidate, needs nothing from elsewhere, and says what speaks for and against."""
    assert page.count("<svg") == 2 * len(rows)
    assert "src=" not in page
    assert "<link" not in page
    assert page.index("<strong>Solved:</strong>") < page.index("<table>")
    text = re.sub(r"<[^>]+>", " ", page)
    assert "It explains the pattern: " in text
    assert "It does not explain the pattern: " in text
    assert rows[0]["prototype"] in text
    assert "Its shortest distances are all as usual in the library: " in text


def test_what_is_not_solved_is_said_to_be(pattern: Path, tmp_path: Path) -> None:
    result = call("Rb4 Cl4", pattern, "-o", tmp_path / "out", *OPTIONS, "--descents", 3)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("Not solved: the best candidate, RbCl in ")
    page = (tmp_path / "out" / "report.html").read_text()
    assert '<p class="warning"><strong>Not solved:</strong>' in page
    assert json.loads((tmp_path / "out" / "solution.json").read_text())["solved"] is False


def test_the_output_destroys_nothing(pattern: Path, tmp_path: Path) -> None:
    folder, file = tmp_path / "mine", tmp_path / "file"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    file.write_text("")
    for output, message in [
        (folder, f"{folder} holds something else (thesis.txt); choose another name with -o"),
        (file, f"the output {file} is a file"),
        (tmp_path / "no" / "out", "the folder of the output does not exist"),
    ]:
        result = call("Na4 S4", pattern, "-o", output, "--force", *OPTIONS)
        assert result.exit_code == 2
        assert message in result.stderr
    assert (folder / "thesis.txt").read_text() == "years of work"


def test_ctrl_c_leaves_nothing(pattern: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(solving, "solve_measurement", interrupted)
    result = call("Na4 S4", pattern, "-o", tmp_path / "out", *OPTIONS)
    assert result.exit_code == 130
    assert result.stderr == "interrupted: nothing was written\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["NaSx", "p.txt", *OPTIONS], "error: 'NaSx' is not a chemical formula"),
        (["NaS", "none.txt"], "error: no pattern file called 'none.txt'"),
        (["NaS", "p.txt"], "error: p.txt has no wavelength"),
        (["NaS", "p.txt", *OPTIONS, "--library", "none.npz"], "error: none.npz is not a library of structures"),
        (["C60", "p.txt", *OPTIONS], "a search takes at most 52"),
        (["NaS", "p.txt", "--axis", "t"], "Invalid value for '--axis'"),
    ],
)
def test_mistakes_are_one_message(
    words: list[object], message: str, pattern: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "p.txt").write_bytes(pattern.read_bytes())
    monkeypatch.chdir(tmp_path)
    result = call(*words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["p.txt"]
