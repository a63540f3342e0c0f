"""The figures of the simulator and the noise show what they are given, with units on their axes."""

import matplotlib
import numpy as np
import pandas as pd
import pytest

from xrdscape.crystal.structures import load_structure
from xrdscape.demonstrations.curves import (
    form_factor_curves,
    lorentz_polarisation_curve,
    peak_shape_curves,
    width_curve,
)
from xrdscape.demonstrations.derivation import (
    edge_crossings,
    isotropic_loss,
    loss_derivative,
    pattern_derivative,
    projections,
)
from xrdscape.diffraction.instrument import Instrument
from xrdscape.diffraction.pattern import reflection_table
from xrdscape.figures import (
    METHOD_STYLE,
    coordinate_noise_figure,
    edge_figure,
    form_factor_figure,
    gradient_figure,
    lattice_noise_figure,
    lattice_planes_figure,
    lorentz_polarisation_figure,
    noised_patterns_figure,
    pattern_figure,
    peak_shape_figure,
    projector_figure,
    pymatgen_agreement_figure,
    use_style,
    width_figure,
)
from xrdscape.figures.style import formula, joined_indices
from xrdscape.patterns.simulated import simulate
from xrdscape.study.starts import start

COARSE = Instrument(step_deg=0.1)


@pytest.fixture(autouse=True)
def style():
    with matplotlib.rc_context():
        use_style()
        yield


@pytest.fixture(scope="module")
def u2ti():
    return load_structure("U2Ti")


def labelled(fig):
    return [ax for ax in fig.axes if ax.get_xlabel() or ax.get_ylabel()]


def test_every_method_has_a_look_of_its_own():
    looks = list(METHOD_STYLE.values())
    for what in ("label", "colour", "marker", "hatch"):
        assert len({getattr(look, what) for look in looks}) == len(looks)


def test_text_helpers():
    assert formula("U2Ti") == "U$_{2}$Ti"
    assert joined_indices((4, 0, -1)) == "4 0 −1"


def test_planes_figure_fills_what_lies_inside_the_sphere(u2ti):
    fig = lattice_planes_figure(load_structure("Na3MnCoNiO6"), (4, 0, -1))
    direct, reciprocal = fig.axes
    assert "3.626" in direct.get_title(loc="left")
    outside, inside = (collection.get_offsets() for collection in reciprocal.collections)
    radius = Instrument().max_reciprocal_length
    assert np.linalg.norm(inside, axis=1).max() <= radius < np.linalg.norm(outside, axis=1).min()
    assert "Å" in direct.get_xlabel()
    assert "1/Å" in reciprocal.get_xlabel()


def test_form_factors_start_at_z():
    absolute, relative = form_factor_figure(form_factor_curves(["O", "U", "O"])).axes
    curves = [line for line in absolute.lines if "(" in line.get_label()]
    assert [line.get_ydata()[0] for line in curves] == pytest.approx([92, 8])
    assert [line.get_label() for line in curves] == ["U (92)", "O (8)"]
    assert "electrons" in absolute.get_ylabel()
    assert relative.lines[0].get_ydata()[0] == pytest.approx(1)


def test_instrument_figures_carry_units():
    shapes = [peak_shape_curves(45.0, half_range_deg) for half_range_deg in (1.5, 12.0)]
    figures = [
        lorentz_polarisation_figure(lorentz_polarisation_curve()),
        width_figure(width_curve()),
        peak_shape_figure(*shapes, 45.0, Instrument()),
    ]
    assert all("deg" in ax.get_xlabel() for fig in figures for ax in labelled(fig))


def test_width_figure_draws_the_width():
    left, right = width_figure(width_curve(Instrument(U=0.0, V=0.0, W=0.04))).axes
    assert left.lines[0].get_ydata() == pytest.approx(0.2)
    assert len(right.collections) == 3


