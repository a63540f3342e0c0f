"""Slices through the landscape: what they tabulate, and descents that stay inside."""

import numpy as np
import pytest
import torch

from xrdscape.crystal.structures import load_structure
from xrdscape.diffraction.instrument import Instrument
from xrdscape.errors import CellError
from xrdscape.landscape.slices import energy_slice, slice_descent, slice_pattern, xrd_slice
from xrdscape.optimisation.descent import Schedule
from xrdscape.optimisation.objectives import OBJECTIVES
from xrdscape.patterns.simulated import simulate

COARSE = Instrument(step_deg=0.1)


@pytest.fixture(scope="module")
def u2ti():
    return load_structure("U2Ti")


def test_slice_is_least_at_the_reference_and_agrees_with_a_single_simulation(u2ti):
    landscape = xrd_slice(u2ti, "a", "c", n=7, instrument=COARSE)
    assert landscape.value.shape == (7, 7)
    assert landscape.value[3, 3] == pytest.approx(-1)
    assert np.nanargmin(landscape.value) == 24
    pattern = slice_pattern(u2ti, "a", "c", landscape.x[1], landscape.y[5], COARSE)
    target = simulate(u2ti, COARSE)
    loss = OBJECTIVES["cosine"].loss(torch.tensor(pattern.intensity)[None], torch.tensor(target.intensity))
    assert landscape.value[5, 1] == pytest.approx(float(loss[0]), abs=1e-12)


def test_an_even_number_of_values_is_raised_so_that_the_reference_is_one_of_them(u2ti):
    landscape = xrd_slice(u2ti, "a", "c", n=4, instrument=COARSE)
    assert len(landscape.x) == 5
    assert landscape.reference == (landscape.x[2], landscape.y[2])


def test_cells_that_do_not_close_are_nan(u2ti):
    # gamma is 120 deg: with alpha and beta at 150 deg the three exceed a full turn.
    landscape = xrd_slice(u2ti, "alpha", "beta", n=5, angle_span_deg=60, instrument=COARSE)
    assert np.isnan(landscape.value[-1, -1])
    assert landscape.value[2, 2] == pytest.approx(-1)


def test_a_slice_needs_two_different_parameters(u2ti):
    with pytest.raises(CellError, match="two different parameters"):
        xrd_slice(u2ti, "a", "a", n=3)


def test_descent_stays_in_its_slice_and_goes_down(u2ti):
    start = (u2ti.lattice.a * 1.01, u2ti.lattice.c * 0.99)
    path = slice_descent(u2ti, "a", "c", start, Schedule(1e-3, max_steps=30), instrument=COARSE)
    assert list(path["step"]) == list(range(30))
    assert (path.loc[0, "x"], path.loc[0, "y"]) == pytest.approx(start)
    assert path["loss"].iloc[-1] < path["loss"].iloc[0]


def test_projected_descent_ties_lengths_and_fixes_angles():
    au2s = load_structure("Au2S")
    schedule = Schedule(1e-3, max_steps=5)
    start = (au2s.lattice.a * 1.02, au2s.lattice.a * 0.98)
    path = slice_descent(au2s, "a", "b", start, schedule, family="cubic", instrument=COARSE)
    assert path["x"].to_numpy() == pytest.approx(path["y"].to_numpy())
    assert path.loc[0, "x"] == pytest.approx(au2s.lattice.a)
    path = slice_descent(au2s, "a", "gamma", (5.4, 93.0), schedule, family="cubic", instrument=COARSE)
    assert path["y"].to_numpy() == pytest.approx([90.0] * 5)
    # The other four stay where they were, so that the slice is truly one: a moves alone.
    assert path["x"].nunique() > 1


def test_energy_slice_is_in_ev_per_atom_and_least_near_the_reference(u2ti):
    landscape = energy_slice(u2ti, "a", "c", n=3, length_span=0.1)
    assert landscape.value.shape == (3, 3)
    assert np.argmin(landscape.value) == 4
    assert -20 < landscape.value[1, 1] < 0
