"""The blur against its own matrix, its width, and its slopes."""

import numpy as np
import pytest
import torch
from tolerances import BLUR, BLUR_WIDTH

from xrdscape.optimisation.blur import PASSES, blurred, half_width, through_blur
from xrdscape.optimisation.objectives import OBJECTIVES


def matrix(n: int, half: int) -> np.ndarray:
    """One moving average, zero outside."""
    i = np.arange(n)
    return (np.abs(i[:, None] - i[None, :]) <= half) / (2 * half + 1)


@pytest.mark.parametrize("half", [1, 4, 30])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_blur_is_three_moving_averages(half: int, dtype: torch.dtype) -> None:
    pattern = torch.rand(3, 50, dtype=dtype, generator=torch.Generator().manual_seed(0))
    expected = pattern.double().numpy() @ np.linalg.matrix_power(matrix(50, half), PASSES).T
    got = blurred(pattern, half)
    assert got.dtype == dtype
    np.testing.assert_allclose(got.double().numpy(), expected, atol=BLUR[dtype])
    # Row by row the same, whatever the company.
    assert torch.equal(blurred(pattern[1:2], half)[0], got[1])


def test_no_blur_changes_nothing() -> None:
    pattern = torch.rand(2, 9)
    assert blurred(pattern, 0) is pattern
    assert through_blur(OBJECTIVES["cosine"], 0) is OBJECTIVES["cosine"]


@pytest.mark.parametrize("fwhm_deg", [0.2, 1.0, 5.0])
def test_a_line_gets_the_width_that_was_asked_for(fwhm_deg: float) -> None:
    step = 0.01
    line = torch.zeros(4001, dtype=torch.float64)
    line[2000] = 1.0
    peak = blurred(line, half_width(fwhm_deg, step))
    assert peak.sum() == pytest.approx(1.0)
    inside = int((peak >= peak.max() / 2).sum())
    assert inside * step == pytest.approx(fwhm_deg, rel=BLUR_WIDTH)


def test_slopes_of_a_blurred_loss() -> None:
    generator = torch.Generator().manual_seed(1)
    pattern = torch.rand(2, 30, dtype=torch.float64, generator=generator, requires_grad=True)
    target = blurred(torch.rand(30, dtype=torch.float64, generator=generator), 3)
    for objective in OBJECTIVES.values():
        soft = through_blur(objective, 3)
        assert soft.kernel_id is None, "the compiled loss knows no blur"
        torch.testing.assert_close(soft.loss(pattern, target), objective.loss(blurred(pattern, 3), target))
    assert torch.autograd.gradcheck(lambda x: through_blur(OBJECTIVES["cosine"], 3).loss(x, target), (pattern,))
