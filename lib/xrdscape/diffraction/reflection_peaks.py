"""Peaks of a cell's reflections: where each stands, how wide it is and how high.

`cell_factors` and `reflection_peaks` are plain torch and define what is computed; `compiled_peaks` is the same by
`kernels.lattice_kernel`. A radiation of several emission lines gives as many peaks of each reflection: first those of
all reflections for the strongest line, then those for the next.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from xrdscape.crystal.cell import reciprocal_metric
from xrdscape.diffraction.form_factors import FormFactorTable, form_factors
from xrdscape.diffraction.instrument import Instrument, edge_weight
from xrdscape.diffraction.kernels import lattice_kernel
from xrdscape.diffraction.kernels.arguments import Exact, FormFactors, Lists, PeakArrays, SimulatorConstants
from xrdscape.diffraction.lorentz_polarisation import lorentz_polarisation
from xrdscape.diffraction.peaks import apply_first_order
from xrdscape.diffraction.reflections import Reflections
from xrdscape.diffraction.structure_factors import GeometricalFactors, debye_waller, structure_factor_squared
from xrdscape.diffraction.widths import fwhm_deg


class CellFactors(NamedTuple):
    """Properties of the reflections of a batch that the cell alone decides.

    Args:
        centre: of each peak in the axis's unit [B, lines * M], float64 in any precision: float32 leaves 4e-6 deg near
            90 deg, and peaks have steep flanks.
        strength: all of its height but |F|^2 [B, lines * M]; 0 for those outside the range.
        form_factors: of each element at each reflection, electrons [B, elements, M].
        f_double_prime: their f'' of anomalous dispersion [B, elements, M]; None without it.
        fwhm: of each peak in the axis's unit [B, lines * M].
    """

    centre: Tensor
    strength: Tensor
    form_factors: Tensor
    f_double_prime: Tensor | None
    fwhm: Tensor


class Peaks(NamedTuple):
    """Peaks of the reflections of a batch on the axis, each [B, lines * M] for M reflections and all emission lines:
    centre (float64) and full width at half maximum in the axis's unit, height."""

    centre: Tensor
    height: Tensor
    fwhm: Tensor


def cell_factors(
    lattice: Float[Tensor, "batch 6"],
    reflections: Reflections,
    instrument: Instrument,
    table: FormFactorTable,
    b_iso: float = 0.0,
) -> CellFactors:
    """Return centre, width, form factors and strength of every reflection, differentiable in the cell.

    Args:
        lattice: cells, angstrom and degrees.
        reflections: their lists.
        instrument: its radiation, range and widths are used.
        table: of the elements' form factors; its precision is that of the result.
        b_iso: overall B_iso, angstrom^2.
    """
    radiation, dtype = instrument.radiation, table.z.dtype
    wavelength = radiation.wavelength_angstrom
    # sin^2(theta) = (lambda / 2d)^2, for each emission line [B, lines, M].
    scaled = reciprocal_metric(lattice.double()) * (wavelength / 2) ** 2
    exact, ratio = scaled.flatten(-2)[:, None] @ reflections.products, None
    if len(radiation.lines) > 1:
        relative = [[line.wavelength_angstrom / wavelength] for line in radiation.lines]
        ratio = torch.tensor(relative, dtype=torch.float64, device=lattice.device)
        exact = exact * ratio**2
    # Past the edge, where the strength is 0, the formulas need not give a number: reflections are held there.
    edge = math.sin(math.radians(instrument.edge_deg / 2)) ** 2
    inside = (exact.detach() <= edge).double()
    exact = torch.addcmul(edge - edge * inside, exact, inside)
    angle = torch.arcsin(torch.sqrt(exact)) * (360 / math.pi)
    weight = reflections.multiplicity[:, None] * inside.to(dtype)
    if instrument.taper_deg > 0:
        weight = weight * edge_weight(angle, instrument).to(dtype)
    if ratio is not None:
        weight = weight * weight.new_tensor([[line.weight] for line in radiation.lines])
    sine_squared = exact.to(dtype)
    strength = weight * lorentz_polarisation(sine_squared, radiation.polarisation)
    # Of the emission line that reaches farthest: for the others some of these may be held at the edge.
    shortest = radiation.shortest_line
    s_squared = sine_squared[:, shortest] / radiation.lines[shortest].wavelength_angstrom ** 2
    factors = form_factors(s_squared, table)
    if b_iso != 0:
        factors = factors * debye_waller(s_squared, b_iso)[:, None]
    f_double_prime = table.f_double_prime
    if f_double_prime is not None:
        f_double_prime = f_double_prime * debye_waller(s_squared, b_iso)[:, None]
    centre, fwhm = _on_axis(angle, exact, sine_squared, ratio, instrument)
    return CellFactors(centre.flatten(1), strength.flatten(1), factors, f_double_prime, fwhm.flatten(1))


