"""What `import xrdscape` offers: its names, its speed, and the way from a crystal to a pattern and back."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tolerances
import torch
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pymatgen.core import Lattice, Structure

import xrdscape
from xrdscape.crystal.structures import structure_of
from xrdscape.diffraction.instrument import Instrument
from xrdscape.diffraction.profile import PeakProfile
from xrdscape.diffraction.radiation import CU_K_ALPHA, Radiation
from xrdscape.diffraction.widths import SizeWidth
from xrdscape.errors import InstrumentError, PatternError, XrdscapeError
from xrdscape.optimisation.objectives import OBJECTIVES
from xrdscape.patterns.pattern import Pattern
from xrdscape.refinement.refinement import Refinement

SLOW = ("torch", "numpy", "pymatgen", "numba", "matplotlib", "pandas")


def test_every_name_is_there_and_documented() -> None:
    for name in xrdscape.__all__:
        assert getattr(xrdscape, name).__doc__, name
    assert set(xrdscape.__all__) <= set(dir(xrdscape))
    with pytest.raises(AttributeError, match="no attribute 'simulated_pattern'"):
        xrdscape.simulated_pattern  # noqa: B018


def test_the_import_brings_nothing_slow_with_it() -> None:
    code = f"import sys, xrdscape; print([name for name in {SLOW} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_a_simulation_waits_for_no_drawing_table_or_compiler() -> None:
    code = 'import sys, xrdscape; xrdscape.simulate("U2Ti"); print(*sys.modules)'
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"matplotlib", "pandas", "torch._dynamo", "pymatgen.io.vasp"} & set(loaded)


def test_crystals_are_objects_paths_or_names(tmp_path: Path) -> None:
    crystal, path = xrdscape.load_structure("U2Ti"), tmp_path / "u.cif"
    crystal.to(path)
    patterns = [xrdscape.simulate(given) for given in (crystal, "U2Ti", path, str(path))]
    assert all(xrdscape.similarity(patterns[0], pattern) == pytest.approx(1, abs=1e-9) for pattern in patterns)
    assert len(xrdscape.reflection_table(path)) == len(xrdscape.reflection_table(crystal))
    assert xrdscape.matches("U2Ti", path)
    assert xrdscape.tight_match(crystal, str(path))
    assert not xrdscape.matches("U2Ti", "NaS")


def test_oxidation_states_and_isotopes_scatter_as_their_elements() -> None:
    ions = Structure(Lattice.cubic(4.2), ["Mg2+", "O2-", "D"], [[0, 0, 0], [0.5, 0.5, 0.5], [0.25, 0.25, 0.25]])
    plain = Structure(ions.lattice, ["Mg", "O", "H"], ions.frac_coords)
    assert structure_of(plain) is plain
    np.testing.assert_array_equal(xrdscape.simulate(ions).intensity, xrdscape.simulate(plain).intensity)


def test_there_and_back_without_files() -> None:
    crystal = xrdscape.load_structure("U2Ti")
    start = Structure(Lattice.hexagonal(4.95, 2.90), crystal.species, crystal.frac_coords)
    done = xrdscape.refine(start, xrdscape.simulate(crystal))
    assert isinstance(done, Refinement)
    np.testing.assert_allclose(done.refined.lattice.parameters, crystal.lattice.parameters, rtol=1e-5)
    assert xrdscape.tight_match(crystal, done.refined)
    assert done.pattern.background.max() == 0
    assert done.before.cosine < done.after.cosine
    assert "The crystal explains the pattern" in done.verdict
    page = done._repr_html_()
    assert "<img" in page
    assert done.verdict in page


def test_a_pattern_goes_through_its_file(tmp_path: Path) -> None:
    profile = PeakProfile(SizeWidth(120.0), 0.3)
    instrument = Instrument(two_theta_min_deg=20, radiation=replace(CU_K_ALPHA, monochromator_two_theta_deg=26.6),
                            profile=profile)  # fmt: skip
    simulated = xrdscape.simulate("NaS", instrument)
    with_errors = replace(simulated, sigma=np.sqrt(simulated.intensity + 1))
    for name, pattern in (("simulated", simulated), ("errors", with_errors)):
        found = xrdscape.read_pattern(pattern.to_xy(tmp_path / f"{name}.xy"))
        np.testing.assert_allclose(found.two_theta_deg, pattern.two_theta_deg, rtol=tolerances.XY_FILE)
        np.testing.assert_allclose(found.intensity, pattern.intensity, rtol=tolerances.XY_FILE)
        assert not found.has_background
        assert found.profile == profile
        assert found.radiation is not None
        assert pattern.radiation is not None
        assert found.radiation.monochromator_two_theta_deg == 26.6
        for ours, theirs in zip(found.radiation.lines, pattern.radiation.lines, strict=True):
            assert vars(ours) == pytest.approx(vars(theirs), rel=1e-9)
        assert (found.sigma is None) == (pattern.sigma is None)
    measured = replace(simulated, has_background=True, profile=None, radiation=None, origin="")
    found = xrdscape.read_pattern(measured.to_xy(tmp_path / "measured.xy"))
    assert (found.has_background, found.profile, found.radiation) == (True, None, None)
    with pytest.raises(XrdscapeError, match="exists; choose another name"):
        measured.to_xy(tmp_path / "measured.xy")
    measured.to_xy(tmp_path / "measured.xy", force=True)


def test_patterns_draw_themselves() -> None:
    pattern = xrdscape.simulate("U2Ti")
    own = pattern.plot()
    assert isinstance(own, Axes)
    given = Figure().subplots()
    assert pattern.plot(given, label="mine", color="black") is given
    (line,) = given.get_lines()
    assert (line.get_label(), line.get_color()) == ("mine", "black")
    np.testing.assert_array_equal(line.get_ydata(), pattern.intensity)
    pyplot.close(own.figure)
    page = replace(pattern, origin='<a "file">')._repr_html_()
    assert "data:image/png;base64," in page
    assert "&lt;a &quot;file&quot;&gt;" in page
    assert "1.5406 Å" in page


def test_columns_of_a_pattern_are_of_one_length() -> None:
    with pytest.raises(PatternError, match=r"sigma of a pattern has the shape \[2\], and there are 3 angles"):
        Pattern(np.ones(3), np.ones(3), sigma=np.ones(2))


def test_a_part_of_a_pattern() -> None:
    whole = Pattern(np.arange(10.0), np.arange(10.0), sigma=np.ones(10), radiation=Radiation.of(1.5))
    part = whole.between(2, 5)
    assert part.two_theta_deg.tolist() == part.intensity.tolist() == [2, 3, 4, 5]
    assert part.sigma is not None
    assert len(part.sigma) == 4
    assert part.radiation == whole.radiation


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_similarities_are_those_of_the_objectives(objective: str) -> None:
    pattern, other = xrdscape.simulate("U2Ti"), xrdscape.simulate("NaS")
    first, second = (torch.from_numpy(p.intensity) for p in (pattern, other))
    expected = float(OBJECTIVES[objective].similarity(first[None], second)[0])
    assert xrdscape.similarity(pattern, other, objective) == expected
    assert xrdscape.similarity(pattern.intensity, other.intensity, objective) == expected


def test_patterns_at_other_angles_are_compared_where_both_are() -> None:
    fine, coarse = xrdscape.simulate("U2Ti"), xrdscape.simulate("U2Ti", Instrument(two_theta_min_deg=30, step_deg=0.02))
    assert xrdscape.similarity(fine, coarse) == pytest.approx(1, abs=1e-5)
    assert xrdscape.similarity(coarse, fine) == pytest.approx(1, abs=1e-5)
    with pytest.raises(PatternError, match="share no angles"):
        xrdscape.similarity(fine.between(10, 20), coarse)
    with pytest.raises(PatternError, match=r"have the shapes \[2\] and \[3\]"):
        xrdscape.similarity([1, 2], [1, 2, 3])
    with pytest.raises(PatternError, match="not negative"):
        xrdscape.similarity([1, -2], [1, 2], "entropy")
    with pytest.raises(InstrumentError, match="zero everywhere"):
        xrdscape.similarity([1, 2], [0, 0])
