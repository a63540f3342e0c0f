"""What an ingredient buys: tables and figure carry what records say."""

import pandas as pd
import pytest
from made_up import made_up_searches
from matplotlib.colors import to_rgba

from xrdscape.crystal.families import detect_family
from xrdscape.crystal.structures import load_structure
from xrdscape.figures.ablation import ablation_figure
from xrdscape.study.outcomes import begun_alike, family_shares
from xrdscape.study.statistics import costs
from xrdscape.tables.ablation import ablation_table, families_table
from xrdscape.tables.beyond import costs_table
from xrdscape.tables.words import LABELS


@pytest.fixture(scope="module")
def records() -> pd.DataFrame:
    return made_up_searches()


@pytest.mark.parametrize("noise", ["lattice", "coordinates"])
def test_an_ablation_is_what_each_variant_costs(records: pd.DataFrame, noise: str) -> None:
    table, costly = ablation_table(costs(records), noise), costs_table(costs(records), noise)
    assert table.columns[0] == "What is changed"
    assert (table.to_numpy() == costly.to_numpy()).all()


def test_families_are_those_of_the_crystals_and_told_with_their_starts(records: pd.DataFrame) -> None:
    """Of four copies of each crystal at the higher level a search finds one."""
    assert [detect_family(load_structure(name)) for name in records["structure"].unique()] == [
        "hexagonal",
        "tetragonal",
    ]
    changed = records.copy()
    there = (changed["structure"] == "BPO4") & (changed["method"] == "restarts") & (changed["level"] == 0.1)
    changed.loc[there & (changed["copy"] < 3), "match_tight_end"] = True
    table = families_table(family_shares(changed, "lattice", 0.1)).set_index("What is changed")
    assert list(table.columns) == ["Hexagonal (4)", "Tetragonal (4)", "All", "Seconds"]
    assert list(table.index) == [LABELS[m] for m in ("cosine", "chgnet", "graduated", "restarts")]
    assert list(table.loc[LABELS["graduated"]]) == [25, 25, 25, "1.5"]
    assert list(table.loc[LABELS["restarts"]]) == [25, 75, 50, "1.5"]


def test_the_figure_shows_every_rate_and_time(records: pd.DataFrame) -> None:
    found = costs(records)
    figure = ablation_figure(found, "lattice", "graduated")
    rates, times = figure.axes
    rows = [text.get_text() for text in rates.get_yticklabels()]
    assert sorted(rows) == sorted(LABELS[m] for m in ("cosine", "chgnet", "graduated", "restarts"))
    assert rows.index(LABELS["graduated"]) > rows.index(LABELS["chgnet"]), "the most successful on top"
    own = found[found["noise"] == "lattice"]
    for ax, column in ((rates, "rate"), (times, "seconds")):
        drawn = [line for line in ax.lines if len(line.get_xdata()) == 1]
        assert sorted(float(line.get_xdata()[0]) for line in drawn) == sorted(own[column])
        places = [(round(float(line.get_ydata()[0])), to_rgba(line.get_color())) for line in drawn]
        assert len(set(places)) == len(places), "a row and a colour for each"
    for line in (line for line in rates.lines if len(line.get_xdata()) == 1):
        label = rows[round(float(line.get_ydata()[0]))]
        assert float(line.get_xdata()[0]) in set(own[own["method"].map(LABELS) == label]["rate"])
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["0.05", "0.1"]
    shaded = rates.patches[0].get_bbox()
    assert round((shaded.y0 + shaded.y1) / 2, 6) == rows.index(LABELS["graduated"])


def test_methods_are_compared_over_the_same_starts(records: pd.DataFrame) -> None:
    few = records[(records["copy"] < 2) & (records["level"] == 0.1) & (records["method"] == "restarts")]
    alike = begun_alike(records[records["method"] == "graduated"], few)
    assert list(alike["method"].value_counts()) == [4, 4]
    starts = [set(map(tuple, rows[["structure", "copy"]].to_numpy())) for _, rows in alike.groupby("method")]
    assert starts[0] == starts[1]
    assert set(alike["level"]) == {0.1}
