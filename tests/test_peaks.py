"""The compiled operator against its plain torch definition."""

import itertools
from functools import partial

import pytest
import torch
from tolerances import FLOAT32_GRADIENT, INTERPOLATED_GRADIENT, KERNEL, KERNEL_FLOAT32
from torch import Tensor

from xrdscape.peaks import peaks_to_pattern, peaks_to_pattern_reference

GRID = torch.arange(0, 90, 0.05, dtype=torch.float64)
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


def value_and_gradients(operator, peaks: list[Tensor], grid: Tensor, eta: float) -> list[Tensor]:  # type: ignore[no-untyped-def]
    """The pattern, and the gradients of one fixed functional of it in centre, height and width."""
    inputs = [p.clone().requires_grad_() for p in peaks]
    pattern = operator(*inputs, grid, eta)
    weight = torch.cos(torch.arange(len(grid), dtype=torch.float64) * 0.37).to(grid.dtype)
    return [pattern.detach(), *torch.autograd.grad((pattern * weight).sum(), inputs)]


def relative(result: Tensor, expected: Tensor) -> float:
    """Largest difference over the largest value."""
    return float((result.double() - expected.double()).abs().max() / expected.double().abs().max())


CASES = list(itertools.product(WIDTHS_DEG, (0.0, 0.1, 1.0)))


@pytest.mark.parametrize(("widths", "eta"), CASES)
def test_pattern_and_gradients_are_the_references(widths: str, eta: float) -> None:
    peaks = random_peaks(WIDTHS_DEG[widths])
    assert int((peaks[1] == 0).sum()) > 3
    assert int(((peaks[0] < 0) | (peaks[0] > 90)).sum()) > 3
    counts = peaks[1] != 0
    result = value_and_gradients(peaks_to_pattern, peaks, GRID, eta)
    expected = value_and_gradients(peaks_to_pattern_reference, peaks, GRID, eta)
    assert relative(result[0], expected[0]) < KERNEL
    for ours, theirs in zip(result[1:], expected[1:], strict=True):
        assert relative(ours, theirs * counts) < KERNEL


@pytest.mark.parametrize(("widths", "eta"), CASES)
def test_float32_follows_float64(widths: str, eta: float) -> None:
    peaks = random_peaks(WIDTHS_DEG[widths], seed=1)
    # Rounded to float32 first, so that the two see the same peaks.
    single = [p.float() for p in peaks]
    result = value_and_gradients(peaks_to_pattern, single, GRID.float(), eta)
    expected = value_and_gradients(peaks_to_pattern_reference, [p.double() for p in single], GRID.float().double(), eta)
    counts = peaks[1] != 0
    assert all(r.dtype == torch.float32 for r in result)
    assert relative(result[0], expected[0]) < KERNEL_FLOAT32
    for ours, theirs in zip(result[1:], expected[1:], strict=True):
        assert relative(ours, theirs * counts) < FLOAT32_GRADIENT


@pytest.mark.parametrize("n", [9000, 8997, 803])
@pytest.mark.parametrize("widths_deg", [(0.15, 0.2), (0.3, 0.31), (0.32, 0.46)])
def test_float32_on_the_papers_grid(n: int, widths_deg: tuple[float, float]) -> None:
    """The grid and widths where float32 may interpolate, down to the narrowest for which it may."""
    grid = torch.arange(n, dtype=torch.float64) * 0.01
    single = [p.float() for p in random_peaks(widths_deg, seed=4, batch=2, count=9)]
    single[0] *= n / 9000
    narrowest = float(single[2].min())
    interpolated = partial(peaks_to_pattern, narrowest_fwhm_deg=narrowest)
    result = value_and_gradients(interpolated, single, grid.float(), 0.1)
    dense = peaks_to_pattern(*single, grid.float(), 0.1)
    # Both are within the tolerance below; that they differ shows that the coarser grid was used.
    assert not torch.equal(result[0], dense)
    expected = value_and_gradients(peaks_to_pattern_reference, [p.double() for p in single], grid, 0.1)
    counts = single[1] != 0
    assert relative(result[0], expected[0]) < KERNEL_FLOAT32
    for ours, theirs in zip(result[1:], expected[1:], strict=True):
        assert relative(ours, theirs * counts) < INTERPOLATED_GRADIENT


