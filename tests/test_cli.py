"""The command line, called as a user calls it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tolerances
from click.testing import CliRunner, Result
from fixture_book import HEADER, write_fixture_book

from xrdscape import __version__
from xrdscape.book import pages
from xrdscape.cli import app
from xrdscape.crystal.structures import load_structure
from xrdscape.diffraction.instrument import Instrument
from xrdscape.patterns.simulated import simulate
from xrdscape.study import store
from xrdscape.study.plan import descent_jobs, load_plan


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def small_book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pages.Book:
    small = write_fixture_book(tmp_path / "book")
    monkeypatch.setattr(pages, "ROOT", small.root)
    return small


def test_help_and_version() -> None:
    assert all(
        name in call("--help").output
        for name in (
            "book",
            "chapters",
            "run",
            "simulate",
            "snap",
            "campaign",
            "artefacts",
            "status",
            "audit",
            "dataset",
            "solve",
            "library",
        )
    )
    assert call("--version").output == f"xrdscape {__version__}\n"


def test_chapters_are_listed_with_parameters(small_book: pages.Book) -> None:
    result = call("chapters")
    assert result.exit_code == 0
    assert "01-sum\n    count = 3  # how many numbers\n" in result.output


def test_run_with_two_changed_parameters(small_book: pages.Book, tmp_path: Path) -> None:
    output = tmp_path / "mine.ipynb"
    result = call("run", "01-sum", "-p", "count", "5", "-p", "label", "mine", "-o", output)
    assert result.exit_code == 0, result.output
    assert str(output) in result.stdout
    assert "mine 20.0" in output.read_text()
    assert call("show", output, "table-squares").stdout.startswith("Of 5 rows, after segal2026.\nn  half\n0  0.00\n")
    result = call("run", "01-sum", "-o", output)
    assert result.exit_code == 2
    assert f"error: {output} exists; choose another name, or replace it with --force" in result.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "none"], "error: no chapter is called 'none'; the chapters are: versions, 01-sum, 02-plot"),
        (["run", "01-sum", "-p", "size", "1"], "error: chapter 01-sum has no parameter 'size'"),
        (["run", "01-sum", "-p", "count", "x"], "error: parameter count of chapter 01-sum must be an integer"),
        (["run", "01-sum", "-p", "count", "1", "-p", "count", "2"], "error: parameter count is given more than"),
        (["run", "01-sum", "-p", "count"], "Option '-p' requires 2 arguments"),
        (["show", "none.ipynb"], "error: none.ipynb is not a notebook"),
        (["run", "01-sum", "-o", "x.txt"], "error: the output must end in .ipynb, received x.txt"),
        (["run", "01-sum", "-o", "no/x.ipynb"], "error: the folder of the output does not exist"),
        (["book", "--chapter", "none"], "error: no chapter is called 'none'"),
    ],
)
def test_chapter_mistakes_are_one_message(small_book: pages.Book, words: list[str], message: str) -> None:
    result = call(*words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_simulate_writes_the_pattern(tmp_path: Path) -> None:
    output = tmp_path / "pattern.xy"
    result = call("simulate", "U2Ti", "-o", output, "--two-theta-max-deg", "60", "--wavelength-angstrom", "0.7")
    assert result.exit_code == 0, result.output
    header = [line for line in output.read_text().splitlines() if line.startswith("#")]
    assert header[0] == f"# xrdscape {__version__}"
    assert header[1] == "# from: U2Ti, 3 sites"
    assert "# radiation: wavelength_angstrom=0.7, weight=1" in header
    assert "# background: none" in header
    angle, intensity = np.loadtxt(output, unpack=True)
    instrument = Instrument(wavelength_angstrom=0.7, two_theta_max_deg=60.0)
    expected = simulate(load_structure("U2Ti"), instrument)
    np.testing.assert_allclose(angle, expected.two_theta_deg, rtol=tolerances.XY_FILE, atol=tolerances.XY_FILE)
    np.testing.assert_allclose(intensity, expected.intensity, rtol=tolerances.XY_FILE)


def test_simulate_draws(tmp_path: Path) -> None:
    picture = tmp_path / "pattern.png"
    result = call("simulate", "U2Ti", "-o", tmp_path / "pattern.xy", "--plot", picture)
    assert result.exit_code == 0, result.output
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_simulate_mistakes_are_one_message(tmp_path: Path) -> None:
    broken = tmp_path / "broken.cif"
    broken.write_text("data_x\n_cell_length_a banana\n")
    output = tmp_path / "pattern.xy"
    for words, message in [
        (["simulate", tmp_path / "none.cif", "-o", output], "none.cif"),
        (["simulate", broken, "-o", output], "broken.cif"),
        (["simulate", "U2Ti", "-o", tmp_path / "pattern.dat"], "must end in .xy"),
        (["simulate", "U2Ti", "-o", output, "--plot", tmp_path / "p.doc"], "must end in .png or .svg or .pdf"),
        (["simulate", "U2Ti", "-o", output, "--wavelength-angstrom", "-1"], "wavelength_angstrom must be positive"),
    ]:
        result = call(*words)
        assert result.exit_code == 2, words
        assert result.stderr.startswith("error: ")
        assert message in result.stderr
        assert not output.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["simulate", "U2Ti"], "Missing option '-o'"),
        (["simulate", "U2Ti", "-o", "x.xy", "--caglioti", "0.1", "0.2"], "--caglioti"),
        (["simulate", "U2Ti", "-o", "x.xy", "--step-deg", "small"], "'small' is not a valid float"),
        (["unknown"], "No such command 'unknown'"),
    ],
)
def test_incomplete_calls_say_what_is_missing(words: list[str], message: str) -> None:
    result = call(*words)
    assert result.exit_code == 2
    assert message in result.stderr


def test_ctrl_c_ends_with_one_sentence(small_book: pages.Book) -> None:
    """A cell that is interrupted stands for Ctrl-C, which reaches the kernel as it reaches the command."""
    (small_book.chapters / "01-sum.md").write_text(HEADER + "```{code-cell} ipython3\nraise KeyboardInterrupt\n```\n")
    result = call("book")
    assert result.exit_code == 130
    assert result.stderr == "interrupted: what is finished is kept, and the same command goes on from there\n"


@pytest.fixture
def records_of_one_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> store.Store:
    """Ten descents of the plan "small", and nothing else."""
    some = store.Store(tmp_path / "fresh", tmp_path / "merged")
    job = descent_jobs(load_plan("small"))[0]
    some.add(job, job.compute(), {"revision": "abc"})
    monkeypatch.setattr(store, "store_of", lambda plan: some)
    return some


def test_status_counts_what_there_is(records_of_one_job: store.Store) -> None:
    result = call("status", "small")
    assert result.exit_code == 0
    done = len(records_of_one_job.load(descent_jobs(load_plan("small"))))
    assert f"descents: {done} done, 0 running, 0 failed" in result.output
    assert "noise  level" in result.output


def test_audit_passes_what_is_right_and_fails_what_is_not(records_of_one_job: store.Store) -> None:
    result = call("audit", "small", "--sample", "2")
    assert result.exit_code == 0, result.output
    assert "2 records made again: 2 identical" in result.output
    job = descent_jobs(load_plan("small"))[0]
    rows = records_of_one_job.load([job])
    records_of_one_job.add(job, rows.assign(cosine_end=0.5), {})
    result = call("audit", "small", "--sample", "1")
    assert result.exit_code == 1
    assert "different cosine_end is" in result.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["campaign", "big"], "error: There is no plan 'big'. There are: study, small, pilot"),
        (["campaign", "small", "--structure", "NaCl"], "error: plan small has no structure NaCl; it has U2Ti"),
        (["campaign", "small", "--plans", "none.yaml"], "error: The file of plans none.yaml cannot be read"),
        (["audit", "small", "--sample", "0"], "Invalid value for '--sample'"),
    ],
)
def test_campaign_mistakes_are_one_message(words: list[str], message: str) -> None:
    result = call(*words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output


SLOW = ("torch", "numba", "pandas", "matplotlib", "papermill")


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["run", "--help"],
        ["chapters"],
        ["run", "none"],
        ["run", "02-noise", "-p", "none", "1"],
        ["run", "02-noise", "-p", "structure_name", "none.cif"],
        ["simulate", "none.cif", "-o", "none.xy"],
        ["show", "none.ipynb"],
    ],
    ids=" ".join,
)
def test_what_needs_no_computation_loads_nothing_slow(words: list[str]) -> None:
    code = (
        "import sys\nfrom xrdscape.cli import app\n"
        f"try: app({words!r})\nfinally: print(*[n for n in {SLOW!r} if n in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == ""
    assert "Traceback" not in done.stderr
