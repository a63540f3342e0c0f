"""Blurred landscapes: fewer traps, wider basins, and a descent that crosses them to the truth."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from made_up import made_up_slice

from xrdscape.crystal.structures import load_structure
from xrdscape.errors import CellError, DescentError
from xrdscape.landscape.slices import slice_descent
from xrdscape.landscape.smoothing import (
    COARSE,
    Smoothed,
    basin_share,
    blurred_objective,
    graduated_path,
    smoothed_slices,
    smoothing_counts,
)
from xrdscape.optimisation.blur import blurred, half_width
from xrdscape.optimisation.descent import Schedule
from xrdscape.optimisation.graduated import Narrowing
from xrdscape.optimisation.objectives import OBJECTIVES
from xrdscape.optimisation.rules import Adam


def test_all_of_a_bowl_leads_to_its_middle() -> None:
    assert basin_share(made_up_slice(lambda x, y: x**2 + 2 * y**2)) == 1


def test_of_two_equal_bowls_each_has_half() -> None:
    """One bowl in the middle, of the other a half at either edge."""
    assert basin_share(made_up_slice(lambda x, y: y**2 - np.cos(2 * np.pi * x))) == pytest.approx(0.5, abs=0.05)


def test_where_the_reference_is_a_summit_nothing_leads_to_it() -> None:
    assert basin_share(made_up_slice(lambda x, y: -(x**2) - y**2)) == 0


def test_a_plateau_leads_nowhere_but_where_one_is() -> None:
    """Nine points are the truth or beside it."""
    flat = made_up_slice(lambda x, y: 0 * x)
    assert basin_share(flat) == 9 / flat.value.size


def test_points_without_a_value_do_not_count_and_stop_nobody_else() -> None:
    bowl = made_up_slice(lambda x, y: x**2 + y**2)
    holed = bowl.value.copy()
    holed[:4] = np.nan
    assert basin_share(replace(bowl, value=holed)) == 1


def test_a_blur_is_of_both_patterns_and_none_changes_nothing() -> None:
    cosine, step = OBJECTIVES["cosine"], COARSE.step_deg
    assert blurred_objective(cosine, 0.0, step) is cosine
    pattern, target = torch.rand(2, 500, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    half = half_width(5.0, step)
    loss = blurred_objective(cosine, 5.0, step).loss(pattern[None], target)
    assert float(loss) == float(cosine.loss(blurred(pattern, half)[None], blurred(target, half)))
    assert float(loss) != pytest.approx(float(cosine.loss(pattern[None], target)), abs=1e-3)


def test_a_blur_takes_local_minima_away_and_leaves_the_reference_where_it_is() -> None:
    maps = smoothed_slices(load_structure("U2Ti"), "a", "c", [10.0, 0.0], n=21)
    counts = smoothing_counts(maps)
    assert list(counts["width_deg"]) == [10, 0]
    assert counts["prominent"].iloc[0] == 0 < counts["prominent"].iloc[1]
    assert counts["basin"].iloc[0] > 0.9 > 0.5 > counts["basin"].iloc[1]
    for shown in maps:
        assert shown.landscape.value[10, 10] == pytest.approx(-1) == shown.landscape.value.min()


def test_local_minima_below_the_least_share_are_not_counted() -> None:
    """A ripple of some hundredths of the bowl that it is on."""
    rippled = Smoothed(0.0, made_up_slice(lambda x, y: x**2 + y**2 - 0.04 * np.cos(8 * np.pi * x)))
    assert (
        smoothing_counts([rippled], 0.001)["prominent"].item()
        > 0
        == smoothing_counts([rippled], 0.5)["prominent"].item()
    )


def test_a_graduated_path_ends_at_the_reference_where_no_plain_one_does() -> None:
    reference = load_structure("U2Ti")
    narrowing = Narrowing(widest_deg=10.0, stages=6, steps=25, last_steps=60)
    a, _, c = reference.lattice.abc
    start = 1.1 * a, 0.9 * c
    path = graduated_path(reference, "a", "c", start, narrowing)
    assert list(path["step"]) == list(range(narrowing.all_steps))
    assert tuple(path.loc[0, ["x", "y"]]) == pytest.approx(start)
    assert tuple(path[["x", "y"]].iloc[-1]) == pytest.approx((a, c), rel=1e-2)
    assert [(path["width_deg"] == width).sum() for width in narrowing.widths_deg] == [25] * 6
    assert (path["width_deg"] == 0).sum() == 60
    plain = slice_descent(reference, "a", "c", start, Schedule(5e-3 * a, narrowing.all_steps, 1000, rule=Adam()))
    assert plain["x"].iloc[-1] != pytest.approx(a, rel=2e-2) or plain["y"].iloc[-1] != pytest.approx(c, rel=2e-2)


def test_a_graduated_path_is_one_of_two_lengths() -> None:
    reference = load_structure("U2Ti")
    with pytest.raises(DescentError, match="two lengths"):
        graduated_path(reference, "a", "gamma", (4.8, 120.0), Narrowing())
    with pytest.raises(CellError, match="two different parameters"):
        graduated_path(reference, "a", "a", (4.8, 4.8), Narrowing())
