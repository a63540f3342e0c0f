"""Figures of results carry the numbers they are given; what they look like is judged by eye."""

from collections.abc import Iterator
from itertools import pairwise

import matplotlib
import numpy as np
import pytest
from made_up import made_up_correlations, made_up_records
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from pymatgen.core import Lattice, Structure

from xrdscape.crystal.drawing import best_view, draw_crystal, element_colours, with_face_images
from xrdscape.crystal.reference_facts import reference_facts
from xrdscape.crystal.structures import load_structure
from xrdscape.figures import (
    METHOD_STYLE,
    case_figure,
    correlation_figure,
    match_rates_figure,
    structures_figure,
    use_style,
)
from xrdscape.figures.cases import LABEL_DISTANCE_DEG, LABELLED_LINES, hkl_text
from xrdscape.paths import REFERENCE_NAMES
from xrdscape.study.cases import choose_case
from xrdscape.study.statistics import match_rates
from xrdscape.tables.words import STATISTIC_NAMES


@pytest.fixture(autouse=True)
def style() -> Iterator[None]:
    with matplotlib.rc_context():
        use_style()
        yield


CSCL = Structure(Lattice.cubic(4.1), ["Cs", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])


def test_faces_get_their_images() -> None:
    symbols, positions = with_face_images(CSCL)
    assert symbols.count("Cs") == 8
    assert symbols.count("Cl") == 1
    assert {tuple(p) for p in np.round(positions / 4.1).astype(int)[:8]} == set(np.ndindex(2, 2, 2))
    just_below = Structure(CSCL.lattice, ["Cs"], [[0.999, 0.3, 0.3]])
    assert len(with_face_images(just_below)[0]) == 2


@pytest.mark.parametrize("name", REFERENCE_NAMES)
def test_view_is_a_rotation_that_shows_the_longest_edge(name: str) -> None:
    structure = load_structure(name)
    axes = best_view(structure).axes
    np.testing.assert_array_almost_equal(axes @ axes.T, np.eye(3))
    assert np.linalg.det(axes) > 0
    edges = np.abs(best_view(structure).project(structure.lattice.matrix))
    longest = np.isclose(structure.lattice.abc, max(structure.lattice.abc))
    assert (edges[longest, 0] > 0.9 * max(structure.lattice.abc)).any()


@pytest.mark.parametrize("name", REFERENCE_NAMES)
def test_elements_of_a_crystal_have_colours_of_their_own(name: str) -> None:
    colours = element_colours(load_structure(name))
    assert len(set(colours.values())) == len(colours)
    assert set(colours) == {e.symbol for e in load_structure(name).composition.elements}


def test_nearer_atoms_are_drawn_later_and_stronger() -> None:
    ax = Figure().subplots()
    draw_crystal(ax, CSCL)
    circles = [p for p in ax.patches if isinstance(p, Circle)]
    assert len(circles) == 9
    cs = sorted((c for c in circles if c.radius == max(p.radius for p in circles)), key=lambda c: c.zorder)
    assert sum(cs[0].get_facecolor()[:3]) > sum(cs[-1].get_facecolor()[:3])
    assert ax.get_aspect() == 1


def test_structures_are_labelled() -> None:
    names = "U2Ti", "Au2S"
    facts = reference_facts().set_index("name").loc[list(names)]
    figure = structures_figure([load_structure(name) for name in names], facts)
    titles = [ax.get_title(loc="center") for ax in figure.axes[:2]]
    assert "U$_{2}$Ti" in titles[0]
    assert "(191)" in titles[0]
    assert "(224)" in titles[1]
    legend = figure.axes[1].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["S", "Au"]


def test_bars_have_the_height_of_the_rates() -> None:
    rates = match_rates(made_up_records())
    figure = match_rates_figure(rates)
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["(a) Lattice noise", "(b) Coordinate noise"]
    ax = figure.axes[0]
    assert ax.get_ylabel() == "Match rate"
    lattice = rates[rates["noise"] == "lattice"]
    bars = {c.get_label(): c for c in ax.containers if hasattr(c, "patches")}
    assert list(bars) == [s.label for m, s in METHOD_STYLE.items() if m in set(lattice["method"])]
    for method in lattice["method"].unique():
        rows = lattice[lattice["method"] == method]
        container = bars[METHOD_STYLE[method].label]
        assert [p.get_height() for p in container.patches] == pytest.approx(list(rows["rate"]))
        assert to_hex(container.patches[0].get_facecolor()).upper() == METHOD_STYLE[method].colour.upper()
        segments = container.errorbar.lines[2][0].get_segments()
        assert [s[:, 1].min() for s in segments] == pytest.approx(list(rows["low"]))
        assert [s[:, 1].max() for s in segments] == pytest.approx(list(rows["high"]))


