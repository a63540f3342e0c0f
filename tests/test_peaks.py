"""The compiled operator against its plain torch definition."""

import itertools
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from tolerances import CUDA, DERIVATIVE_FLOAT32, KERNEL, KERNEL_FLOAT32
from torch import Tensor

from xrdscape.diffraction import peaks
from xrdscape.diffraction.peaks import peaks_to_pattern, peaks_to_pattern_reference
from xrdscape.diffraction.instrument import Instrument

INSTRUMENT = Instrument(step_deg=0.05)
GRID = INSTRUMENT.axis.grid()
WIDTHS_DEG = {"narrow": (0.05, 0.1), "usual": (0.3, 0.5), "wide": (5.0, 20.0)}


def random_peaks(widths_deg: tuple[float, float], seed: int = 0, batch: int = 3, count: int = 23) -> list[Tensor]:
    """Centre, height and width; some centres lie outside the grid, some heights are zero, others differ by 1e6."""
    generator = torch.Generator().manual_seed(seed)
    low, high = widths_deg
    u = torch.rand(4, batch, count, dtype=torch.float64, generator=generator)
    centre = -15 + 120 * u[0]
    height = 10 ** (6 * u[1])
    height[u[2] < 0.2] = 0
    return [centre, height, low + (high - low) * u[3]]


def value_and_gradients(operator, given: list[Tensor], instrument: Instrument = INSTRUMENT) -> list[Tensor]:  # type: ignore[no-untyped-def]
    """The pattern, and the gradients of its overlap with one fixed other pattern in centre, height and width."""
    inputs = [p.clone().requires_grad_() for p in given]
    pattern = operator(*inputs, instrument)
    weight = reference(*random_peaks((0.3, 2.0), seed=9, batch=1), instrument)[0].to(pattern.dtype)
    return [pattern.detach(), *torch.autograd.grad((pattern * weight).sum(), inputs)]


def reference(centre: Tensor, height: Tensor, width: Tensor, instrument: Instrument) -> Tensor:
    """The definition on the instrument's grid, in float64; peaks without height get no gradient."""
    counts = height != 0
    centre, width = (torch.where(counts, value, value.detach()) for value in (centre, width))
    height = torch.where(counts, height, height.detach())
    grid = instrument.axis.grid()
    return peaks_to_pattern_reference(centre.double(), height.double(), width.double(), grid, instrument.eta)


def relative(result: Tensor, expected: Tensor) -> float:
    """Largest difference over the largest value."""
    return float((result.double() - expected.double()).abs().max() / expected.double().abs().max())


CASES = list(itertools.product(WIDTHS_DEG, (0.0, 0.1, 1.0)))


@pytest.mark.parametrize(("widths", "eta"), CASES)
def test_pattern_and_gradients_are_the_references(widths: str, eta: float) -> None:
    given = random_peaks(WIDTHS_DEG[widths])
    assert int((given[1] == 0).sum()) > 3
    assert int(((given[0] < 0) | (given[0] > 90)).sum()) > 3
    instrument = replace(INSTRUMENT, eta=eta)
    result = value_and_gradients(peaks_to_pattern, given, instrument)
    for ours, theirs in zip(result, value_and_gradients(reference, given, instrument), strict=True):
        assert relative(ours, theirs) < KERNEL


