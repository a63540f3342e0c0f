"""Form factors, structure factors and the Lorentz-polarisation factor against formulas written out again."""

import math

import numpy as np
import pytest
import torch
from pymatgen.analysis.diffraction.xrd import ATOMIC_SCATTERING_PARAMS
from pymatgen.core import Element
from tolerances import ROUNDING

from xrdscape.diffraction.scattering import (
    form_factor_table,
    form_factors,
    geometrical_structure_factors,
    lorentz_polarisation,
    structure_factor_squared,
)
from xrdscape.errors import StructureError

ALL_ELEMENTS = tuple(ATOMIC_SCATTERING_PARAMS)


def test_form_factors_against_the_formula_term_by_term() -> None:
    s = np.linspace(0.0, 1.0, 30)
    values = form_factors(torch.as_tensor(s**2), form_factor_table(ALL_ELEMENTS))
    for row, element in enumerate(ALL_ELEMENTS):
        for column, s_i in enumerate(s):
            tail = sum(a * math.exp(-b * s_i * s_i) for a, b in ATOMIC_SCATTERING_PARAMS[element])
            expected = Element(element).Z - 41.78214 * s_i * s_i * tail
            assert values[row, column] == pytest.approx(expected, rel=ROUNDING, abs=ROUNDING)


def test_form_factor_starts_at_the_electron_count_and_falls() -> None:
    table = form_factor_table(("O", "Ti", "U"))
    values = form_factors(torch.linspace(0, 0.45, 50, dtype=torch.float64) ** 2, table)
    assert values[:, 0].tolist() == [8, 22, 92]
    assert bool((values.diff(dim=1) < 0).all())
    assert bool((values > 0).all())


def test_element_without_form_factor_is_refused_by_name() -> None:
    with pytest.raises(StructureError, match=r"No X-ray form factor is tabulated for Es, Fm\."):
        form_factor_table(("Fe", "Es", "Fm"))


def random_crystal(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    hkl = torch.as_tensor(rng.integers(-15, 16, (3, 40, 3)).astype(float))
    sites = torch.as_tensor(rng.uniform(-2, 3, (3, 7, 3)))
    occupancy = torch.as_tensor(rng.uniform(0, 0.5, (7, 2)))
    return hkl, sites, occupancy


def test_structure_factors_against_complex_exponentials() -> None:
    hkl, sites, occupancy = random_crystal(1)
    factors = torch.rand(3, 2, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 50
    result = structure_factor_squared(factors, geometrical_structure_factors(hkl, sites, occupancy))
    phases = np.exp(2j * np.pi * np.einsum("bmi,bni->bmn", hkl.numpy(), sites.numpy()))
    amplitude = np.einsum("bmn,ne,bem->bm", phases, occupancy.numpy(), factors.numpy())
    np.testing.assert_allclose(result, np.abs(amplitude) ** 2, rtol=ROUNDING, atol=ROUNDING)


def test_geometrical_structure_factors_do_not_see_whole_turns() -> None:
    hkl, sites, occupancy = random_crystal(2)
    shift = torch.randint(-5, 6, sites.shape, generator=torch.Generator().manual_seed(2)).double()
    for here, there in zip(
        geometrical_structure_factors(hkl, sites, occupancy),
        geometrical_structure_factors(hkl, sites + shift, occupancy),
        strict=True,
    ):
        torch.testing.assert_close(here, there, rtol=ROUNDING, atol=ROUNDING)


def test_geometrical_structure_factors_are_differentiable_in_the_coordinates() -> None:
    hkl, sites, occupancy = random_crystal(3)
    sites = sites[:1, :3].requires_grad_()
    assert torch.autograd.gradcheck(lambda x: geometrical_structure_factors(hkl[:1, :6], x, occupancy[:3]), sites)


def test_lorentz_polarisation_against_angles() -> None:
    theta = np.radians(np.linspace(1, 89, 200))
    expected = (1 + np.cos(2 * theta) ** 2) / (np.sin(theta) ** 2 * np.cos(theta))
    np.testing.assert_allclose(lorentz_polarisation(torch.as_tensor(np.sin(theta) ** 2)), expected, rtol=ROUNDING)


def test_lorentz_polarisation_at_a_right_angle() -> None:
    half = torch.tensor([math.sin(math.pi / 4)], dtype=torch.float64)
    assert float(lorentz_polarisation(half**2)) == pytest.approx(2 * math.sqrt(2), rel=ROUNDING)
