"""Figures of choices carry the numbers they are given; what they look like is judged by eye."""

from collections.abc import Iterator

import matplotlib
import pandas as pd
import pytest
from made_up import made_up_records
from matplotlib.figure import Figure

from xrdscape.figures import criteria_figure, differences_figure, open_choices_figure, use_style
from xrdscape.study.sensitivity import choice_table
from xrdscape.study.statistics import rates_by_criterion
from xrdscape.tables.words import CHOICES

RECORDS = made_up_records()


@pytest.fixture(autouse=True)
def style() -> Iterator[None]:
    with matplotlib.rc_context():
        use_style()
        yield


def drawn(figure: Figure) -> list[list[float]]:
    """Places of the points with error bars, panel by panel."""
    figure.draw_without_rendering()
    return [[float(x) for bars in ax.containers for x in bars.lines[0].get_xdata()] for ax in figure.axes]


@pytest.mark.parametrize("names", [["slower"], ["slower", "tapered"], list(CHOICES)])
def test_each_choice_with_records_has_a_panel(names: list[str]) -> None:
    lost = RECORDS.assign(match_conventional_end=False)
    figure = open_choices_figure(choice_table(RECORDS, dict.fromkeys(names, lost)))
    panels = drawn(figure)
    assert [bool(points) for points in panels] == [True] * len(names) + [False] * (len(panels) - len(names))
    # The free methods match in half of the settings, the constrained one in all.
    assert sorted(set(panels[0])) == pytest.approx([-100, -50])


def test_without_records_the_figure_says_so() -> None:
    figure = open_choices_figure(choice_table(RECORDS, {}))
    assert [text.get_text() for text in figure.texts] == ["No plan with another choice has been run yet."]


def test_each_criterion_has_a_line_in_each_panel() -> None:
    figure = criteria_figure(rates_by_criterion(RECORDS))
    figure.draw_without_rendering()
    panels = [ax for ax in figure.axes if ax.containers]
    assert len(panels) == 9
    lines = [bars.lines[0].get_ydata() for bars in panels[4].containers]
    assert [list(line) for line in lines] == [[1, 1], [1, 1], [0, 0]]


def test_differences_are_drawn_with_the_sign_turned() -> None:
    found = pd.DataFrame(
        {"statistic": ["pearson", "pearson", "spearman"], "turned": [0.5, 0.1, 0.2], "value": [0.5, 0.9, 0.2],
         "low": [0.4, 0.8, 0.1], "high": [0.6, 1.0, 0.3], "reason": ["agrees", "real disagreement", "agrees"]}
    )  # fmt: skip
    assert [sorted(points) for points in drawn(differences_figure(found))] == [[], [0.1, 0.5], [0.2]]
