"""How strongly an atom scatters X-rays: its form factor."""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from pymatgen.analysis.diffraction.xrd import ATOMIC_SCATTERING_PARAMS
from pymatgen.core import Element
from torch import Tensor

from xrdscape.diffraction.form_factor_tables import Source, gaussians
from xrdscape.errors import StructureError

Tabulation = Literal["electron", Source]
"""Where form factors come from: the fit to electron scattering that the paper used, or published sums of Gaussians."""

MOTT_BETHE = 41.78214
"""Mott-Bethe prefactor of the electron-scattering fit, 8 pi^2 m e^2 / h^2 in 1/angstrom (De Graef & McHenry, Structure
of Materials, ch. 12). The coefficients a_i, b_i that go with it are the table that pymatgen carries; it was fitted for
s = sin(theta)/lambda up to about 2 1/angstrom."""


class FormFactorTable(NamedTuple):
    """Coefficients of f(s) = z + s^2 sum_i c_i exp(d_i s^2) or, of Gaussians, f(s) = z + sum_i c_i exp(d_i s^2).

    Args:
        z: what the sum is added to, [elements, 1]; the atomic number in the first form.
        decay: d of all elements' terms together [terms, 1].
        coefficient: c [elements, terms]: an element's are 0 for the terms of the others.
        gaussian: whether the second form holds.
    """

    z: Float[Tensor, "elements 1"]
    decay: Float[Tensor, "terms 1"]
    coefficient: Float[Tensor, "elements terms"]
    gaussian: bool


def form_factor_table(
    elements: tuple[str, ...],
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
    tabulation: Tabulation = "electron",
) -> FormFactorTable:
    """Return what `form_factors` needs to know of some elements.

    Raises:
        StructureError: for an element without tabulated coefficients.
    """
    if tabulation != "electron":
        table = gaussians(elements, tabulation)
        a, b, c = (torch.as_tensor(part, dtype=dtype, device=device) for part in table)
        return FormFactorTable(c[:, None], -b.flatten()[:, None], torch.block_diag(*a), gaussian=True)
    missing = [e for e in elements if e not in ATOMIC_SCATTERING_PARAMS]
    if missing:
        raise StructureError(
            f"No X-ray form factor is tabulated for {', '.join(missing)}. Replace the element or leave its sites out."
        )
    z = torch.tensor([float(Element(e).Z) for e in elements], dtype=dtype, device=device)
    a, b = torch.tensor([ATOMIC_SCATTERING_PARAMS[e] for e in elements], dtype=dtype, device=device).unbind(-1)
    return FormFactorTable(z[:, None], -b.flatten()[:, None], -MOTT_BETHE * torch.block_diag(*a), gaussian=False)


def form_factors(
    s_squared: Float[Tensor, "*batch reflections"], table: FormFactorTable
) -> Float[Tensor, "*batch elements reflections"]:
    """Return atomic form factors in electrons: f(s) = Z - 41.78214 s^2 sum_i a_i exp(-b_i s^2) of the paper's fit, or
    f(s) = c + sum_i a_i exp(-b_i s^2) of Gaussians.

    Args:
        s_squared: (sin(theta) / lambda)^2 = 1 / (2 d)^2, 1/angstrom^2.
        table: from `form_factor_table`.

    Source: eq:form-factor of the simulator chapter.
    """
    s2 = s_squared[..., None, :]
    sums = table.coefficient @ torch.exp(table.decay * s2)
    return table.z + sums if table.gaussian else torch.addcmul(table.z, s2, sums)
