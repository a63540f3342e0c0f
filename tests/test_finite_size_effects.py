"""Contents of the page on finite size: sums over pairs of atoms, a crystal's lines, and plates that stand for them."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from pymatgen.core import Lattice, Structure
from tolerances import PAIR_SUM, SAME_LINES

from xrdscape.demonstrations.debye_sums import Particle, cut_particle, debye_pattern, lines_of
from xrdscape.demonstrations.finite_size_effects import (
    EXAMPLES,
    SizeComparison,
    approximate_pattern,
    comparison_frame,
    example_crystals,
    half_widths,
    profile_curves,
    size_comparisons,
)
from xrdscape.diffraction.finite_size import smoothed_sinc_squared
from xrdscape.diffraction.form_factor_tables import form_factor, gaussians
from xrdscape.errors import StructureError
from xrdscape.figures import size_comparison_figure, size_profile_figure
from xrdscape.tables.finite_size import range_text, ratio_text, size_table, sphere_text, widths_table

SIGMA = 0.0857
Q = np.arange(1.0, 8.0, 1.0)
DEBYE_CALCULATOR = [858.5028, 2462.84, 918.0963, 1126.571, 731.9763, 703.1868, 545.1016]
"""DebyeCalculator 1.1.1 (F. L. Johansen et al.) for the cube of `caesium_chloride` at Q = 1, 2, ..., 7 without thermal
motion. It counts each pair once, and half of each atom."""


def caesium_chloride() -> Particle:
    """One cell: chlorine at the corners, caesium in the middle."""
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)]) * 4.12
    return Particle(np.vstack([corners, [[2.06] * 3]]), np.array(["Cl"] * 8 + ["Cs"]), 1.0)


@pytest.fixture(scope="module")
def comparisons() -> list[SizeComparison]:
    return size_comparisons({"NaCl": EXAMPLES["NaCl"]}, (12.0, 24.0), SIGMA)


def test_the_sum_is_that_of_another_program() -> None:
    found = debye_pattern(caesium_chloride(), Q, "waasmaier-kirfel")
    np.testing.assert_allclose(found, 2 * np.array(DEBYE_CALCULATOR), rtol=PAIR_SUM)


def test_the_sum_is_over_all_pairs() -> None:
    rng = np.random.default_rng(3)
    places, elements = rng.uniform(-6, 6, (40, 3)), np.array(["O"] * 25 + ["Ti"] * 15)
    factor = dict(zip("OT", form_factor(gaussians(("O", "Ti"), "international-tables"), Q / (4 * np.pi)), strict=True))
    expected = sum(
        factor[a[0]] * factor[b[0]] * np.sinc(Q * np.linalg.norm(x - y) / np.pi)
        for x, a in zip(places, elements, strict=True)
        for y, b in zip(places, elements, strict=True)
    )
    np.testing.assert_allclose(debye_pattern(Particle(places, elements, 1.0), Q), expected, rtol=PAIR_SUM)


def test_particles_are_cut_as_asked() -> None:
    structure = EXAMPLES["SrTiO3"]
    cube, sphere = (cut_particle(structure, shape, 30.0) for shape in ("cube", "sphere"))
    assert np.abs(cube.positions).max() < 15
    assert np.linalg.norm(sphere.positions, axis=1).max() < 15
    for particle, volume in ((cube, 30.0**3), (sphere, np.pi / 6 * 30.0**3)):
        assert particle.cells * structure.volume == pytest.approx(volume, rel=0.05)
        assert particle.cells == len(particle.positions) / 5
    oblique = Structure(Lattice.from_parameters(4, 5, 6, 70, 80, 110), ["W"], [[0, 0, 0]])
    assert cut_particle(oblique, "sphere", 40.0).cells * oblique.volume == pytest.approx(np.pi / 6 * 40**3, rel=0.03)
    with pytest.raises(StructureError, match=r"A cube of 0\.5 angstrom holds no atom"):
        cut_particle(structure, "cube", 0.5)


def test_lines_have_the_areas_that_the_sum_over_pairs_gives(comparisons: list[SizeComparison]) -> None:
    """No scale is fitted: a large sphere's pattern is the sum of its lines, of its own area for each cell."""
    structure = EXAMPLES["NaCl"]
    particle, lines = cut_particle(structure, "sphere", 40.0), lines_of(structure, 12.0)
    q = np.arange(1.0, 8.0, 0.01)
    exact = debye_pattern(particle, q)
    lines_pattern = particle.cells * approximate_pattern(lines, q, 30.0, 0.01)
    # The surface and the tail of what the particle as a whole scatters add less than one part in thirty.
    assert exact.sum() == pytest.approx(lines_pattern.sum(), rel=0.033)


