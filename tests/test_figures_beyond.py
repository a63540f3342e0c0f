"""Figures of the methods beyond the paper carry what they are given."""

import base64
import io
import re
from collections.abc import Iterator

import matplotlib
import numpy as np
import pandas as pd
import pytest
from made_up import made_up_searches, made_up_slice
from matplotlib.colors import to_hex
from PIL import Image

from xrdscape.figures import (
    BEYOND_STYLE,
    PALETTE,
    cost_figure,
    match_rates_figure,
    smoothing_animation,
    smoothing_figure,
    use_style,
)
from xrdscape.landscape.smoothing import Smoothed
from xrdscape.optimisation.methods import METHODS
from xrdscape.study.statistics import costs, match_rates

MAPS = [Smoothed(width, made_up_slice(lambda x, y: x**2 + y**2 - np.cos(9 * x), 9)) for width in (10.0, 5.0, 2.0, 0.0)]
PATH = pd.DataFrame(
    {
        "x": [0.9, 0.8, 0.6, 0.5, 0.3, 0.2, 0.1, 0.0],
        "y": [0.9, 0.7, 0.6, 0.4, 0.3, 0.1, 0.1, 0.0],
        "width_deg": [10.0, 10.0, 6.0, 4.0, 4.0, 1.0, 0.0, 0.0],
    }
)


@pytest.fixture(autouse=True)
def style() -> Iterator[None]:
    with matplotlib.rc_context():
        use_style()
        yield


def steps_in(ax: matplotlib.axes.Axes, colour: str, marker: str = "None") -> list[int]:
    """Which points of the path a line of this colour holds."""
    (line,) = [line for line in ax.lines if to_hex(line.get_color()) == colour and line.get_marker() == marker]
    return [int(PATH.index[(PATH["x"] == x) & (PATH["y"] == y)].item()) for x, y in line.get_xydata()]


def test_each_map_shows_what_was_walked_under_its_blur() -> None:
    figure = smoothing_figure(MAPS, [PATH])
    shown = [ax for ax in figure.axes if ax.axison]
    assert [ax.get_title(loc="left") for ax in shown] == ["(a) Blur 10°", "(b) Blur 5°", "(c) Blur 2°", "(d) No blur"]
    red = to_hex(PALETTE["vermillion"])
    assert [steps_in(ax, red) for ax in shown] == [[0, 1, 2], [3, 4], [5], [6, 7]]
    assert [steps_in(ax, red, "o") for ax in shown] == [[2], [4], [5], [7]]
    assert [len(steps_in(ax, "#ffffff")) for ax in shown] == [3, 5, 6, 8]


def test_a_path_that_has_not_begun_stands_at_its_start() -> None:
    figure = smoothing_figure([Smoothed(40.0, MAPS[0].landscape), *MAPS], [PATH[1:]])
    assert steps_in(figure.axes[0], to_hex(PALETTE["vermillion"]), "o") == [1]


def test_an_animation_holds_all_frames_and_asks_no_network() -> None:
    html = smoothing_animation(MAPS, [PATH]).data
    assert html == smoothing_animation(MAPS, [PATH]).data, "the same again, to the letter"
    assert not re.search(r"https?:|src=\"(?!data:)|<link|<script", html)
    frames = [Image.open(io.BytesIO(base64.b64decode(data))) for data in re.findall(r"base64,([^\"]*)", html)]
    assert len(frames) == len(MAPS)
    assert len({frame.size for frame in frames}) == 1, "frames do not jump"
    assert len({frame.convert("RGB").tobytes() for frame in frames}) == len(MAPS)
    told = re.findall(r'alt="([^"]*)"', html)
    assert [text.rpartition(", ")[2] for text in told] == ["blur 10°", "blur 5°", "blur 2°", "no blur"]
    assert re.findall(r"display:(\w+)", html) == ["block", "none", "none", "none"]
    assert f'max="{len(MAPS) - 1}"' in html


@pytest.mark.parametrize("noise", ["lattice", "coordinates"])
def test_methods_differ_without_colour_under_each_noise(noise: str) -> None:
    searches = [name for name, method in METHODS.items() if method.moves == noise]
    assert set(METHODS) <= set(BEYOND_STYLE)
    compared = [n for n in BEYOND_STYLE if n not in METHODS and (noise == "lattice" or n != "cosine_constrained")]
    styles = [BEYOND_STYLE[name] for name in (*compared, *searches)]
    for look in ("label", "marker", "hatch"):
        assert len({getattr(style, look) for style in styles}) == len(styles), look


def test_rates_are_drawn_in_the_styles_asked_for() -> None:
    records = made_up_searches()
    rates = match_rates(records, "tight")
    figure = match_rates_figure(rates, "Tight matches", BEYOND_STYLE)
    lattice = figure.axes[0]
    assert lattice.get_ylabel() == "Tight matches"
    methods = ("noised", "cosine", "chgnet", "graduated", "restarts")
    bars = [c for c in lattice.containers if isinstance(c, matplotlib.container.BarContainer)]
    assert [bar.get_label() for bar in bars] == [BEYOND_STYLE[m].label for m in methods]
    assert [bar[0].get_hatch() or "" for bar in bars] == [BEYOND_STYLE[m].hatch for m in methods]
    assert [bar[1].get_height() for bar in bars] == [0, 0.25, 0, 0.25, 0.25]


def test_recovery_stands_against_cost() -> None:
    found = costs(made_up_searches())
    figure = cost_figure(found, {"lattice": (0.1,), "coordinates": (0.05, 0.1)})
    shown = [ax for ax in figure.axes if ax.axison]
    assert [ax.get_title(loc="left") for ax in shown] == [
        "(a) Lattice noise 0.1", "(b) Coordinate noise 0.05", "(c) Coordinate noise 0.1"
    ]  # fmt: skip
    handles, labels = shown[0].get_legend_handles_labels()
    points = {label: tuple(handle[0].get_xydata()[0]) for handle, label in zip(handles, labels, strict=True)}
    assert points[BEYOND_STYLE["graduated"].label] == (1.5, 0.25)
    assert points[BEYOND_STYLE["chgnet"].label] == (20, 0)
    assert len(points) == 4
    (legend,) = figure.legends
    assert len(legend.get_texts()) == 6
