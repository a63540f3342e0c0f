"""Structure factors against complex exponentials, and the Debye-Waller factor."""

import numpy as np
import torch
from tolerances import ROUNDING

from xrdscape.diffraction.structure_factors import (
    debye_waller,
    geometrical_structure_factors,
    structure_factor_squared,
)


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


def test_debye_waller_weakens_the_squares_by_its_square() -> None:
    hkl, sites, occupancy = random_crystal(4)
    generator = torch.Generator().manual_seed(4)
    factors = torch.rand(3, 2, 40, dtype=torch.float64, generator=generator) * 50
    s_squared = torch.rand(3, 40, dtype=torch.float64, generator=generator)
    geometrical = geometrical_structure_factors(hkl, sites, occupancy)
    weaker = structure_factor_squared(factors * debye_waller(s_squared, 1.7)[:, None], geometrical)
    expected = structure_factor_squared(factors, geometrical) * torch.exp(-2 * 1.7 * s_squared)
    torch.testing.assert_close(weaker, expected, rtol=ROUNDING, atol=ROUNDING)
