"""The single steps of the first chapter add up to what the engine computes, and their figures show them."""

import matplotlib
import numpy as np
import pytest
from tolerances import SUMMED

from xrdscape.crystal.structures import load_structure
from xrdscape.demonstrations.derivation import loss_derivative, structure_factors
from xrdscape.demonstrations.steps import (
    line_by_line,
    part_way,
    pattern_change,
    stretched_patterns,
    structure_factor_terms,
)
from xrdscape.diffraction.instrument import Instrument
from xrdscape.errors import CellError
from xrdscape.figures import (
    assembly_figure,
    crossing_figure,
    pattern_change_figure,
    structure_factor_figure,
    use_style,
)
from xrdscape.patterns.simulated import simulate
from xrdscape.study.starts import start

COARSE = Instrument(step_deg=0.1)


@pytest.fixture(autouse=True)
def style():
    with matplotlib.rc_context():
        use_style()
        yield


def test_terms_of_the_atoms_add_up_to_the_structure_factor():
    structure, indices = load_structure("BPO4"), [(1, 1, 2), (2, 1, 1)]
    terms = structure_factor_terms(structure, indices)
    assert len(terms) == 2 * len(structure)
    total = terms.groupby("hkl", sort=False)[["real", "imaginary"]].sum().to_numpy()
    expected = structure_factors(structure, indices)[["real", "imaginary"]].to_numpy()
    assert total == pytest.approx(expected, abs=SUMMED * np.abs(expected).max())


def test_absent_reflections_grow_with_the_square_of_the_way():
    structure, indices = load_structure("LiMnIr2"), [(1, 0, 0), (1, 1, 0), (2, 1, 0)]
    shaken = start("LiMnIr2", "coordinates", 1e-4, copy=0)
    assert part_way(structure, shaken, 1.0).matches(shaken)
    half, whole = (
        structure_factors(part_way(structure, shaken, share), indices)["modulus_squared"].to_numpy()
        for share in (0.5, 1.0)
    )
    assert whole / half == pytest.approx(4 * np.ones(3), rel=0.01)


def test_arrows_end_at_the_structure_factor():
    hkl = [(2, 2, 0), (1, 1, 1), (1, 0, 0)]
    terms = structure_factor_terms(load_structure("LiMnIr2"), hkl)
    fig = structure_factor_figure([("LiMnIr2", terms)])
    ends = [ax.lines[-1].get_xydata()[0] for ax in fig.axes]
    expected = structure_factors(load_structure("LiMnIr2"), hkl)[["real", "imaginary"]].to_numpy()
    assert ends == pytest.approx(expected, abs=SUMMED * np.abs(expected).max())
    assert [ax.get_title(loc="left").endswith("= 0") for ax in fig.axes] == [False, False, True]


def test_lines_add_up_to_the_pattern():
    structure = load_structure("U2Ti")
    table, peaks = line_by_line(structure, COARSE)
    pattern = simulate(structure, COARSE)
    assert peaks.shape == (len(table), len(pattern.intensity))
    scale = pattern.intensity / peaks.sum(0)
    # Lines too weak for the table are the only difference.
    assert scale == pytest.approx(np.median(scale), rel=1e-3)
    product = table["squares"] * table["lorentz_polarisation"]
    assert (product / table["intensity"]).to_numpy() == pytest.approx(product[0] / table["intensity"][0])
    fig = assembly_figure(table, peaks, pattern.two_theta_deg)
    assert fig.axes[2].lines[-1].get_ydata() == pytest.approx(peaks.sum(0))


def test_change_of_the_pattern_adds_up_to_the_gradient():
    structure = load_structure("Au2S")
    change = pattern_change(structure, "a", 0.01, COARSE)
    length = 1.01 * structure.lattice.a
    slope = loss_derivative(structure, "a", np.array([length]), instrument=COARSE)["autograd"][0]
    assert change["running"].iloc[-1] == pytest.approx(slope)
    assert change["target"].max() == change["pattern"].max() == 1
    assert change["moving"].abs().max() > 10 * change[["heights", "widths"]].abs().to_numpy().max()
    fig = pattern_change_figure(change, "a")
    assert f"{slope:.2f}" in fig.axes[2].texts[0].get_text()


def test_nothing_pulls_where_the_parameter_is_right():
    change = pattern_change(load_structure("Au2S"), "a", 0.0, COARSE)
    assert change["running"].abs().iloc[-1] < SUMMED


def test_stretched_pattern_has_its_lines_at_smaller_angles():
    plain, longer = stretched_patterns(load_structure("Au2S"), [0.0, 0.02], COARSE)
    assert plain.intensity == pytest.approx(simulate(load_structure("Au2S"), COARSE).intensity)
    assert longer.two_theta_deg[longer.intensity.argmax()] < plain.two_theta_deg[plain.intensity.argmax()]
    fig = crossing_figure(plain, longer)
    assert fig.axes[1].lines[0].get_ydata().min() >= 0
    with pytest.raises(CellError, match="strain must be above -1"):
        stretched_patterns(load_structure("Au2S"), [-1.0], COARSE)
