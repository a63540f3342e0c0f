"""The structure factor F and |F|^2: how strongly a crystal scatters into a reflection.

F = sum_e f_e T_e over the elements e: the form factors f_e depend on the cell alone (`form_factors`), the geometrical
structure factors T_e on the coordinates alone.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

GeometricalFactors = tuple[Tensor, Tensor]
"""Real and imaginary parts of the geometrical structure factors of a batch, each [B, elements, M]."""


def geometrical_structure_factors(
    hkl: Float[Tensor, "#batch reflections 3"],
    frac_coords: Float[Tensor, "#batch sites 3"],
    occupancy: Float[Tensor, "sites elements"],
) -> tuple[Float[Tensor, "batch elements reflections"], Float[Tensor, "batch elements reflections"]]:
    """Return real and imaginary part of T_e(hkl) = sum_n occupancy_ne exp(2 pi i h . x_n), for each element e.

    Source: eq:structure-factor of the simulator chapter.
    """
    # Whole turns are taken out before the trigonometry, so that large h . x cost no accuracy.
    turns = frac_coords @ hkl.mT
    phase = 2 * math.pi * (turns - torch.round(turns.detach()))
    return occupancy.T @ torch.cos(phase), occupancy.T @ torch.sin(phase)


def structure_factor_squared(
    factors: Float[Tensor, "#batch elements reflections"],
    geometrical: tuple[Float[Tensor, "batch elements reflections"], Float[Tensor, "batch elements reflections"]],
    f_double_prime: Float[Tensor, "#batch elements reflections"] | None = None,
) -> Float[Tensor, "batch reflections"]:
    """Return |F|^2 with F = sum_e f_e T_e, electrons^2; kinematic, without absorption.

    With anomalous dispersion it is the mean over hkl and -hkl, which stand at one angle: |sum_e f_e T_e|^2 +
    |sum_e f''_e T_e|^2.

    Args:
        factors: atomic form factors f_e with f', electrons; with the Debye-Waller factor in them, it is in |F|^2, too.
        geometrical: T_e of `geometrical_structure_factors`.
        f_double_prime: f'' of the elements, with the same factor in them; None without anomalous dispersion.

    Source: SI 1.2; eq:structure-factor of the simulator chapter.
    """
    real, imaginary = ((factors * part).sum(-2) for part in geometrical)
    square = real * real + imaginary * imaginary
    return square if f_double_prime is None else square + structure_factor_squared(f_double_prime, geometrical)


def debye_waller(s_squared: Float[Tensor, "*shape"], b_iso: float) -> Float[Tensor, "*shape"]:
    """Return exp(-B s^2), by which thermal motion weakens all form factors alike.

    Args:
        s_squared: (sin(theta) / lambda)^2, 1/angstrom^2.
        b_iso: B = 8 pi^2 <u^2>, angstrom^2.
    """
    return torch.exp(-b_iso * s_squared)
