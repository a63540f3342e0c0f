"""The shape of a peak."""

import numpy as np
import pytest
import torch
from tolerances import ROUNDING

from xrdscape.diffraction.profile import PeakProfile, pseudo_voigt
from xrdscape.diffraction.widths import SizeWidth
from xrdscape.errors import InstrumentError


@pytest.mark.parametrize("eta", [0.0, 0.1, 0.5, 1.0])
def test_peak_has_unit_height_and_the_stated_width(eta: float) -> None:
    width = torch.tensor([0.05, 0.32, 5.0], dtype=torch.float64)
    assert pseudo_voigt(torch.zeros(3, dtype=torch.float64), width, eta).tolist() == [1, 1, 1]
    for side in (-0.5, 0.5):
        torch.testing.assert_close(pseudo_voigt(side * width, width, eta), torch.full_like(width, 0.5))


def test_peak_against_the_formula() -> None:
    x = np.linspace(-4, 4, 101)
    gauss, lorentz = np.exp(-4 * np.log(2) * x**2 / 0.7**2), 1 / (1 + 4 * x**2 / 0.7**2)
    result = pseudo_voigt(torch.as_tensor(x), torch.full((101,), 0.7, dtype=torch.float64), 0.3)
    np.testing.assert_allclose(result, 0.3 * gauss + 0.7 * lorentz, rtol=ROUNDING)


@pytest.mark.parametrize("eta", [-0.1, 1.1, float("nan")])
def test_a_fraction_out_of_range_is_refused(eta: float) -> None:
    with pytest.raises(InstrumentError, match=r"eta must lie between 0 and 1\. Received PeakProfile\("):
        PeakProfile(SizeWidth(30.0), eta)
