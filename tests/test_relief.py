"""Minima and barriers on landscapes whose relief is known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from xrdscape.crystal.structures import load_structure
from xrdscape.errors import CellError
from xrdscape.landscape.ascents import ascent, line_extremes, symmetry_lines
from xrdscape.landscape.minima import false_minima, minima_counts, minima_with_barriers
from xrdscape.landscape.paths import descents_table, endpoints, near_minima, three_descents
from xrdscape.landscape.slices import Slice
from xrdscape.optimisation.descent import Schedule
from xrdscape.tables.landscapes import relation, spacing_effect


def slice_of(value, y_name="b", reference=None):
    value = np.asarray(value, dtype=float)
    y, x = (np.arange(n, dtype=float) for n in value.shape)
    return Slice("Au2S", "a", y_name, x, y, value, reference or (len(x) // 2, len(y) // 2), "Cosine loss")


def two_pools():
    """The truth at (5, 2) with value -1, a false minimum at (1, 2) with -0.5, the pass between them at -0.2."""
    value = np.full((5, 7), 1.0)
    value[2, 1:6] = [-0.5, -0.3, -0.2, -0.6, -1.0]
    return slice_of(value, reference=(5.0, 2.0))


def test_barrier_is_the_height_of_the_pass():
    minima = minima_with_barriers(two_pools())
    assert minima[["x", "y", "value"]].to_numpy() == pytest.approx(np.array([[5, 2, -1.0], [1, 2, -0.5]]))
    assert minima["barrier"].to_numpy() == pytest.approx([np.inf, 0.3])
    assert list(minima["is_reference"]) == [True, False]


def test_a_threshold_leaves_shallow_minima_out():
    assert len(false_minima(two_pools(), 0.25)) == 1
    assert len(false_minima(two_pools(), 0.35)) == 0
    counts = minima_counts([two_pools()], 0.35).iloc[0]
    assert (counts["slice"], counts["minima"], counts["prominent"], counts["prominent_coarser"]) == ("a, b", 1, 0, 0)
    assert np.isnan(counts["deepest"])


def test_the_effect_of_the_spacing_is_told():
    counts = pd.DataFrame({"prominent": [3, 4, 5], "prominent_coarser": [3, 6, 4]})
    assert spacing_effect(counts).startswith("1 of 3 slices have as many traps")
    assert spacing_effect(counts).endswith("at most 2")
    assert spacing_effect(counts[:1]).startswith("all 1 slices")


def test_coarser_grid_finds_the_wide_pools_alone():
    value = np.full((9, 9), 1.0)
    value[4, 4], value[4, 7] = -1.0, -0.5
    assert list(minima_counts([slice_of(value)], 0.1)[["prominent", "prominent_coarser"]].iloc[0]) == [1, 0]


def test_impossible_cells_are_walls():
    landscape = two_pools()
    landscape.value[:, 3] = np.nan
    assert minima_with_barriers(landscape)["barrier"].to_numpy() == pytest.approx([np.inf, np.inf])


def test_the_border_holds_no_minimum():
    value = np.ones((5, 5))
    value[0, 0], value[2, 2] = -2.0, -1.0
    minima = minima_with_barriers(slice_of(value))
    assert minima[["x", "y"]].to_numpy().tolist() == [[2, 2]]
    assert minima["barrier"][0] == pytest.approx(2.0)


def test_an_ascent_adds_the_barriers_towards_the_middle():
    assert ascent(np.array([3.0, 2.0, 1.0, 2.0, 3.0])) == 0
    assert ascent(np.array([0.0, 0.5, -1.0, 0.0, 0.0])) == pytest.approx(0.25)
    assert ascent(np.array([np.nan, 0.5, -1.0, 0.0, 0.0])) == 0
    with pytest.raises(CellError, match="odd number"):
        ascent(np.zeros(4))


def test_lines_run_along_the_diagonal_and_at_the_true_angle():
    x = np.arange(5.0)
    value = np.zeros((5, 5))
    value[np.arange(5), np.arange(5)] = [0, 1, 0, 0, 0]
    diagonal = slice_of(value)
    angle = slice_of(np.tile([0.0, 3, 0, 0, 0], (5, 1)), "alpha")
    beside = Slice("Au2S", "alpha", "beta", x, x, np.tile([[0.0], [5], [0], [0], [0]], (1, 5)), (2.0, 2.0), "loss")
    lines = symmetry_lines([diagonal, angle, beside])
    assert list(lines["line"]) == ["a = b", "α = 2°", "α = 2°"]
    assert list(lines["varied"]) == ["a and b", "a", "β"]
    assert lines["ascent"].to_numpy() == pytest.approx([0.5, 1.5, 2.5])
    assert line_extremes(lines) == pytest.approx((0.5, 1.5, 2.5))


def test_comparison_needs_a_clear_factor():
    assert [relation(4, 1), relation(1, 4), relation(1, 1.2)] == ["greater than", "smaller than", "much the same as"]


def test_three_descents_and_their_table():
    au2s = load_structure("Au2S")
    a = au2s.lattice.a
    paths = three_descents(au2s, "a", "b", (1.02 * a, a), Schedule(0.002, 3), record_every=1)
    landscape = Slice("Au2S", "a", "b", np.array([a]), np.array([a]), np.zeros((1, 1)), (a, a), "Cosine loss")
    table = descents_table([landscape], [paths])
    assert list(table["descent"]) == list(paths)
    assert table["off_line"][0] >= 0.02 * a - 1e-3
    assert table["off_line"][2] == 0
    assert not table["reached"][0]
    assert paths["constrained"]["x"][0] == pytest.approx(1.01 * a)
    assert paths["unconstrained, from a constrained start"]["y"][0] == pytest.approx(1.01 * a)


def test_endpoints_pick_the_parameters_of_the_slice():
    x, y = 10 + 0.05 * (np.arange(7) - 5), np.linspace(9.95, 10.05, 5)
    landscape = replace(two_pools(), x=x, y=y, reference=(10.0, 10.0))
    records = pd.DataFrame(
        {
            "structure": ["Au2S", "Au2S", "Au2S", "BPO4"],
            "noise": ["lattice"] * 4,
            "level": [0.1, 0.1, 0.2, 0.1],
            "method": ["cosine"] * 4,
            "end_lattice": [[9.86, 10.02, 9, 9, 9, 9], [10, 10.01, 9, 9, 9, 9], [40, 10.0, 9, 9, 9, 9], [0.0] * 6],
            "match_conventional_end": [True, True, False, True],
        }
    )
    ends = endpoints(records, landscape, "Au2S")
    assert ends[["x", "y"]].to_numpy().tolist() == [[9.86, 10.02], [10, 10.01], [40, 10]]
    assert list(ends["inside"]) == [True, True, False]
    assert list(ends["matched"]) == [True, True, False]
    # The minimum is at 9.8: near is within 1 %. Seen as none, it has no neighbours.
    assert near_minima([ends], [landscape], 0.1).iloc[0].tolist() == ["Au2S", 1, 1, 2]
    assert near_minima([ends], [landscape], 0.4).iloc[0].tolist() == ["Au2S", 0, 1, 2]