def test_lines_stand_where_bragg_has_them() -> None:
    lines = lines_of(EXAMPLES["Si"], 8.0)
    index_squares = (lines.q_inv_angstrom * 5.431 / (2 * np.pi)) ** 2
    strong = lines.area > 1e-6 * lines.area.max()
    np.testing.assert_allclose(index_squares[strong][:6], [3, 8, 11, 16, 19, 24], rtol=SAME_LINES)


def test_the_pattern_of_lines_is_their_sum() -> None:
    lines = lines_of(EXAMPLES["NaCl"], 6.0)
    direct = sum(a * smoothed_sinc_squared(Q - q, 15.0, SIGMA) for q, a in zip(*lines, strict=True))
    found = approximate_pattern(lines, Q, 15.0, SIGMA)
    np.testing.assert_allclose(found, direct, rtol=0, atol=1e-4 * direct.max())


def test_a_plate_of_the_papers_size_is_near_and_one_of_the_codes_is_not(comparisons: list[SizeComparison]) -> None:
    frame = comparison_frame(comparisons)
    assert list(frame["shape"]) == ["cube", "sphere", "cube", "sphere"]
    assert (frame["best"] <= frame["paper"] + 1e-9).all()
    assert (frame["paper"] < 0.08).all()
    assert (frame["code"] > 3 * frame["paper"]).all()
    spheres = frame[frame["shape"] == "sphere"]
    # Between the means of the columns' lengths by area and by volume, with room for the surface's atoms.
    assert spheres["ratio"].between(2 / 3 - 0.03, 3 / 4 + 0.03).all()
    assert (frame[frame["shape"] == "cube"]["ratio"].to_numpy() > spheres["ratio"].to_numpy()).all()
    for one in comparisons:
        assert one.exact.max() == 1
        assert one.thickness_angstrom["reference-code"] == 2 * one.size_angstrom


def test_widths_are_those_of_the_curves() -> None:
    curves = profile_curves([10.0, 100.0], SIGMA)
    widths = half_widths(curves)
    assert widths["gaussian"].tolist() == pytest.approx([2 * np.sqrt(2 * np.log(2)) * SIGMA] * 2, rel=1e-3)
    assert widths.loc[10.0, "paper"] > widths.loc[10.0, "reference-code"] > widths.loc[10.0, "gaussian"]
    assert set(example_crystals(["Si", "U2Ti"])) == {"Si", "U2Ti"}
    assert isinstance(size_profile_figure(curves), Figure)
    assert list(widths_table(widths)["τ (Å)"]) == ["10", "100"]


def test_the_tables_and_the_figure_show_them(comparisons: list[SizeComparison]) -> None:
    frame = comparison_frame(comparisons)
    table = size_table(frame)
    assert list(table["Size (Å)"]) == ["12", "12", "24", "24"]
    assert table["over the size"][1] == f"{frame['ratio'][1]:.2f}"
    assert ratio_text(frame).count(" at ") == 4
    assert range_text(pd.Series([0.0123, 0.5])) == "0.012 to 0.5"
    assert (
        sphere_text(pd.DataFrame({"shape": ["sphere", "cube", "sphere"], "ratio": [0.5, 9.0, 0.8]}), 10) == "12 to 20"
    )
    figure = size_comparison_figure(comparisons, "NaCl")
    assert len(figure.axes) == 4
    assert all(len(ax.lines) == 3 for ax in figure.axes)
