"""Atomic form factors: the strength with which an atom scatters X-rays."""

import json
from functools import cache
from importlib.resources import files
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from pymatgen.core import Element
from torch import Tensor

from xrdscape.diffraction.form_factor_tables import PublishedSource, gaussians, resonance
from xrdscape.errors import StructureError

FormFactorSource = Literal["electron", PublishedSource]
"""Source of form factors: the fit to electron scattering that the paper used, or published sums of Gaussians."""

Tabulation = Literal["published", FormFactorSource]
"""Choice of it: "published" is whichever of the published sums holds for the angles at hand."""

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
        f_double_prime: f'' of anomalous dispersion [elements, 1], whose f' is in z; None without it.
    """

    z: Float[Tensor, "elements 1"]
    decay: Float[Tensor, "terms 1"]
    coefficient: Float[Tensor, "elements terms"]
    gaussian: bool
    f_double_prime: Float[Tensor, "elements 1"] | None = None


@cache
def coefficients() -> dict[str, list[list[float]]]:
    """Return the pairs a_i, b_i of each element, from the file that pymatgen carries: the module around it draws, too,
    and takes half a second to import."""
    table = files("pymatgen.analysis.diffraction") / "atomic_scattering_params.json"
    return dict(json.loads(table.read_text(encoding="utf8")))


def form_factor_table(
    elements: tuple[str, ...],
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
    source: FormFactorSource = "electron",
    resonance_wavelength_angstrom: float | None = None,
) -> FormFactorTable:
    """Return what `form_factors` needs to know of some elements, with their anomalous dispersion at a wavelength if one
    is given.

    Raises:
        StructureError: for an element without tabulated coefficients.
    """
    table = _electron(elements, dtype, device) if source == "electron" else _gaussian(elements, source, dtype, device)
    if resonance_wavelength_angstrom is None:
        return table
    real, imaginary = (
        torch.as_tensor(part, dtype=dtype, device=device)[:, None]
        for part in resonance(elements, resonance_wavelength_angstrom)
    )
    return table._replace(z=table.z + real, f_double_prime=imaginary)


def _gaussian(
    elements: tuple[str, ...], source: PublishedSource, dtype: torch.dtype, device: torch.device | str
) -> FormFactorTable:
    a, b, c = (torch.as_tensor(part, dtype=dtype, device=device) for part in gaussians(elements, source))
    return FormFactorTable(c[:, None], -b.flatten()[:, None], torch.block_diag(*a), gaussian=True)


def _electron(elements: tuple[str, ...], dtype: torch.dtype, device: torch.device | str) -> FormFactorTable:
    known = coefficients()
    missing = [e for e in elements if e not in known]
    if missing:
        raise StructureError(
            f"No X-ray form factor is tabulated for {', '.join(missing)}. Replace the element or leave its sites out."
        )
    z = torch.tensor([float(Element(e).Z) for e in elements], dtype=dtype, device=device)
    a, b = torch.tensor([known[e] for e in elements], dtype=dtype, device=device).unbind(-1)
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