def _on_axis(
    angle: Tensor, exact: Tensor, sine_squared: Tensor, ratio: Tensor | None, instrument: Instrument
) -> tuple[Tensor, Tensor]:
    """Return centres and widths in the unit of the axis; `exact` is sin^2(theta) in float64, `ratio` the wavelength of
    each emission line over that of the strongest if there are several."""
    relative = 1.0 if ratio is None else ratio.to(sine_squared.dtype)
    fwhm = fwhm_deg(torch.sqrt(sine_squared / (1 - sine_squared)), instrument.width_constants, relative)
    if instrument.axis.kind == "two_theta":
        return angle + instrument.zero_deg, fwhm
    per_sine = 4 * math.pi / instrument.wavelength_angstrom
    # dQ / d(2 theta) = (2 pi / lambda) cos(theta).
    return per_sine * torch.sqrt(exact), fwhm * (math.pi / 360 * per_sine) * torch.sqrt(1 - sine_squared)


def reflection_peaks(factors: CellFactors, geometrical: GeometricalFactors) -> Peaks:
    """Return the peaks of cells whose coordinates give these geometrical structure factors."""
    square = structure_factor_squared(factors.form_factors, geometrical, factors.f_double_prime)
    lines = factors.strength.shape[1] // square.shape[1]
    height = factors.strength * (square if lines == 1 else square.repeat(1, lines))
    return Peaks(factors.centre, height, factors.fwhm)


def compiled_peaks(
    lattice: Float[Tensor, "batch 6"],
    reflections: Reflections,
    geometrical: GeometricalFactors,
    constants: SimulatorConstants,
) -> Peaks:
    """Return the peaks on the CPU, differentiable once in the cell, while the geometrical structure factors stay."""
    return Peaks(*apply_first_order(_CompiledPeaks, lattice.double(), reflections, geometrical, constants))


def peaks_and_slopes(
    lattice: Float[Tensor, "batch 6"],
    reflections: Reflections,
    geometrical: GeometricalFactors,
    constants: SimulatorConstants,
) -> tuple[PeakArrays, Exact]:
    """Return the peaks on the CPU and the slopes [B, 3, lines * M] of centre, height and width in sin^2(theta) for the
    strongest emission line."""
    cells, lists = lattice.double().contiguous().numpy(), lists_of(reflections, geometrical)
    dtype = lists.real.dtype
    batch, count = lists.multiplicity.shape
    shape = batch, len(constants.optics.share) * count
    peaks = PeakArrays(np.empty(shape), np.empty(shape, dtype), np.empty(shape, dtype))
    slopes = np.empty((batch, 3, shape[1]))
    lattice_kernel.forward(0, batch, cells, lists, constants, peaks, slopes)
    return peaks, slopes


def lists_of(reflections: Reflections, geometrical: GeometricalFactors) -> Lists:
    """Return reflection lists and their geometrical structure factors as the compiled loops take them."""
    real, imaginary = geometrical
    return Lists(
        hkl=reflections.hkl.contiguous().numpy(),
        multiplicity=reflections.multiplicity.contiguous().numpy(),
        real=real.contiguous().numpy(),
        imaginary=imaginary.contiguous().numpy(),
    )


def form_factor_arrays(table: FormFactorTable) -> FormFactors:
    """Return the form factors' coefficients as the compiled loops take them."""
    return FormFactors(
        z=table.z.cpu().numpy(),
        decay=table.decay.cpu().numpy(),
        coefficient=table.coefficient.cpu().numpy(),
        gaussian=table.gaussian,
        f_double_prime=(table.z[:0] if table.f_double_prime is None else table.f_double_prime)[:, 0].cpu().numpy(),
    )


class _CompiledPeaks(torch.autograd.Function):
    """Peaks as a function of the lattice alone: `lattice_kernel`."""

    @staticmethod
    def forward(
        ctx: Any,
        lattice: Tensor,
        reflections: Reflections,
        geometrical: GeometricalFactors,
        constants: SimulatorConstants,
    ) -> tuple[Tensor, ...]:
        peaks, slopes = peaks_and_slopes(lattice, reflections, geometrical, constants)
        ctx.kept = lattice.contiguous().numpy(), reflections.hkl.contiguous().numpy(), constants.optics, slopes
        return tuple(torch.from_numpy(part) for part in peaks)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        cells, hkl, optics, slopes = ctx.kept
        d_lattice = np.empty(cells.shape)
        centre, height, fwhm = (gradient.contiguous().numpy() for gradient in gradients)
        d_peaks = PeakArrays(centre, height, fwhm)
        lattice_kernel.backward(0, len(cells), cells, hkl, optics, slopes, d_peaks, d_lattice)
        return torch.from_numpy(d_lattice), None, None, None