@pytest.mark.parametrize(("widths", "eta"), CASES)
@pytest.mark.parametrize("instrument", [INSTRUMENT, Instrument(), Instrument(two_theta_min_deg=7, step_deg=0.013)])
def test_float32_follows_float64(widths: str, eta: float, instrument: Instrument) -> None:
    """Centres stay in float64; heights and widths are rounded first, so that the two see the same peaks."""
    centre, *rest = random_peaks(WIDTHS_DEG[widths], seed=1)
    given = [centre, *(value.float() for value in rest)]
    instrument = replace(instrument, eta=eta)
    result = value_and_gradients(peaks_to_pattern, given, instrument)
    expected = value_and_gradients(reference, given, instrument)
    assert [r.dtype for r in result] == [torch.float32, torch.float64, torch.float32, torch.float32]
    assert relative(result[0], expected[0]) < KERNEL_FLOAT32
    assert relative(result[2], expected[2]) < DERIVATIVE_FLOAT32
    # Both in degrees; where the weight is smooth the sums for the centre cancel, those for the width do not.
    largest = max(float(expected[i].abs().max()) for i in (1, 3))
    for i in (1, 3):
        assert float((result[i].double() - expected[i]).abs().max()) < DERIVATIVE_FLOAT32 * largest


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_plain_torch_of_other_devices_is_the_same_operator(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs on a GPU, run on the CPU, some peaks at a time."""
    centre, *rest = random_peaks((0.3, 0.5), seed=5)
    given = [centre, *(value.to(dtype) for value in rest)]
    expected = value_and_gradients(reference, given)
    monkeypatch.setattr(peaks, "_patterns", peaks._patterns_in_torch)
    monkeypatch.setattr(peaks, "_gradients", peaks._gradients_in_torch)
    monkeypatch.setattr(peaks, "CHUNK", 7 * 3 * len(GRID))
    bound = KERNEL if dtype == torch.float64 else DERIVATIVE_FLOAT32
    for ours, theirs in zip(value_and_gradients(peaks_to_pattern, given), expected, strict=True):
        assert relative(ours, theirs) < bound


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_cuda_is_the_cpu(dtype: torch.dtype) -> None:
    centre, *rest = random_peaks((0.3, 0.5), seed=6)
    given = [centre, *(value.to(dtype) for value in rest)]
    here = value_and_gradients(peaks_to_pattern, given)
    there = value_and_gradients(peaks_to_pattern, [value.cuda() for value in given])
    for ours, theirs in zip(there, here, strict=True):
        assert relative(ours.cpu(), theirs) < CUDA


def test_weak_peaks_keep_their_relative_precision_in_float64() -> None:
    """A peak 1e-6 as strong as its neighbour far away is computed as well as alone."""
    centre = torch.tensor([[20.0, 70.0]], dtype=torch.float64)
    width = torch.full_like(centre, 0.3)
    height = torch.tensor([[1e6, 1.0]], dtype=torch.float64)
    near = (GRID > 69) & (GRID < 71)
    result = peaks_to_pattern(centre, height, width, replace(INSTRUMENT, eta=1.0))[0, near]
    alone = peaks_to_pattern_reference(centre[:, 1:], height[:, 1:], width[:, 1:], GRID, 1.0)[0, near]
    assert relative(result, alone) < KERNEL


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_tail_is_as_good_as_the_peak(dtype: torch.dtype) -> None:
    """Relative to itself, at every distance from the centre: the tails are interpolated, not cut."""
    instrument = Instrument(eta=0.0)
    centre = torch.tensor([[33.3333]], dtype=torch.float64)
    one, width = torch.ones(1, 1, dtype=dtype), torch.full((1, 1), 0.35, dtype=dtype)
    result = peaks_to_pattern(centre, one, width, instrument)
    expected = reference(centre, one, width, instrument)
    assert float((result / expected - 1).abs().max()) < (KERNEL if dtype == torch.float64 else KERNEL_FLOAT32)


@pytest.mark.parametrize("place", [0, 2])
def test_a_peak_that_is_not_a_number_spoils_its_own_sample_only(place: int) -> None:
    given = random_peaks((0.3, 0.5))
    clean = value_and_gradients(peaks_to_pattern, given)
    given[place][1, 4], given[1][1, 4] = torch.nan, 1.0
    result = value_and_gradients(peaks_to_pattern, given)
    assert bool(result[0][1].isnan().all())
    for ours, theirs in zip(result, clean, strict=True):
        torch.testing.assert_close(ours[[0, 2]], theirs[[0, 2]], rtol=0, atol=0)


def test_peaks_without_height_contribute_nothing_and_get_no_gradient() -> None:
    given = random_peaks((0.3, 0.5))
    zero = [given[0], torch.zeros_like(given[1]), given[2]]
    for result in value_and_gradients(peaks_to_pattern, zero):
        assert bool((result == 0).all())
    padded = [
        torch.cat([p, torch.full_like(p[:, :5], fill)], 1) for p, fill in zip(given, (40.0, 0.0, 0.3), strict=True)
    ]
    with_padding = value_and_gradients(peaks_to_pattern, padded)
    without = value_and_gradients(peaks_to_pattern, given)
    torch.testing.assert_close(with_padding[0], without[0], rtol=0, atol=0)
    for ours, theirs in zip(with_padding[1:], without[1:], strict=True):
        torch.testing.assert_close(ours[:, :-5], theirs, rtol=0, atol=0)
        assert bool((ours[:, -5:] == 0).all())


@pytest.mark.parametrize("count", [0, 1, 2, 9])
def test_any_number_of_peaks(count: int) -> None:
    given = [p[:, :count] for p in random_peaks((0.3, 2.0), seed=2)]
    result = peaks_to_pattern(*given, INSTRUMENT)
    torch.testing.assert_close(result, reference(*given, INSTRUMENT), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("n", [1, 2, 3, 17, 255, 256, 257, 511, 513, 1100])
def test_any_number_of_grid_points(n: int) -> None:
    """Also around the ends of the segments in which tails are interpolated."""
    instrument = Instrument(two_theta_min_deg=10, two_theta_max_deg=10 + n * 0.05, step_deg=0.05)
    given = random_peaks((0.3, 1.0), seed=3)
    result = value_and_gradients(peaks_to_pattern, given, instrument)
    assert result[0].shape == (3, n)
    for ours, theirs in zip(result, value_and_gradients(reference, given, instrument), strict=True):
        assert relative(ours, theirs) < KERNEL


def test_samples_do_not_influence_each_other() -> None:
    given = random_peaks((0.3, 0.5), batch=5)
    together = value_and_gradients(peaks_to_pattern, given)
    for i in range(5):
        alone = value_and_gradients(peaks_to_pattern, [p[i : i + 1] for p in given])
        for a, b in zip(alone, together, strict=True):
            torch.testing.assert_close(a[0], b[i], rtol=0, atol=0)


def test_strided_and_expanded_inputs() -> None:
    given = random_peaks((0.3, 0.5))
    transposed = [p.T.contiguous().T for p in given]
    assert not transposed[0].is_contiguous()
    for ours, theirs in zip(
        value_and_gradients(peaks_to_pattern, transposed), value_and_gradients(peaks_to_pattern, given), strict=True
    ):
        torch.testing.assert_close(ours, theirs)
    width = torch.full((1, 1), 0.4, dtype=torch.float64).expand_as(given[0])
    expected = reference(given[0], given[1], width, INSTRUMENT)
    assert relative(peaks_to_pattern(given[0], given[1], width, INSTRUMENT), expected) < KERNEL


def small_peaks() -> tuple[list[Tensor], Instrument]:
    """Two samples of three; widths above a few steps, so that the Gaussian's cut at 1e-16 is the only kink."""
    centre = torch.tensor([[1.3, 3.0, 4.1], [-1.0, 2.2, 7.0]], dtype=torch.float64)
    height = torch.tensor([[1.0, 0.3, 2.0], [1.0, 0.7, 1.5]], dtype=torch.float64)
    width = torch.tensor([[0.5, 1.0, 0.7], [2.0, 0.6, 0.9]], dtype=torch.float64)
    return [centre, height, width], Instrument(two_theta_max_deg=6, step_deg=0.1)


@pytest.mark.parametrize("eta", [0.0, 0.1, 1.0])
def test_gradcheck_of_the_operator(eta: float) -> None:
    given, instrument = small_peaks()
    inputs = [p.requires_grad_() for p in given]
    instrument = replace(instrument, eta=eta)
    assert torch.autograd.gradcheck(lambda c, h, w: peaks_to_pattern(c, h, w, instrument), inputs)


@pytest.mark.parametrize(
    "transformed",
    [
        lambda f, x: torch.func.grad(lambda c: f(c).sum())(x),
        lambda f, x: torch.func.jacrev(f)(x),
        lambda f, x: torch.func.vmap(f)(x[None]),
        lambda f, x: torch.func.jvp(f, (x,), (x,)),
    ],
)
def test_functional_transforms_are_refused_with_advice(transformed) -> None:  # type: ignore[no-untyped-def]
    given, instrument = small_peaks()
    with pytest.raises(NotImplementedError, match="build the pattern from Simulator"):
        transformed(lambda c: peaks_to_pattern(c, given[1], given[2], instrument), given[0])
    # The advice holds.
    transformed(lambda c: reference(c, given[1], given[2], instrument), given[0])


def test_second_derivatives_are_refused() -> None:
    given, instrument = small_peaks()
    centre = given[0].requires_grad_()
    pattern = peaks_to_pattern(centre, given[1], given[2], instrument)
    (slope,) = torch.autograd.grad((pattern**2).sum(), centre, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()


COMPILED = """
import torch
from xrdscape.diffraction.peaks import peaks_to_pattern
from xrdscape.diffraction.instrument import Instrument

def loss(centre):
    height, width = torch.ones_like(centre), torch.full_like(centre, 0.5)
    return (peaks_to_pattern(2 * centre, height, width, Instrument(two_theta_max_deg=6, step_deg=0.1)) ** 2).sum()

results = []
for function in (loss, torch.compile(loss, backend="eager")):
    centre = torch.tensor([[0.6, 1.5], [2.0, 2.1]], dtype=torch.float64, requires_grad=True)
    results.append(torch.autograd.grad(function(centre), centre)[0])
torch.testing.assert_close(*results, rtol=0, atol=0)
"""


def test_compiled_code_may_call_the_operator() -> None:
    """torch.compile leaves it as it is; what surrounds it is compiled ("eager" needs no C++ compiler). In a process of
    its own, because the tests' checks of array shapes are nothing that torch.compile can read."""
    subprocess.run([sys.executable, "-c", COMPILED], check=True)