def test_bars_say_what_they_are_a_rate_of() -> None:
    rates = match_rates(made_up_records(), "tight")
    assert match_rates_figure(rates, "Rate of tight matches").axes[0].get_ylabel() == "Rate of tight matches"


def test_bars_of_one_level_stand_side_by_side() -> None:
    ax = match_rates_figure(match_rates(made_up_records())).axes[0]
    first = sorted((c.patches[0] for c in ax.containers if hasattr(c, "patches")), key=lambda p: p.get_x())
    for left, right in pairwise(first):
        assert left.get_x() + left.get_width() <= right.get_x()


def test_correlation_panels_show_every_result_and_number() -> None:
    records = made_up_records()
    figure = correlation_figure(records, made_up_correlations(), level=0.1)
    titles = [ax.get_title(loc="left") for ax in figure.axes[:5]]
    assert titles[0].startswith("(a) MSE")
    assert titles[4].startswith("(e) Cosine + constraints")
    for name in STATISTIC_NAMES.values():
        assert f"{name}  0.20 [0.10,\u00a01.00]" in titles[0]
    shown = np.concatenate([line.get_xydata() for line in figure.axes[3].lines])
    part = records.query("noise == 'lattice' and level == 0.1 and method == 'cosine'")
    np.testing.assert_array_equal(np.sort(shown[:, 0]), np.sort(part["cosine_end"]))
    np.testing.assert_array_equal(np.sort(shown[:, 1]), np.sort(part["emd_end"]))
    assert figure.axes[0].get_ylabel() == "EMD to the truth (Å)"


def test_correlation_panels_tell_tight_matches_apart() -> None:
    records = made_up_records()
    best = (records["method"] == "cosine_constrained") & (records["copy"] == 2)
    figure = correlation_figure(records.assign(match_tight_end=best), made_up_correlations(), level=0.1)
    lost, found, tight = figure.axes[4].lines
    assert [len(line.get_xdata()) for line in (lost, found, tight)] == [0, 4, 2]
    assert len({line.get_markerfacecolor() for line in (lost, found, tight)}) == 3
    assert [text.get_text() for text in figure.axes[5].get_legend().get_texts()][2] == "matches tightly"


def test_case_rows_tell_similarity_and_match() -> None:
    case = choose_case(made_up_records(), "BPO4", 0.1)
    figure = case_figure(case)
    cells, patterns = figure.axes[0::2], figure.axes[1::2]
    assert [ax.get_title(loc="left") for ax in cells] == [
        "(a) Truth",
        "(b) Distorted",
        "(c) Unconstrained",
        "(d) Constrained",
    ]
    for ax, told in zip(patterns[2:], ("cosine 0.80, no match", "cosine 0.80, match"), strict=True):
        (status,) = [text for text in ax.texts if "cosine" in text.get_text()]
        assert status.get_text() == told
        inside, labels = status.get_window_extent(), [text for text in ax.texts if text is not status]
        assert ax.bbox.containsx(inside.x0)
        assert ax.bbox.containsy(inside.y0)
        assert ax.bbox.containsy(inside.y1)
        assert not any(inside.overlaps(label.get_window_extent()) for label in labels)
    assert patterns[0].lines[-1].get_ydata().max() == pytest.approx(100)
    assert len({ax.get_xlim() for ax in cells}) == 1
    angles = sorted(text.get_position()[0] for text in patterns[0].texts)
    assert len(angles) == LABELLED_LINES
    assert np.diff(angles).min() > LABEL_DISTANCE_DEG


def test_strongest_reflection_of_the_reference_is_labelled() -> None:
    figure = case_figure(choose_case(made_up_records(), "BPO4", 0.1))
    assert "$101$" in [text.get_text() for text in figure.axes[1].texts]


def test_negative_indices_are_overlined() -> None:
    assert hkl_text(1, -1, 0) == r"$1\,\overline{1}\,0$"
    assert hkl_text(1, 1, 2) == "$112$"


def test_figures_leave_pyplot_alone() -> None:
    match_rates_figure(match_rates(made_up_records()))
    assert matplotlib._pylab_helpers.Gcf.get_all_fig_managers() == []
