"""Contents of the page on form factors: curves, differences, patterns, and its tables."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from xrdscape.crystal.structures import load_structure
from xrdscape.demonstrations.form_factor_effects import (
    SOURCES,
    largest_differences,
    pattern_changes,
    resonance_table,
    source_curves,
)
from xrdscape.figures import form_factor_sources_figure
from xrdscape.tables.form_factors import changes_table, differences_table, dispersion_table, least_cosine_text

ELEMENTS = ("H", "Sn")
COLUMNS = ["crystal", "cosine", "line", "anomalous_cosine", "anomalous_line"]


def test_the_curves_are_those_of_the_sources() -> None:
    curves = source_curves(ELEMENTS, 1.0)
    assert tuple(curves) == SOURCES
    for table in curves.values():
        assert list(table.columns) == list(ELEMENTS)
        assert table.loc[0.0].to_numpy() == pytest.approx([1, 50], abs=0.06)


def test_tin_differs_by_a_seventh() -> None:
    # Values of an independent program: the paper's fit is 15 % high for tin at s = 0.64, 31 % low for hydrogen at 0.43.
    curves = source_curves(ELEMENTS, 3.0)
    electron, tables = curves["electron"], curves["international-tables"]
    ratio = electron / tables
    assert ratio.loc[0.64, "Sn"] == pytest.approx(1.15, abs=0.005)
    assert ratio.loc[0.43, "H"] == pytest.approx(0.69, abs=0.01)
    differences = largest_differences(curves, (0.43, 0.64))
    assert differences.loc["H", 0.43] == pytest.approx(-0.31, abs=0.01)
    assert differences.loc["Sn", 0.64] == pytest.approx(0.15, abs=0.005)


def test_patterns_change_a_little_and_dispersion_counts_near_an_edge() -> None:
    changes = pattern_changes({name: load_structure(name) for name in ("MnOF", "NaS")}, 1.5406).set_index("crystal")
    assert (changes[["cosine", "anomalous_cosine"]] > 0.98).all(axis=None)
    assert (changes[["line", "anomalous_line"]] > 0).all(axis=None)
    # A little below the energy of manganese's edge, at 1.896 angstrom, its f' is large.
    near_edge = pattern_changes({"MnOF": load_structure("MnOF")}, 1.90).loc[0, "anomalous_line"]
    assert near_edge > 10 * changes.loc["MnOF", "anomalous_line"]
    assert "MnOF" in least_cosine_text(changes.reset_index()) or "NaS" in least_cosine_text(changes.reset_index())


def test_dispersion_is_listed_by_atomic_number() -> None:
    table = resonance_table(["S", "Na", "S"], 1.5406)
    assert table["element"].tolist() == ["Na", "S"]
    assert table.loc[1, "imaginary"] == pytest.approx(0.557, abs=0.005)  # International Tables C, table 4.2.6.8


def test_tables_and_figure_carry_the_numbers() -> None:
    table = differences_table(largest_differences(source_curves(ELEMENTS), (0.43,)))
    assert table.iloc[0].tolist() == ["H", pytest.approx(-31, abs=1)]
    assert table.columns[1] == "up to s = 0.43 1/Å (%)"
    changes = pd.DataFrame(
        [("X", 0.9, 2.0, 0.8, 3.0)], columns=["crystal", "cosine", "line", "anomalous_cosine", "anomalous_line"]
    )
    assert changes_table(changes).iloc[0].tolist() == ["X", 0.9, "2.00", 0.8, "3.00"]
    assert least_cosine_text(changes).startswith(
        "Of these patterns that of X changes most: its cosine similarity is 0.90000."
    )
    assert list(dispersion_table(resonance_table(["Fe"], 1.5406)).columns) == ["Element", "Z", "f′", "f″"]
    figure = form_factor_sources_figure(source_curves(ELEMENTS, 1.0), 0.46)
    assert isinstance(figure, Figure)
    for ax, element in zip(figure.axes, ELEMENTS, strict=True):
        assert element in ax.get_ylabel()
        curves = [line for line in ax.lines if len(line.get_xdata()) > 2]
        assert len(curves) == len(SOURCES)
        assert np.nanmax(curves[1].get_ydata()) == pytest.approx(
            source_curves(ELEMENTS)["international-tables"][element].iloc[0]
        )
