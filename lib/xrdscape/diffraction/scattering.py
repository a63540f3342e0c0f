"""How strongly a reflection scatters: atomic form factors, structure factors, Lorentz-polarisation."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from pymatgen.analysis.diffraction.xrd import ATOMIC_SCATTERING_PARAMS
from pymatgen.core import Element
from torch import Tensor

from xrdscape.errors import StructureError

# Mott-Bethe prefactor of the electron-scattering fit, 8 pi^2 m e^2 / h^2 in 1/angstrom
# (De Graef & McHenry, Structure of Materials, ch. 12). The coefficients a_i, b_i that go with it are the table that
# pymatgen carries; it was fitted for s = sin(theta)/lambda up to about 2 1/angstrom.
MOTT_BETHE = 41.78214


class FormFactorTable(NamedTuple):
    """Atomic numbers Z [elements, 1], and the decays -b [terms, 1] and coefficients -41.78214 a [elements, terms] of
    all elements' terms together: an element's coefficients are 0 for the terms of the others."""

    z: Float[Tensor, "elements 1"]
    decay: Float[Tensor, "terms 1"]
    coefficient: Float[Tensor, "elements terms"]


def form_factor_table(
    elements: tuple[str, ...], dtype: torch.dtype = torch.float64, device: torch.device | str = "cpu"
) -> FormFactorTable:
    """What `form_factors` needs to know of some elements.

    Raises:
        StructureError: for an element without tabulated coefficients.
    """
    missing = [e for e in elements if e not in ATOMIC_SCATTERING_PARAMS]
    if missing:
        raise StructureError(
            f"No X-ray form factor is tabulated for {', '.join(missing)}. Replace the element or leave its sites out."
        )
    z = torch.tensor([float(Element(e).Z) for e in elements], dtype=dtype, device=device)
    a, b = torch.tensor([ATOMIC_SCATTERING_PARAMS[e] for e in elements], dtype=dtype, device=device).unbind(-1)
    return FormFactorTable(z[:, None], -b.flatten()[:, None], -MOTT_BETHE * torch.block_diag(*a))


def form_factors(
    s_squared: Float[Tensor, "*batch reflections"], table: FormFactorTable
) -> Float[Tensor, "*batch elements reflections"]:
    """Atomic form factors in electrons: f(s) = Z - 41.78214 s^2 sum_i a_i exp(-b_i s^2).

    Args:
        s_squared: (sin(theta) / lambda)^2 = 1 / (2 d)^2, 1/angstrom^2.
        table: from `form_factor_table`.

    Source: eq:form-factor of the simulator chapter.
    """
    s2 = s_squared[..., None, :]
    return torch.addcmul(table.z, s2, table.coefficient @ torch.exp(table.decay * s2))


def geometrical_structure_factors(
    hkl: Float[Tensor, "#batch reflections 3"],
    frac_coords: Float[Tensor, "#batch sites 3"],
    occupancy: Float[Tensor, "sites elements"],
) -> tuple[Float[Tensor, "batch elements reflections"], Float[Tensor, "batch elements reflections"]]:
    """Real and imaginary part of T_e(hkl) = sum_n occupancy_ne exp(2 pi i h . x_n), for each element e.

    These depend on the fractional coordinates alone, not on the cell.

    Source: eq:structure-factor of the simulator chapter.
    """
    # Whole turns are taken out before the trigonometry, so that large h . x cost no accuracy.
    turns = frac_coords @ hkl.mT
    phase = 2 * math.pi * (turns - torch.round(turns.detach()))
    return occupancy.T @ torch.cos(phase), occupancy.T @ torch.sin(phase)


def structure_factor_squared(
    factors: Float[Tensor, "#batch elements reflections"],
    geometrical: tuple[Float[Tensor, "batch elements reflections"], Float[Tensor, "batch elements reflections"]],
) -> Float[Tensor, "batch reflections"]:
    """|F|^2 with F = sum_e f_e T_e, electrons^2. Kinematic, without Debye-Waller factor or absorption.

    Source: SI 1.2; eq:structure-factor of the simulator chapter.
    """
    real, imaginary = ((factors * part).sum(-2) for part in geometrical)
    return real * real + imaginary * imaginary


def lorentz_polarisation(sine_squared: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Lorentz-polarisation factor (1 + cos^2 2theta) / (sin^2 theta cos theta) for an unpolarised beam.

    Args:
        sine_squared: sin^2 theta.

    Source: SI 1.2; eq:lorentz-polarisation of the simulator chapter.
    """
    cosine_squared = 1 - sine_squared
    # 1 + cos^2 2theta = 2 - 4 sin^2 cos^2.
    return (2 - 4 * sine_squared * cosine_squared) / (sine_squared * torch.sqrt(cosine_squared))
