"""Roughness by instrument."""

import numpy as np
import pytest

from xrdscape.crystal.structures import load_structure
from xrdscape.diffraction.instrument import Instrument
from xrdscape.landscape.ascents import mean_ascent
from xrdscape.landscape.edge import largest_changes, roughness_by_instrument
from xrdscape.landscape.minima import minima_counts
from xrdscape.landscape.slices import Slice, xrd_slice
from xrdscape.tables.landscapes import instruments_text


def test_the_ascent_is_that_of_the_two_lines_through_the_reference() -> None:
    """Along x one bump of 0.5 on one of two ways, along y none: a mean of 0.125."""
    value = np.ones((5, 7))
    value[2] = [0.0, 0.5, 0.2, -1.0, 0.1, 0.3, 0.4]
    value[:, 3] = [0.4, 0.1, -1.0, 0.1, 0.4]
    axes = np.arange(7.0), np.arange(5.0)
    assert mean_ascent(Slice("Au2S", "a", "b", *axes, value, (3.0, 2.0), "loss")) == pytest.approx(0.5 / 4)


def test_each_instrument_sees_the_same_slice() -> None:
    instruments = {"sharp": Instrument(), "taper": Instrument(taper_deg=4.0)}
    span = {"n": 9, "length_span": 0.15, "angle_span_deg": 15.0}
    table = roughness_by_instrument({"U2Ti": ("a", "c")}, instruments, 0.01, **span)
    assert list(table["instrument"]) == ["sharp", "taper"]
    slices = [xrd_slice(load_structure("U2Ti"), "a", "c", instrument=each, **span) for each in instruments.values()]
    expected = minima_counts(slices, 0.01)
    assert list(table["minima"]) == list(expected["minima"])
    assert list(table["prominent"]) == list(expected["prominent"])
    assert list(table["ascent"]) == [mean_ascent(each) for each in slices]
    assert table["ascent"].nunique() == 2
    assert set(table["slice"]) == set(expected["slice"])


def test_the_largest_changes_are_told() -> None:
    span = {"n": 5, "length_span": 0.1, "angle_span_deg": 5.0}
    instruments = {"sharp": Instrument(), "taper": Instrument(taper_deg=4.0)}
    table = roughness_by_instrument({"U2Ti": ("a", "c"), "Au2S": ("a", "b")}, instruments, 0.01, **span)
    table["prominent"], table["ascent"] = [3, 5, 4, 4], [1.0, 1.1, 2.0, 1.9]
    assert instruments_text(largest_changes(table, "sharp")) == "taper: traps by at most 2, climb by at most 10.0 %"
