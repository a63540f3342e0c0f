"""The figures of the engine show the record, with units on their axes."""

import matplotlib
import pytest
from made_up_timing import made_up_record

from xrdscape.figures import contenders_figure, memory_figure, scaling_figure, split_figure, use_style
from xrdscape.figures.engine import CRYSTAL_STYLE, LIMIT_LABEL, PARTS
from xrdscape.timing.measure import CONTENDERS, CRYSTALS


@pytest.fixture(autouse=True)
def style():
    with matplotlib.rc_context():
        use_style()
        yield


@pytest.fixture
def record():
    return made_up_record()


def names(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def test_crystals_are_told_apart_without_colour():
    assert set(CRYSTAL_STYLE) == set(CRYSTALS)
    assert len({marker for _, marker in CRYSTAL_STYLE.values()}) == len(CRYSTALS)


def test_contenders_stand_in_order_of_time_above_the_limit(record):
    (ax,) = contenders_figure(record).axes
    shown = names(ax)
    assert shown[0] == LIMIT_LABEL
    assert shown[-1] == "Phasesmith"
    assert shown.index("Eager torch") > shown.index("This engine, float64") > shown.index("This engine")
    assert not any(CONTENDERS[name].label in shown for name in CONTENDERS if name.startswith("part_"))
    assert ax.get_xscale() == "log"
    assert "ms" in ax.get_xlabel()


def test_contenders_without_gradient_are_hollow(record):
    (ax,) = contenders_figure(record).axes
    row = names(ax).index("Pymatgen")
    markers = [line for line in ax.lines if len(line.get_ydata()) == 1 and abs(line.get_ydata()[0] - row) < 0.4]
    hollow = [line for line in markers if line.get_markerfacecolor() == "none"]
    assert len(hollow) == len(CRYSTALS)


def test_scaling_shows_every_size_and_number_of_threads(record):
    figure = scaling_figure(record)
    left, middle, right = figure.axes
    assert len([line for line in middle.lines if len(line.get_xdata()) > 1]) == 2 * len(CRYSTALS)
    assert right.lines[0].get_ydata() == pytest.approx([2, 2])
    assert "2 cores" in right.get_ylabel()
    assert left.get_xlabel() == "Reflections in the range"
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["(a)", "(b)", "(c)"]


def test_scaling_on_one_core_has_no_speed_up(record):
    record["series"] = [row for row in record["series"] if row["threads"] == 1]
    _, middle, right = scaling_figure(record).axes
    assert len([line for line in middle.lines if len(line.get_xdata()) > 1]) == len(CRYSTALS)
    assert not right.collections


def test_split_stacks_the_parts_of_a_step(record):
    (ax,) = split_figure(record).axes
    widths = [[bar.get_width() for bar in container] for container in ax.containers]
    assert len(widths) == len(PARTS)
    assert [sum(column) for column in zip(*widths, strict=True)] == pytest.approx([0.6, 1.2, 1.8, 2.4])


def test_memory_has_a_row_a_thing_done(record):
    (ax,) = memory_figure(record).axes
    expected = ["Eager torch, batch of 16", "A step, batch of 500", "A step, batch of 16", "Imports alone"]
    assert names(ax) == expected
    assert "GiB" in ax.get_xlabel()
