"""How strongly a reflection scatters: atomic form factors, structure factors, Lorentz-polarisation."""

import math

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


def form_factor_table(
    elements: tuple[str, ...], dtype: torch.dtype = torch.float64, device: torch.device | str = "cpu"
) -> tuple[Float[Tensor, "elements"], Float[Tensor, "elements terms"], Float[Tensor, "elements terms"]]:
    """Atomic numbers Z and coefficients a, b of the form factors.

    Raises:
        StructureError: for an element without tabulated coefficients.
    """
    missing = [e for e in elements if e not in ATOMIC_SCATTERING_PARAMS]
    if missing:
        raise StructureError(
            f"No X-ray form factor is tabulated for {', '.join(missing)}. Replace the element or leave its sites out."
        )
    z = torch.tensor([float(Element(e).Z) for e in elements], dtype=dtype, device=device)
    table = torch.tensor([ATOMIC_SCATTERING_PARAMS[e] for e in elements], dtype=dtype, device=device)
    return z, table[..., 0], table[..., 1]


def form_factors(
    s_squared: Float[Tensor, "*shape"],
    table: tuple[Float[Tensor, "elements"], Float[Tensor, "elements terms"], Float[Tensor, "elements terms"]],
) -> Float[Tensor, "*shape elements"]:
    """Atomic form factors in electrons: f(s) = Z - 41.78214 s^2 sum_i a_i exp(-b_i s^2).

    Args:
        s_squared: (sin(theta) / lambda)^2 = 1 / (2 d)^2, 1/angstrom^2.
        table: from `form_factor_table`.

    Source: eq:form-factor of the simulator chapter.
    """
    z, a, b = table
    s2 = s_squared[..., None]
    return z - MOTT_BETHE * s2 * (a * torch.exp(-b * s2[..., None])).sum(-1)


def geometric_sums(
    hkl: Float[Tensor, "batch reflections 3"],
    frac_coords: Float[Tensor, "batch sites 3"],
    occupancy: Float[Tensor, "sites elements"],
) -> tuple[Float[Tensor, "batch reflections elements"], Float[Tensor, "batch reflections elements"]]:
    """Real and imaginary part of T_e(hkl) = sum_n occupancy_ne exp(2 pi i h . x_n), for each element e.

    These depend on the fractional coordinates alone, not on the cell.

    Source: eq:structure-factor of the simulator chapter.
    """
    # Whole turns are taken out before the trigonometry, so that large h . x cost no accuracy.
    turns = hkl @ frac_coords.mT
    phase = 2 * math.pi * (turns - torch.round(turns))
    return torch.cos(phase) @ occupancy, torch.sin(phase) @ occupancy


def structure_factor_squared(
    factors: Float[Tensor, "batch reflections elements"],
    sums: tuple[Float[Tensor, "batch reflections elements"], Float[Tensor, "batch reflections elements"]],
) -> Float[Tensor, "batch reflections"]:
    """|F|^2 with F = sum_e f_e T_e, electrons^2. Kinematic, without Debye-Waller factor or absorption.

    Source: SI 1.2; eq:structure-factor of the simulator chapter.
    """
    real, imaginary = sums
    return (factors * real).sum(-1) ** 2 + (factors * imaginary).sum(-1) ** 2


def lorentz_polarisation(sin_theta: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Lorentz-polarisation factor (1 + cos^2 2theta) / (sin^2 theta cos theta) for an unpolarised beam.

    Source: SI 1.2; eq:lorentz-polarisation of the simulator chapter.
    """
    sin2 = sin_theta**2
    return (1 + (1 - 2 * sin2) ** 2) / (sin2 * torch.sqrt(1 - sin2))