def test_weak_peaks_keep_their_relative_precision_in_float64() -> None:
    """A peak 1e-6 as strong as its neighbour far away is computed as well as alone."""
    centre = torch.tensor([[20.0, 70.0]], dtype=torch.float64)
    width = torch.full_like(centre, 0.3)
    height = torch.tensor([[1e6, 1.0]], dtype=torch.float64)
    near = (GRID > 69) & (GRID < 71)
    result = peaks_to_pattern(centre, height, width, GRID, 1.0)[0, near]
    alone = peaks_to_pattern_reference(centre[:, 1:], height[:, 1:], width[:, 1:], GRID, 1.0)[0, near]
    assert relative(result, alone) < KERNEL


def test_peaks_without_height_contribute_nothing_and_get_no_gradient() -> None:
    peaks = random_peaks((0.3, 0.5))
    zero = [peaks[0], torch.zeros_like(peaks[1]), peaks[2]]
    for result in value_and_gradients(peaks_to_pattern, zero, GRID, 0.1):
        assert bool((result == 0).all())
    padded = [
        torch.cat([p, torch.full_like(p[:, :5], fill)], 1) for p, fill in zip(peaks, (40.0, 0.0, 0.3), strict=True)
    ]
    with_padding = value_and_gradients(peaks_to_pattern, padded, GRID, 0.1)
    without = value_and_gradients(peaks_to_pattern, peaks, GRID, 0.1)
    assert relative(with_padding[0], without[0]) < KERNEL
    for ours, theirs in zip(with_padding[1:], without[1:], strict=True):
        assert relative(ours[:, :-5], theirs) < KERNEL
        assert bool((ours[:, -5:] == 0).all())


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 8, 9])
def test_any_number_of_peaks(count: int) -> None:
    peaks = [p[:, :count] for p in random_peaks((0.3, 2.0), seed=2)]
    result = peaks_to_pattern(*peaks, GRID, 0.1)
    torch.testing.assert_close(result, peaks_to_pattern_reference(*peaks, GRID, 0.1), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("n", [1, 2, 3, 17])
def test_any_number_of_grid_points(n: int) -> None:
    grid = 40 + torch.arange(n, dtype=torch.float64) * 0.7
    peaks = random_peaks((1.0, 3.0), seed=3)
    result = peaks_to_pattern(*peaks, grid, 0.1)
    assert relative(result, peaks_to_pattern_reference(*peaks, grid, 0.1)) < KERNEL


def test_samples_do_not_influence_each_other() -> None:
    peaks = random_peaks((0.3, 0.5), batch=5)
    together = value_and_gradients(peaks_to_pattern, peaks, GRID, 0.1)
    for i in range(5):
        alone = value_and_gradients(peaks_to_pattern, [p[i : i + 1] for p in peaks], GRID, 0.1)
        for a, b in zip(alone, together, strict=True):
            torch.testing.assert_close(a[0], b[i], rtol=0, atol=0)


def test_strided_and_expanded_inputs() -> None:
    peaks = random_peaks((0.3, 0.5))
    transposed = [p.T.contiguous().T for p in peaks]
    assert not transposed[0].is_contiguous()
    torch.testing.assert_close(peaks_to_pattern(*transposed, GRID, 0.1), peaks_to_pattern(*peaks, GRID, 0.1))
    width = torch.full((1, 1), 0.4, dtype=torch.float64).expand_as(peaks[0])
    expected = peaks_to_pattern_reference(peaks[0], peaks[1], width, GRID, 0.1)
    assert relative(peaks_to_pattern(peaks[0], peaks[1], width, GRID, 0.1), expected) < KERNEL


@pytest.mark.parametrize("eta", [0.0, 0.1, 1.0])
def test_gradcheck_of_the_operator(eta: float) -> None:
    # Widths above a few steps, so that the Gaussian's cut at 1e-16 of its height is the only kink.
    centre = torch.tensor([[1.3, 3.0, 4.1], [-1.0, 2.2, 7.0]], dtype=torch.float64)
    height = torch.tensor([[1.0, 0.3, 2.0], [1.0, 0.7, 1.5]], dtype=torch.float64)
    width = torch.tensor([[0.5, 1.0, 0.7], [2.0, 0.6, 0.9]], dtype=torch.float64)
    inputs = [p.requires_grad_() for p in (centre, height, width)]
    grid = torch.arange(0, 6, 0.1, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda c, h, w: peaks_to_pattern(c, h, w, grid, eta), inputs)
