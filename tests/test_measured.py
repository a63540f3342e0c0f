"""Measured patterns: reading their formats, estimating what is not the crystal, and refining a start against them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pymatgen.core import Lattice, Structure
from tolerances import CELL_FROM_PATTERN

from xrdscape.crystal.families import project
from xrdscape.crystal.structures import load_structure
from xrdscape.crystal.symmetry import displacement_projector
from xrdscape.diffraction.instrument import Instrument
from xrdscape.diffraction.profile import PeakProfile
from xrdscape.diffraction.radiation import Radiation
from xrdscape.diffraction.widths import CagliotiWidth
from xrdscape.errors import DescentError, PatternError
from xrdscape.patterns.pattern import Pattern
from xrdscape.patterns.reading import read_pattern
from xrdscape.patterns.simulated import simulate
from xrdscape.refinement.fit import Fit, fit_profile, fit_scale
from xrdscape.refinement.prepared import Prepared, prepare
from xrdscape.refinement.refine import chosen_family, refine
from xrdscape.refinement.residual import amorphous_halo, residual, unindexed_peaks, verdict, warnings_of
from xrdscape.refinement.settings import Settings
from xrdscape.study.starts import start

ANGLES = np.linspace(10, 20, 101)
INTENSITIES = np.round(100 + 1000 * np.exp(-(((ANGLES - 15) / 0.3) ** 2)), 3)
CU = Radiation.of(1.5406)
K_ALPHA = Radiation.of(1.54056, 1.54439)
PEAKS = PeakProfile(CagliotiWidth(0.02, 0.0, 0.015), 0.6)


def rows(text: str) -> str:
    return "\n".join(text.format(x=f"{x:.1f}", y=f"{y:.3f}", s="2.5") for x, y in zip(ANGLES, INTENSITIES, strict=True))


def powder_cif(names: str, line: str, more: str = "") -> str:
    return f"data_profile\nloop_\n{names}\n{rows(line)}\n\ndata_structure\n{more}\n"


FORMATS = {
    "spaces.xy": "# Wavelength: 1.5406\n" + rows("{x} {y}"),
    "tabs.dat": "! lambda1 = 1.54056\n! a comment\n" + rows("{x}\t{y}") + "\n# the end\n",
    "header.csv": '# wavelength 1.5406 A\n2theta,"intensity"\n' + rows("{x},{y}"),
    "three.xye": "wavelength=1.5406\n" + rows("  {x}  {y}  {s}"),
    "german.csv": "Winkel;Intensität;wavelength 1.5406\n" + rows("{x};{y}").replace(".", ","),
    "downwards.xy": "# wavelength 1.5406\n" + "\n".join(reversed(rows("{x} {y}").splitlines())),
    "loop.cif": powder_cif(
        "_pd_proc_point_id\n_pd_proc_2theta_corrected # deg\n_pd_calc_intensity_total\n_pd_proc_intensity_total",
        "1 {x} 7 {y}(25)",
        "_cell_length_a 4.0(1)\n_diffrn_radiation_wavelength 1.5406",
    ),
    "range.cif": "data_x\n_pd_meas_2theta_range_min 10.0\n_pd_meas_2theta_range_max 20.0\n"
    "_pd_meas_2theta_range_inc 0.1\n_pd_proc_wavelength 1.5406\nloop_\n_pd_meas_counts_total\n" + rows("{y}"),
}


@pytest.mark.parametrize("name", FORMATS)
def test_formats_are_read(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(FORMATS[name], encoding="latin1")
    found = read_pattern(path)
    np.testing.assert_allclose(found.two_theta_deg, ANGLES, atol=1e-9)
    np.testing.assert_allclose(found.intensity, INTENSITIES)
    assert found.radiation is not None
    assert found.radiation.wavelength_angstrom == pytest.approx(1.5406, abs=1e-4)
    assert found.has_background
    assert found.profile is None
    if name == "three.xye":
        assert found.sigma == pytest.approx(2.5)
    elif name == "loop.cif":
        assert found.sigma == pytest.approx(0.025)
    else:
        assert found.sigma is None


def test_a_doublet_and_a_given_radiation(tmp_path: Path) -> None:
    path = tmp_path / "two.cif"
    lines = "loop_\n_diffrn_radiation_type\n_diffrn_radiation_wavelength\nCuK\\a~1~ 1.54056\nCuK\\a~2~ 1.54439\n"
    path.write_text(powder_cif("_pd_meas_2theta_scan\n_pd_meas_counts_total", "{x} {y}", lines))
    found = read_pattern(path)
    assert found.radiation == K_ALPHA
    assert [line.weight for line in K_ALPHA.lines] == [2 / 3, 1 / 3]
    assert any("weighted mean of the emission lines" in remark for remark in prepare(found).remarks)
    given = read_pattern(path, Radiation.of(0.7))
    assert given.radiation == Radiation.of(0.7)
    assert any("as given; the file says 1.54056" in remark for remark in given.remarks)


def test_intensities_below_zero_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "net.xy"
    path.write_text("# wavelength 1.5\n" + rows("{x} {y}").replace("12.0 ", "12.0 -"))
    remarks = " ".join(prepare(read_pattern(path)).remarks)
    assert "Intensities below zero, at 1 of 101 points" in remarks
    assert "at 12°" in remarks


def test_points_without_intensity_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "gap.cif"
    text = powder_cif("_pd_meas_2theta_scan\n_pd_meas_counts_total", "{x} {y}").replace("12.0 ", "12.0 ? #")
    path.write_text(text)
    assert len(read_pattern(path).two_theta_deg) == len(ANGLES) - 1


TEXT = rows("{x} {y}")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.xy", "", "a.xy holds no numbers"),
        ("a.xy", "# wavelength 1.5\n10 5\n11 6\n", "a.xy has 2 points, too few for a pattern"),
        ("a.xy", TEXT + "\noops 5\n", "a.xy, line 102: expected 2theta, intensity"),
        ("a.xy", TEXT + "\n21 5 1\n", "a.xy, line 102: the number of columns changes"),
        ("a.xy", TEXT + "\n15 5\n", "the angles must rise from line to line, but 20 is followed by 15"),
        ("a.xy", TEXT.replace("20.0 ", "200.0 "), "the first column must be 2theta in degrees"),
        ("a.xy", rows("{x} 0"), "a.xy shows no peak"),
        (
            "a.xy",
            rows("{x} {y}").replace("1100.000", "nan"),
            "1 intensities that are not finite numbers, the first at 15 deg",
        ),
        ("a.xy", "# wavelength 15.406\n" + TEXT, "15.406 angstrom, which is not one of X-ray diffraction"),
        ("a.xy", "\0" + TEXT, "a.xy is not text"),
        ("a.cif", "data_x\n_cell_length_a 4\n", "a.cif holds no measured pattern over 2theta"),
        ("a.cif", powder_cif("_pd_meas_2theta_scan\n_pd_calc_intensity_total", "{x} {y}"), "no measured pattern"),
        (
            "a.cif",
            powder_cif("_pd_meas_2theta_scan\n_pd_meas_counts_total", "{x} {y}", "_diffrn_radiation_probe neutron"),
            "was measured with neutron",
        ),
    ],
)
def test_what_is_no_pattern_is_refused(name: str, text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(PatternError) as caught:
        read_pattern(path)
    assert message in str(caught.value)
    with pytest.raises(PatternError, match="no pattern file"):
        read_pattern(tmp_path / "none.xy")


def test_a_wavelength_must_be_known_for_a_refinement(tmp_path: Path) -> None:
    path = tmp_path / "a.xy"
    path.write_text(TEXT)
    assert read_pattern(path).radiation is None
    with pytest.raises(PatternError, match=r"a\.xy does not tell its wavelength: give it with --wavelength-angstrom"):
        prepare(read_pattern(path))


def test_a_header_of_ours_that_was_edited_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.xy"
    path.write_text(f"# xrdscape 0.1.0\n# profile: U=1, V=0\n{TEXT}")
    with pytest.raises(PatternError, match="radiation or profile in the header make no sense"):
        read_pattern(path)


def test_uneven_steps_are_interpolated() -> None:
    angles = np.sort(np.random.default_rng(0).uniform(10, 60, 4000))
    peak = 10 + 100 * np.exp(-(((angles - 30) / 0.3) ** 2))
    prepared = prepare(Pattern(angles, peak, radiation=CU, profile=PEAKS))
    assert np.ptp(np.diff(prepared.two_theta_deg)) < 1e-9
    assert any("uneven" in remark for remark in prepared.remarks)
    highest = prepared.two_theta_deg[prepared.intensity.argmax()]
    assert highest == pytest.approx(30, abs=0.02)


def test_prepare_refuses_what_has_no_peaks() -> None:
    angles, noise = np.arange(10, 60, 0.02), np.random.default_rng(0)
    flat = Pattern(angles, 100 + noise.normal(size=len(angles)), radiation=CU)
    with pytest.raises(PatternError, match="no peak stands out"):
        prepare(flat)
    with pytest.raises(PatternError, match="between 70 and 80 deg there is no pattern"):
        flat.between(70.0, 80.0)


def counted(crystal: Structure, b_iso: float, zero_deg: float, seed: int = 0) -> Pattern:
    """A pattern as a diffractometer would count it: a doublet, narrow peaks, background, thermal motion, zero shift."""
    instrument = Instrument(
        two_theta_min_deg=15 + zero_deg,
        two_theta_max_deg=95 + zero_deg,
        step_deg=0.02,
        zero_deg=zero_deg,
        radiation=K_ALPHA,
        profile=PEAKS,
    )
    pattern = simulate(crystal, instrument, b_iso)
    counts = 20_000 * pattern.intensity / pattern.intensity.max() + 200 + 150 * np.exp(-pattern.two_theta_deg / 30)
    noisy = np.random.default_rng(seed).poisson(counts).astype(float)
    return Pattern(pattern.two_theta_deg, noisy, radiation=K_ALPHA)


def strained(name: str, level: float, family: str) -> Structure:
    crystal = start(name, "lattice", level, 1)
    cell = project(torch.tensor(crystal.lattice.parameters, dtype=torch.float64), family)
    return Structure(Lattice.from_parameters(*cell.tolist()), crystal.species, crystal.frac_coords)


@pytest.fixture(scope="module")
def counted_pattern() -> Pattern:
    return counted(load_structure("BPO4"), 1.0, 0.04)


def test_a_counted_pattern_gives_the_cell_back(counted_pattern: Pattern) -> None:
    reference = load_structure("BPO4")
    messages: list[str] = []
    done = refine(strained("BPO4", 0.03, "tetragonal"), counted_pattern, zero_shift=True, say=messages.append)
    assert done.family == "tetragonal"
    np.testing.assert_allclose(done.refined.lattice.parameters, reference.lattice.parameters, rtol=1e-4)
    fit = done.refined_fit
    assert fit.instrument.zero_deg == pytest.approx(0.04, abs=0.005)
    assert fit.b_iso == pytest.approx(1.0, abs=0.2)
    assert fit.instrument.eta == pytest.approx(0.6, abs=0.1)
    assert done.after.cosine > 0.999
    assert done.after.cosine > done.before.cosine
    # Counting noise leaves a misfit of one standard deviation a point.
    prepared = done.pattern
    misfit = (prepared.intensity - fit.background - fit.peaks) / prepared.sigma
    assert np.sqrt((misfit**2).mean()) == pytest.approx(1, abs=0.15)
    assert done.warnings == []
    assert "The weights are those of counts, 1/intensity." in messages
    assert messages[-2].startswith("The cell was kept tetragonal")
    assert "cosine" in messages[-1]


def test_coordinates_come_back_with_the_symmetry_of_the_start(counted_pattern: Pattern) -> None:
    reference = load_structure("BPO4")
    projector, _ = displacement_projector(reference, 0.01)
    np.testing.assert_allclose(projector @ projector, projector, atol=1e-9)
    # The oxygen at a general place has three coordinates; boron and phosphorus have none.
    assert np.linalg.matrix_rank(projector) == 3
    shove = projector @ np.random.default_rng(3).normal(size=3 * len(reference))
    shove *= 0.02 / np.abs(shove).max()
    moved = Structure(reference.lattice, reference.species, reference.frac_coords + shove.reshape(-1, 3))
    still = refine(moved, counted_pattern, restarts=0, zero_shift=True)
    done = refine(moved, counted_pattern, restarts=0, zero_shift=True, atoms=True)

    def distance(crystal: Structure) -> float:
        off = crystal.frac_coords - reference.frac_coords
        return float(np.abs(off - np.round(off)).max())

    assert distance(done.refined) < 0.3 * distance(still.refined)
    assert done.after.cosine > still.after.cosine
    assert displacement_projector(done.refined, 0.01)[0] == pytest.approx(projector)


def test_pseudosymmetry_needs_the_restarts() -> None:
    sites = [[0, 0, 0], [0.5, 0.5, 0.488], [0.5, 0.5, 0], [0.5, 0, 0.52], [0, 0.5, 0.52]]
    kinds = ["Ba", "Ti", "O", "O", "O"]
    reference = Structure(Lattice.tetragonal(3.995, 4.034), kinds, sites)
    # Flat where the reference structure is tall.
    flat = Structure(Lattice.tetragonal(4.02, 3.985), kinds, sites)
    pattern = counted(reference, 0.5, 0.0)
    once = refine(flat, pattern, family="tetragonal", blur_deg=1, restarts=0)
    assert once.refined.lattice.c < once.refined.lattice.a
    done = refine(flat, pattern, family="tetragonal", blur_deg=1)
    assert (once.descents, done.descents) == (1, 8)
    assert done.after.cosine > once.after.cosine
    np.testing.assert_allclose(done.refined.lattice.abc, reference.lattice.abc, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "family"), [("LiMnIr2", "cubic"), ("U2Ti", "hexagonal"), ("MnOF", "monoclinic"), ("MnOF", None)]
)
def test_least_squares_keep_the_family_and_find_the_cell(name: str, family: str | None) -> None:
    reference = load_structure(name)
    prepared = prepare(simulate(reference, Instrument(W=0.02, U=0.02, V=0.0, two_theta_min_deg=10)))
    near = start(name, "lattice", 0.0005, 0)
    cell = project(torch.tensor(near.lattice.parameters, dtype=torch.float64), family or "triclinic")
    near = Structure(Lattice.from_parameters(*cell.tolist()), near.species, near.frac_coords)
    found = fit_profile(prepared, near, prepared.instrument, family=family)
    np.testing.assert_allclose(found.lattice, reference.lattice.parameters, rtol=CELL_FROM_PATTERN)
    kept = project(torch.tensor(found.lattice), family or "triclinic").numpy()
    np.testing.assert_allclose(found.lattice, kept, rtol=1e-12)


def test_the_family_is_that_of_the_start() -> None:
    reference = load_structure("BPO4")
    assert chosen_family(reference, "auto")[0] == "tetragonal"
    assert chosen_family(reference, "free")[0] is None
    assert chosen_family(reference, "cubic")[0] == "cubic"
    assert chosen_family(reference.get_primitive_structure(), "auto")[0] is None
    # As written, before what it nearly is.
    sheared = Structure(Lattice.monoclinic(4.0, 4.05, 4.1, 89.8), ["Fe"], [[0, 0, 0]])
    assert chosen_family(sheared, "auto")[0] == "monoclinic"
    loose = Structure(Lattice.from_parameters(4.0, 4.05, 4.1, 89.8, 89.7, 90.3), ["Fe"], [[0, 0, 0]])
    assert chosen_family(loose, "auto")[0] == "orthorhombic"
    skew = start("BPO4", "lattice", 0.1, 0)
    assert chosen_family(skew, "auto")[0] in (None, "monoclinic")


@pytest.mark.usefixtures("unchecked")
def test_settings_that_there_are_not_are_refused() -> None:
    with pytest.raises(DescentError, match="unknown crystal family 'round'"):
        Settings(family="round")
    with pytest.raises(DescentError, match="restarts must be at least 0"):
        Settings(restarts=-1)


def test_a_start_without_reflections_is_refused(counted_pattern: Pattern) -> None:
    tiny = Structure(Lattice.cubic(0.9), ["H"], [[0, 0, 0]])
    with pytest.raises(PatternError, match="no reflection of the start falls between 15"):
        refine(tiny, counted_pattern)


def test_sites_may_be_partly_filled(counted_pattern: Pattern) -> None:
    reference = load_structure("BPO4")
    partly = reference.copy()
    partly[0] = {"B": 0.5}
    done = refine(partly, counted_pattern, restarts=0, zero_shift=True)
    assert done.refined.composition["B"] == reference.composition["B"] - 0.5
    np.testing.assert_allclose(done.refined.lattice.abc, reference.lattice.abc, rtol=1e-3)


def flat_prepared(intensity: np.ndarray, sigma: np.ndarray) -> Prepared:
    angles = 10 + 0.1 * np.arange(len(intensity))
    instrument = Instrument(1.5, 10, 10 + 0.1 * len(intensity), 0.1)
    return Prepared(instrument, angles, intensity, sigma, np.zeros_like(intensity), False, False, "", ())


def test_residuals_are_those_of_the_books() -> None:
    observed, sigma = np.array([10.0, 20.0, 40.0, 20.0]), np.array([1.0, 2.0, 4.0, 2.0])
    prepared = flat_prepared(observed, sigma)
    fit = Fit(np.ones(6), prepared.instrument, 0.0, np.array([0.0, 12.0, 30.0, 10.0]), np.full(4, 8.0))
    found = residual(prepared, fit)
    rest = np.array([2.0, 0.0, 2.0, 2.0])
    assert found.Rp == pytest.approx(rest.sum() / observed.sum())
    assert found.Rwp == pytest.approx(np.sqrt(((rest / sigma) ** 2).sum() / ((observed / sigma) ** 2).sum()))
    assert found.Rwp_net == pytest.approx(np.sqrt(((rest / sigma) ** 2).sum() / (((observed - 8) / sigma) ** 2).sum()))
    exact = residual(prepared, replace(fit, peaks=observed - 8))
    assert (exact.cosine, exact.Rwp, exact.Rp) == pytest.approx((1, 0, 0))


def with_peaks(prepared: Prepared, zero_deg: float = 0.0) -> Instrument:
    """The instrument that `counted` simulates."""
    return replace(prepared.instrument, profile=PEAKS, zero_deg=zero_deg)


def test_words_follow_the_numbers(counted_pattern: Pattern) -> None:
    reference, prepared = load_structure("BPO4"), prepare(counted_pattern)
    instrument = with_peaks(prepared, 0.04)
    good = residual(prepared, fit_scale(prepared, reference, instrument, 1.0))
    assert verdict(good).startswith("The crystal explains the pattern (cosine 0.99")
    bad = residual(prepared, fit_scale(prepared, strained("BPO4", 0.03, "tetragonal"), instrument, 1.0))
    assert verdict(bad).startswith("The crystal does not explain the pattern")
    assert "Its Rwp is large for that" not in verdict(good)
    assert "Its Rwp is large for that" in verdict(replace(good, Rwp=0.3))
    assert verdict(replace(good, cosine=0.97)).startswith("The crystal explains most of the pattern")
    assert warnings_of(reference, reference, 20) == []
    double = reference.copy()
    double.make_supercell([1, 1, 2])
    found = " ".join(warnings_of(reference, double, 2, [28.5], 40.2))
    for words in ("changed by +100%", "2 times that of the start", "Only 2 reflections", "28.50°", "around 40°"):
        assert words in found


def test_unindexed_peaks_are_reported() -> None:
    crystal = load_structure("BPO4")
    pure = counted(crystal, 1.0, 0.0)
    other = pure.intensity + 2000 * np.exp(-(((pure.two_theta_deg - 22.0) / 0.08) ** 2))
    prepared = prepare(replace(pure, intensity=other))
    fit = fit_scale(prepared, crystal, with_peaks(prepared), 1.0)
    assert unindexed_peaks(prepared, fit) == pytest.approx([22.0], abs=0.05)


def test_an_amorphous_halo_that_is_left_is_reported() -> None:
    crystal = load_structure("BPO4")
    pure = counted(crystal, 1.0, 0.0)
    halo = 2000 * np.exp(-4 * np.log(2) * ((pure.two_theta_deg - 40) / 9) ** 2)
    glassy, found = replace(pure, intensity=pure.intensity + halo), []
    for pattern in (glassy, replace(glassy, has_background=False)):
        prepared = prepare(pattern)
        found.append(amorphous_halo(prepared, fit_scale(prepared, crystal, with_peaks(prepared), 1.0)))
    assert found[0] is None
    assert found[1] == pytest.approx(40, abs=2)
