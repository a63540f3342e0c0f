"""`xrdscape snap`, called as a user calls it."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from tolerances import CELL_FROM_PATTERN

from xrdscape.cli import app
from xrdscape.crystal.structures import load_structure
from xrdscape.evaluation.matching import tight_match
from xrdscape.refinement.settings import Settings
from xrdscape.study.starts import start


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.mark.parametrize("name", ["U2Ti", "MnOF"])
def test_a_distorted_crystal_comes_back(name: str, tmp_path: Path) -> None:
    reference, distorted, pattern, stem = (
        load_structure(name),
        tmp_path / "start.cif",
        tmp_path / "p.xy",
        tmp_path / "out",
    )
    start(name, "lattice", 0.03, 0).to(distorted)
    assert call("simulate", name, "-o", pattern).exit_code == 0
    result = call("snap", distorted, pattern, "-o", stem, "--plot", tmp_path / "out.png", "--free")
    assert result.exit_code == 0, result.output
    assert "The crystal explains the pattern" in result.stdout
    assert "The cell was free" in result.stderr
    end = load_structure(f"{stem}.cif")
    assert tight_match(reference, end)
    numbers = json.loads(Path(f"{stem}.json").read_text())
    found = [numbers["cell"]["after"][part] for part in ("a", "b", "c", "alpha", "beta", "gamma")]
    np.testing.assert_allclose(found, end.lattice.parameters, atol=1e-6)
    np.testing.assert_allclose(found, reference.lattice.parameters, rtol=CELL_FROM_PATTERN)
    assert numbers["residual"]["after"]["cosine"] > 0.9999 > numbers["residual"]["before"]["cosine"]
    page = Path(f"{stem}.html").read_text()
    assert page.count("<svg") == 2
    assert "aria-label" in page
    # Readable offline: nothing is loaded from elsewhere.
    assert "src=" not in page
    assert "<link" not in page
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
    again = call("snap", distorted, pattern, "-o", f"{stem}.cif")
    assert again.exit_code == 2
    assert "out.cif exists; choose another name, or replace it with --force" in again.stderr


def test_a_powder_cif_is_both_start_and_pattern(tmp_path: Path) -> None:
    pattern, crystal, whole, stem = tmp_path / "p.xy", tmp_path / "u.cif", tmp_path / "whole.cif", tmp_path / "out"
    assert call("simulate", "U2Ti", "-o", pattern).exit_code == 0
    load_structure("U2Ti").to(crystal)
    rows = [line for line in pattern.read_text().splitlines() if not line.startswith("#")]
    names = "_diffrn_radiation_wavelength 1.5406\nloop_\n_pd_meas_2theta_scan\n_pd_meas_counts_total"
    whole.write_text("\n".join(["data_profile", names, *rows, "", crystal.read_text()]))
    result = call("snap", whole, whole, "-o", stem, "--restarts", "0", "--background", "none")
    assert result.exit_code == 0, result.output
    assert "The crystal explains the pattern" in result.stdout


def test_axis_and_range_are_options_and_what_is_assumed_is_printed(tmp_path: Path) -> None:
    """Over Q in 1/nm, from below 0."""
    simulated, pattern = tmp_path / "p.xy", tmp_path / "q.xy"
    assert call("simulate", "U2Ti", "-o", simulated).exit_code == 0
    angle, intensity = np.loadtxt(simulated).T
    q = 40 * np.pi / 1.5406 * np.sin(np.radians(angle) / 2)
    rows = np.column_stack([np.concatenate([-q[100:0:-1], q]), np.concatenate([intensity[100:0:-1], intensity])])
    np.savetxt(pattern, rows, fmt="%.8f", header="wavelength 0.15406 nm")
    options = ["--axis", "q-nm", "--two-theta-range", "5", "85", "--restarts", "0", "--background", "none"]
    result = call("snap", "U2Ti", pattern, "-o", tmp_path / "out", *options)
    assert result.exit_code == 0, result.output
    assert "The crystal explains the pattern" in result.stdout
    for remark in ("from the line '# wavelength 0.15406 nm'", "Q in 1/nm, as asked", "Angles below 0, at 100 points"):
        assert remark in result.stderr


def test_the_start_is_not_overwritten(tmp_path: Path) -> None:
    crystal = tmp_path / "u.cif"
    load_structure("U2Ti").to(crystal)
    result = call("snap", crystal, tmp_path / "p.xy", "-o", tmp_path / "u", "--force")
    assert result.exit_code == 2
    assert "u.cif is what is to be refined; choose another name with -o" in result.stderr


def test_a_folder_that_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda folder, how: False)
    result = call("snap", "U2Ti", tmp_path / "p.xy", "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert result.stderr == f"error: the folder of the output may not be written to: {tmp_path}\n"


def test_defaults_are_those_of_the_settings() -> None:
    text = call("snap", "--help").output
    for default in (Settings.family, Settings.blur_deg, Settings.restarts, Settings.seed):
        assert f"[default: {default}" in text


def test_ctrl_c_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pattern = tmp_path / "p.xy"
    assert call("simulate", "U2Ti", "-o", pattern).exit_code == 0

    def stopped(*words: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("xrdscape.refinement.report.html_text", stopped)
    result = call("snap", "U2Ti", pattern, "-o", tmp_path / "out", "--restarts", "0")
    assert result.exit_code == 130
    assert result.stderr.endswith("interrupted: nothing was written\n")
    assert [path.name for path in tmp_path.iterdir()] == ["p.xy"]


@pytest.mark.usefixtures("unchecked")
def test_mistakes_are_one_message(tmp_path: Path) -> None:
    pattern, bare, broken = tmp_path / "p.xy", tmp_path / "bare.xy", tmp_path / "broken.cif"
    assert call("simulate", "U2Ti", "-o", pattern).exit_code == 0
    bare.write_text("\n".join(line for line in pattern.read_text().splitlines() if not line.startswith("#")))
    neutrons = tmp_path / "n.xy"
    neutrons.write_text(f"# source: neutrons\n{bare.read_text()}")
    broken.write_text("data_x\n_cell_length_a banana\n")
    stem = tmp_path / "out"
    for words, message in [
        (["snap", tmp_path / "none.cif", pattern], "none.cif"),
        (["snap", broken, pattern], "broken.cif"),
        (["snap", "U2Ti", tmp_path / "none.xy"], "no pattern file"),
        (["snap", "U2Ti", bare], "does not tell its wavelength: give it with --wavelength-angstrom"),
        (["snap", "U2Ti", pattern, "--wavelength-angstrom", "99"], "is not one of X-ray diffraction"),
        (["snap", "U2Ti", pattern, "--two-theta-range", "31", "31.1"], "points, too few for a pattern (at least 50)"),
        (["snap", "U2Ti", pattern, "--two-theta-range", "8", "2"], "from a smaller angle to a larger one"),
        (["snap", "U2Ti", bare, "--axis", "q-nm"], "2theta needs the wavelength: give it with --wavelength-angstrom"),
        (["snap", "U2Ti", neutrons], "was measured with neutrons; only X-ray patterns can be simulated here"),
        (["snap", "U2Ti", tmp_path], "it is a folder"),
        (["snap", "U2Ti", pattern, "--two-theta-range", "2", "8"], "no reflection of the start falls between 2"),
        (["snap", "U2Ti", pattern, "--family", "round"], "unknown crystal family 'round'"),
        (["snap", "U2Ti", pattern, "--family", "cubic", "--free"], "--family and --free exclude each other"),
        (["snap", "U2Ti", pattern, "--plot", tmp_path / "p.doc"], "must end in .png or .svg or .pdf"),
        (["snap", "U2Ti", pattern, "--blur-deg", "0"], "the blur wider than 0 and at most 180 deg"),
        (["snap", "U2Ti", pattern, "--blur-deg", "nan"], "the blur wider than 0 and at most 180 deg"),
    ]:
        result = call(*words, "-o", stem)
        assert result.exit_code == 2, (words, result.output)
        assert result.stderr.startswith("error: "), words
        assert message in result.stderr, words
        assert "Traceback" not in result.output
        assert not list(tmp_path.glob("out*"))
