"""The figures of landscapes show the slices, minima, paths and end points that they are given."""

from dataclasses import replace

import matplotlib
import numpy as np
import pandas as pd
import pytest

from xrdscape.figures import (
    all_slices_figure,
    endpoints_figure,
    energy_slices_figure,
    minima_figure,
    readme_figure,
    trajectories_figure,
    use_style,
)
from xrdscape.landscape.slices import Slice
from xrdscape.patterns.pattern import Pattern

PATTERN = Pattern(np.linspace(0, 90, 50), np.abs(np.sin(np.arange(50.0))) + 0.1)


@pytest.fixture(autouse=True)
def style():
    with matplotlib.rc_context():
        use_style()
        yield


def bowl(y_name="b", label="Cosine loss"):
    x, y = np.linspace(4, 6, 11), np.linspace(80, 100, 9)
    value = (x - 5) ** 2 + ((y[:, None] - 90) / 10) ** 2 - 1
    return Slice("U2Ti", "a", y_name, x, y, value, (5.0, 90.0), label)


def path(*points):
    x, y, loss = zip(*points, strict=True)
    return pd.DataFrame({"step": range(len(x)), "x": x, "y": y, "loss": loss})


def test_minima_figure_numbers_the_minima_and_states_their_cosine():
    minima = pd.DataFrame({"x": [4.5, 5.5], "y": [85.0, 95.0], "value": [-0.7, -0.6]})
    left, right, bar = minima_figure(bowl("gamma"), minima, [PATTERN, PATTERN], PATTERN).axes
    assert left.get_xlabel() == "$a$ (Å)"
    assert left.get_ylabel() == r"$\gamma$ (deg)"
    assert left.collections[0].get_array().min() == pytest.approx(-1)
    assert [text.get_text() for text in left.texts] == ["1", "2"]
    assert "cosine 0.70" in right.texts[0].get_text()
    assert "= 95.00" in right.texts[1].get_text()
    assert len(right.lines) == len(right.collections) == 2
    assert bar.get_ylabel() == "Cosine loss"


def test_trajectories_end_at_their_best_point():
    named = {
        "free": path((4.2, 85, -0.1), (4.6, 86, -0.5), (4.7, 87, -0.4)),
        "kept": path((4.2, 90, -0.4), (5, 90, -1)),
    }
    fig = trajectories_figure([bowl(), bowl("gamma")], [named, named])
    lines = [line for line in fig.axes[0].lines if len(line.get_xdata()) > 1]
    assert list(lines[0].get_xdata()) == [4.2, 4.6]
    assert list(lines[1].get_xdata()) == [4.2, 5]
    assert [text.get_text() for text in fig.legends[0].get_texts()] == ["free", "kept", "truth"]


def test_endpoints_have_a_panel_for_each_method_and_a_colour_for_each_verdict():
    ends = pd.DataFrame(
        {
            "method": ["cosine", "cosine", "cosine_constrained"],
            "x": [4.5, 5.5, 5.0],
            "y": [85.0, 95.0, 90.0],
            "matched": [True, False, True],
        }
    )
    fig = endpoints_figure([bowl()], [ends])
    titles = [ax.get_title(loc="left") for ax in fig.axes[:2]]
    assert [title.rpartition(", ")[2] for title in titles] == ["cosine", "cosine + constraints"]
    hollow, filled = fig.axes[0].lines[2:4]
    assert filled.get_xdata() == pytest.approx([4.5])
    assert hollow.get_xdata() == pytest.approx([5.5])
    assert hollow.get_markerfacecolor() == "white" != filled.get_markerfacecolor()
    assert fig.axes[1].lines[3].get_xdata() == pytest.approx([5.0])
    assert [text.get_text() for text in fig.legends[0].get_texts()] == ["no match", "match", "truth"]


def test_all_slices_share_one_scale_and_stand_by_their_parameters():
    low = bowl()
    high = replace(low, y_name="c", value=low.value + 5)
    fig = all_slices_figure([high, low])
    upper, lower = fig.axes[:2]
    assert {ax.collections[0].get_clim() for ax in (upper, lower)} == {(low.value.min(), high.value.max())}
    assert (upper.get_ylabel(), lower.get_ylabel()) == ("$b$ (Å)", "$c$ (Å)")
    assert upper.collections[0].get_array().max() == low.value.max()


def test_energy_maps_start_at_zero():
    fig = energy_slices_figure([bowl(label="CHGNet energy (eV/atom)")] * 4)
    maps = [ax for ax in fig.axes if ax.get_xlabel().startswith("$a$")]
    assert len(maps) == 4
    assert all(ax.collections[0].get_array().min() == 0 for ax in maps)


def test_maps_leave_impossible_cells_blank():
    landscape = bowl()
    landscape.value[0, 0] = np.nan
    drawn = trajectories_figure([landscape], [{"free": path((4.2, 85, -0.1))}]).axes[0].collections[0].get_array()
    assert np.ma.masked_invalid(drawn).mask.sum() == 1


def test_readme_figure_sets_diffraction_beside_energy():
    titles = [ax.get_title(loc="left") for ax in readme_figure(bowl(), bowl()).axes[:2]]
    assert ["diffraction" in titles[0], "energy" in titles[1]] == [True, True]
