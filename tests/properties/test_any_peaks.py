"""The compiled sum of peaks against its definition, for any peaks on any grid."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from strategies import numbers
from tolerances import DERIVATIVE_FLOAT32, KERNEL, KERNEL_FLOAT32
from torch import Tensor

from xrdscape.diffraction.instrument import Instrument
from xrdscape.diffraction.peaks import peaks_to_pattern, peaks_to_pattern_reference


@st.composite
def instruments(draw: st.DrawFn) -> Instrument:
    """A grid of 2 to 1200 points, and any mixture of the two shapes."""
    first, step, n = draw(numbers(0.0, 40.0)), draw(numbers(0.005, 0.1)), draw(st.integers(2, 1200))
    return Instrument(two_theta_min_deg=first, two_theta_max_deg=first + n * step, step_deg=step,
                      eta=draw(st.one_of(st.sampled_from([0.0, 1.0]), numbers(0.0, 1.0))))  # fmt: skip


@st.composite
def some_peaks(draw: st.DrawFn, instrument: Instrument) -> list[Tensor]:
    """Centres on the grid and outside, heights of 0 and over six orders, widths from one step to the whole range."""
    shape = draw(st.tuples(st.integers(1, 2), st.integers(1, 6)))
    span = instrument.two_theta_max_deg - instrument.two_theta_min_deg
    places, powers, widths = (draw(arrays.arrays(float, shape, elements=numbers(*ends)))
                              for ends in ((-0.3, 1.3), (-1.0, 6.0), (0.0, 1.0)))  # fmt: skip
    centre = torch.from_numpy(instrument.two_theta_min_deg + span * places)
    power, step = torch.from_numpy(powers), instrument.step_deg
    width = step * (max(span, 2 * step) / step) ** torch.from_numpy(widths)
    return [centre, torch.where(power < 0, 0.0, 10**power), width]


@given(st.data(), instruments(), st.sampled_from([torch.float64, torch.float32]))
def test_compiled_peaks_are_the_definition(data: st.DataObject, instrument: Instrument, dtype: torch.dtype) -> None:
    """The pattern, and its slopes in centre, height and width; none in peaks without height."""
    centre, *rest = data.draw(some_peaks(instrument))
    given_peaks = [centre, *(value.to(dtype) for value in rest)]
    weight = torch.linspace(1, 2, instrument.n_steps, dtype=torch.float64)
    counts = given_peaks[1] != 0

    def evaluated(operator, peaks: list[Tensor]) -> list[Tensor]:  # type: ignore[no-untyped-def]
        inputs = [value.clone().requires_grad_() for value in peaks]
        pattern = operator(*inputs)
        return [pattern.detach(), *torch.autograd.grad((pattern.double() @ weight).sum(), inputs)]

    def reference(*peaks: Tensor) -> Tensor:
        return peaks_to_pattern_reference(*peaks, instrument.axis.grid(), instrument.eta)

    found = evaluated(lambda *peaks: peaks_to_pattern(*peaks, instrument), given_peaks)
    expected = evaluated(reference, [value.double() for value in given_peaks])
    bounds = [KERNEL] * 4 if dtype == torch.float64 else [KERNEL_FLOAT32, *[DERIVATIVE_FLOAT32] * 3]
    expected[1:] = [torch.where(counts, slopes, 0.0) for slopes in expected[1:]]
    # A Gaussian ends below 1e-16 of its height; slopes on both sides of a peak are of their size, and may cancel.
    height, slope = float(given_peaks[1].max()), float((given_peaks[1] / given_peaks[2]).max())
    for ours, theirs, bound, least in zip(found, expected, bounds, (height, slope, 1.0, slope), strict=True):
        assert float((ours.double() - theirs).abs().max()) <= bound * max(least, float(theirs.abs().max()))