def test_pattern_figure_marks_its_reflections(u2ti):
    pattern, table = simulate(u2ti, COARSE), reflection_table(u2ti)
    ax = pattern_figure(pattern, "title", table, labels=4).axes[0]
    assert ax.lines[0].get_ydata().max() == pytest.approx(100)
    assert len(ax.collections[0].get_segments()) == len(table)
    strongest = table.loc[table["intensity"].idxmax(), ["h", "k", "l"]].astype(int)
    assert ax.texts[0].get_text() == joined_indices(strongest.tolist())
    assert len(ax.texts) == 4
    assert ax.get_title(loc="left") == "title"


def test_agreement_figure_shows_every_line():
    lines = pd.DataFrame(
        {"two_theta_deg": [10.0, 20.0], "angle_difference_deg": [0.0, 1e-9], "intensity_difference": [1e-8, 2e-8]}
    )
    left, right = pymatgen_agreement_figure(lines).axes
    assert left.collections[0].get_offsets()[1, 1] == pytest.approx(1e-9)
    assert left.collections[0].get_offsets()[0, 1] > 0
    assert right.collections[0].get_offsets()[:, 1].tolist() == pytest.approx([1e-8, 2e-8])


def test_projector_figure_tells_kept_from_changed():
    table = projections(start("BPO4", "lattice", 0.1, 0))
    ax = projector_figure(table).axes[0]
    changed, kept = (collection.get_offsets() for collection in ax.collections[-2:])
    assert len(changed) == 3
    assert len(kept) == 3
    assert kept[:, 0].tolist() == pytest.approx([table["a"].iloc[0]] * 3)
    assert [label.get_text() for label in ax.get_yticklabels()] == list(table["family"][1:])


def test_edge_figure_breaks_the_sharp_curve_at_crossings():
    au2s, strain = load_structure("Au2S"), np.linspace(-0.03, 0.03, 31)
    crossings = edge_crossings(au2s, 0.03, COARSE)
    loss = isotropic_loss(au2s, strain, COARSE)
    left, right = edge_figure(strain, loss, loss, crossings).axes
    assert len([line for line in left.lines if line.get_linestyle() == "-"]) == len(crossings) + 1
    worst = 100 * crossings.loc[crossings["jump"].abs().idxmax(), "strain"]
    assert right.get_xlim()[0] < worst < right.get_xlim()[1]


def test_gradient_figure_lays_points_on_lines(u2ti):
    values = u2ti.lattice.a * np.array([0.98, 0.99, 1.01])
    slopes = pattern_derivative(u2ti, "a", instrument=COARSE), loss_derivative(u2ti, "a", values, instrument=COARSE)
    top, bottom = gradient_figure(*slopes, "a").axes
    assert top.lines[0].get_ydata().max() <= 1
    assert bottom.lines[0].get_xdata() == pytest.approx(values)
    assert bottom.lines[1].get_ydata() == pytest.approx(slopes[1]["difference"].to_numpy())
    assert "Å" in bottom.get_xlabel()


def test_noise_figures_have_a_box_a_level():
    levels = [0.1, 0.2]
    draws = pd.DataFrame({"level": np.repeat(levels, 3), "copy": [0, 1, 2] * 2})
    for column in ("length_change_percent", "angle_change_deg", "volume_change_percent"):
        draws[column] = [1.0, 2.0, 3.0, 4.0, 5.0, 9.0]
    draws["displacement_angstrom"] = draws["shortest_angstrom"] = draws["length_change_percent"]
    for fig in (lattice_noise_figure(draws), coordinate_noise_figure(draws, 1.4)):
        for ax in fig.axes:
            assert [label.get_text() for label in ax.get_xticklabels()] == ["0.1", "0.2"]
    medians = [line for line in lattice_noise_figure(draws).axes[0].lines if line.get_linewidth() == 1.3]
    assert [line.get_ydata()[0] for line in medians] == [2.0, 5.0]


def test_noised_patterns_figure_stacks_reference_and_levels(u2ti):
    pattern = simulate(u2ti, COARSE)
    left, right = noised_patterns_figure(pattern, [(0.1, pattern, 0.5), (0.2, pattern, 0.25)], [(0.1, pattern, 1)]).axes
    assert len(left.lines) == 3
    assert len(right.lines) == 2
    assert "0.25" in left.texts[-1].get_text()
