"""The search for the best shift from coarse to fine against the one that looks at every shift."""

import pytest
import torch
from torch import Tensor

from xrdscape.crystal.structures import load_structure, to_tensors
from xrdscape.diffraction.instrument import Instrument
from xrdscape.diffraction.pattern import Simulator
from xrdscape.optimisation.kernels.shift_kernel import best_shift
from xrdscape.optimisation.objectives import best_shift as best_shift_of_all
from xrdscape.paths import REFERENCE_NAMES
from xrdscape.study.starts import start

# Overlaps in float32, and shifts that are equally good to rounding.
ROUNDING = 1e-5


def overlap(pattern: Tensor, target: Tensor, shift: int) -> float:
    n = len(pattern)
    first, last = max(0, shift), min(n, n + shift)
    return float(pattern[first:last].double() @ target[first - shift : last - shift].double())


@pytest.mark.parametrize("largest", [8999, 100, 7, 0])
@pytest.mark.parametrize("name", REFERENCE_NAMES)
def test_no_shift_overlaps_more(name: str, largest: int) -> None:
    reference, instrument = load_structure(name), Instrument()
    simulator = Simulator(reference, instrument, torch.float32)
    levels = (0.05, 0.2)
    starts = [start(name, "lattice", level, copy, structure=reference) for level in levels for copy in range(6)]
    patterns = simulator(*to_tensors(starts, torch.float32))
    target = simulator(*to_tensors([reference], torch.float32))[0]
    narrowest = instrument.least_fwhm_deg / instrument.step_deg
    for pattern, best in zip(patterns, best_shift_of_all(patterns, target, largest).tolist(), strict=True):
        found = best_shift(pattern.numpy(), target.numpy(), float(largest), narrowest)
        assert abs(found) <= largest
        assert overlap(pattern, target, found) >= overlap(pattern, target, best) * (1 - ROUNDING)


@pytest.mark.parametrize("shift", [-57, -1, 0, 3, 500])
def test_a_moved_pattern_is_found_again(shift: int) -> None:
    """With peaks of one bin, too: then every shift is looked at."""
    target = torch.zeros(700)
    target[[100, 130, 333, 334]] = torch.tensor([1.0, 3.0, 2.0, 1.0])
    moved = torch.zeros(700)
    first, last = max(0, shift), min(700, 700 + shift)
    moved[first:last] = target[first - shift : last - shift]
    if moved.sum() == target.sum():
        assert best_shift(moved.numpy(), target.numpy(), 699.0, 1.0) == shift


def test_an_empty_pattern_is_not_moved_out_of_range() -> None:
    assert abs(best_shift(torch.zeros(900).numpy(), torch.ones(900).numpy(), 20.0, 30.0)) <= 20
