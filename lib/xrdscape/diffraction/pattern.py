"""From a crystal to its powder pattern, differentiable in lattice and coordinates."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from pymatgen.core import Structure
from torch import Tensor
from torch.autograd.function import once_differentiable

from xrdscape.crystal.cell import check_lattice, reciprocal_metric
from xrdscape.crystal.contents import Contents, contents_of
from xrdscape.crystal.structures import to_tensors
from xrdscape.diffraction.kernels import lattice_kernel
from xrdscape.diffraction.peaks import apply_first_order, peaks_to_pattern
from xrdscape.diffraction.profile import Instrument, edge_weight, fwhm_from_tangent_deg, two_theta_grid
from xrdscape.diffraction.reflections import GeometricalFactors, Reflections, enumerate_reflections, in_reach
from xrdscape.diffraction.scattering import (
    form_factor_table,
    form_factors,
    geometrical_structure_factors,
    lorentz_polarisation,
    structure_factor_squared,
)
from xrdscape.errors import CellError, StructureError

# Reflections whose 2theta rounds to the same multiple of this are one line of a table; pymatgen's rule, deg.
SAME_ANGLE_DEG = 1e-5
# Lines weaker than this, where the strongest is 100, are left out of a reflection table; pymatgen's value.
WEAKEST_LINE = 1e-3


class Lines(NamedTuple):
    """What the cell alone decides about the reflections of a batch: [B, M], but for `factors` [B, elements, M].

    Centres are float64 in any precision: float32 leaves 4e-6 deg near 90 deg, and peaks have steep flanks.
    """

    centre_deg: Tensor
    strength: Tensor
    factors: Tensor
    fwhm_deg: Tensor


class Peaks(NamedTuple):
    """What the reflections of a batch look like on the detector, each [B, M]; centres in float64."""

    centre_deg: Tensor
    height: Tensor
    fwhm_deg: Tensor


@dataclass(frozen=True)
class Pattern:
    """A powder pattern: scattering angles in degrees and intensities, each [n]."""

    two_theta_deg: np.ndarray
    intensity: np.ndarray


class _CompiledPeaks(torch.autograd.Function):
    """Peaks as a function of the lattice alone: `lattice_kernel`."""

    @staticmethod
    def forward(ctx, lattice, constants, table, instrument):  # type: ignore[no-untyped-def]
        cells = lattice.contiguous().numpy()
        hkl, multiplicity, real, imaginary = (t.contiguous().numpy() for t in constants)
        shape = multiplicity.shape
        peaks = np.empty(shape), np.empty(shape, real.dtype), np.empty(shape, real.dtype)
        slopes = np.empty((shape[0], 3, shape[1]))
        lattice_kernel.forward(
            *(0, shape[0], cells, hkl, multiplicity, real, imaginary, *(t.numpy() for t in table)),
            *(instrument_constants(instrument), *peaks, slopes),
        )
        ctx.kept = cells, hkl, instrument.wavelength_angstrom, slopes
        return tuple(torch.from_numpy(part) for part in peaks)

    @staticmethod
    @once_differentiable
    def backward(ctx, *gradients):  # type: ignore[no-untyped-def]
        cells, hkl, wavelength, slopes = ctx.kept
        d_lattice = torch.empty(cells.shape, dtype=torch.float64)
        d_peaks = (gradient.contiguous().numpy() for gradient in gradients)
        lattice_kernel.backward(0, len(cells), cells, hkl, wavelength, slopes, *d_peaks, d_lattice.numpy())
        return d_lattice, None, None, None


def compiles(lattice: Tensor, geometrical: GeometricalFactors) -> bool:
    """Whether the compiled way can be taken: on the CPU, while the sums are constants."""
    return lattice.device.type == "cpu" and not any(part.requires_grad for part in geometrical)


@lru_cache
def instrument_constants(instrument: Instrument) -> tuple[float, ...]:
    """Of an instrument, as `lattice_kernel` takes them."""
    edge = math.sin(math.radians(instrument.edge_deg / 2)) ** 2
    return (
        *(instrument.wavelength_angstrom, instrument.U, instrument.V, instrument.W),
        *(instrument.two_theta_max_deg, instrument.taper_deg, edge),
    )


class Simulator:
    """Powder patterns of one composition for any cell and coordinates: `(lattice, frac_coords) -> patterns`.

    Args:
        contents: which elements sit on which sites, with their occupancies; of a structure, the cell and the
            coordinates are not kept.
        instrument: wavelength, range and peak profile.
        dtype, device: of all that is computed.
        hkl_max: leave out reflections with an index beyond this (the paper's clipping for the MSE objective).

    Raises:
        StructureError: for an element without form factor.

    A simulator holds constants alone. It is discrete once (`reflections`) and differentiable after.
    """

    def __init__(
        self,
        contents: Structure | Contents,
        instrument: Instrument | None = None,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
        hkl_max: int | None = None,
    ) -> None:
        self.instrument = instrument or Instrument()
        self.dtype, self.device, self.hkl_max = dtype, device, hkl_max
        known = contents_of(contents)
        self.elements = known.elements
        self.occupancy = torch.as_tensor(known.occupancy, dtype=dtype, device=device)
        self.form_factor_table = form_factor_table(self.elements, dtype, device)
        self.two_theta_deg = two_theta_grid(self.instrument, dtype, device)

    def with_instrument(self, instrument: Instrument) -> "Simulator":
        """The same simulator for another instrument; the reflection lists of one serve the other only if their
        `edge_deg` and wavelength agree."""
        other = object.__new__(Simulator)
        other.__dict__.update(self.__dict__)
        other.instrument = instrument
        other.two_theta_deg = two_theta_grid(instrument, self.dtype, self.device)
        return other

    def reflections(
        self, lattice: Float[Tensor, "batch 6"], reach: float = 1.0, allow_empty: bool = False
    ) -> Reflections:
        """Reflection lists for these cells, complete for cells stretched by up to `reach`.

        Raises:
            CellError: for a cell that does not close or, unless that is allowed, shows no reflection.
        """
        return enumerate_reflections(
            lattice.detach(), self.instrument.max_reciprocal_length, reach, self.hkl_max, allow_empty
        )

    def geometrical(self, reflections: Reflections, frac_coords: Float[Tensor, "batch sites 3"]) -> GeometricalFactors:
        """Geometric sums of the structure factor; constant while only the cell moves."""
        return geometrical_structure_factors(reflections.hkl, frac_coords, self.occupancy)

    def lines(self, lattice: Float[Tensor, "batch 6"], reflections: Reflections) -> Lines:
        """Centre, width and form factors of every reflection, and its strength: all of its intensity but |F|^2,
        which is 0 for those outside the range."""
        instrument = self.instrument
        # sin^2(theta) = (lambda / 2d)^2.
        scaled = reciprocal_metric(lattice.double()) * (instrument.wavelength_angstrom / 2) ** 2
        exact = (scaled.flatten(-2)[:, None] @ reflections.products).squeeze(1)
        # Past the edge, where the strength is 0, the formulas need not give a number: reflections are held there.
        edge = math.sin(math.radians(instrument.edge_deg / 2)) ** 2
        inside = (exact.detach() <= edge).double()
        exact = torch.addcmul(edge - edge * inside, exact, inside)
        centre = torch.arcsin(torch.sqrt(exact)) * (360 / math.pi)
        weight = reflections.multiplicity * inside.to(self.dtype)
        if instrument.taper_deg > 0:
            weight = weight * edge_weight(centre, instrument).to(self.dtype)
        sine_squared = exact.to(self.dtype)
        width = fwhm_from_tangent_deg(torch.sqrt(sine_squared / (1 - sine_squared)), instrument)
        factors = form_factors(sine_squared / instrument.wavelength_angstrom**2, self.form_factor_table)
        return Lines(centre, weight * lorentz_polarisation(sine_squared), factors, width)

    def peaks(
        self, lattice: Float[Tensor, "batch 6"], reflections: Reflections, geometrical: GeometricalFactors
    ) -> Peaks:
        """Centre, height and width of every reflection of the lists; height 0 for those outside the range."""
        lines = self.lines(lattice, reflections)
        height = lines.strength * structure_factor_squared(lines.factors, geometrical)
        return Peaks(lines.centre_deg, height, lines.fwhm_deg)

    def patterns(
        self, lattice: Float[Tensor, "batch 6"], reflections: Reflections, geometrical: GeometricalFactors
    ) -> Float[Tensor, "batch n"]:
        """Patterns from prepared lists and sums, without checks: the inner loop of a descent."""
        if not compiles(lattice, geometrical):
            return peaks_to_pattern(*self.peaks(lattice, reflections, geometrical), self.instrument)
        constants = reflections.hkl, reflections.multiplicity, *geometrical
        given = lattice.double(), constants, self.form_factor_table, self.instrument
        centre, height, fwhm = apply_first_order(_CompiledPeaks, *given)
        return peaks_to_pattern(centre, height, fwhm, self.instrument)

    def __call__(
        self,
        lattice: Float[Tensor, "batch 6"],
        frac_coords: Float[Tensor, "batch sites 3"],
        reflections: Reflections | None = None,
    ) -> Float[Tensor, "batch n"]:
        """Powder patterns, differentiable in both arguments.

        Args:
            lattice: lattice parameters, angstrom and degrees.
            frac_coords: fractional coordinates, sites in the order of the structure given at the start.
            reflections: lists to use; made for these cells if left out.

        Returns:
            Intensities at `two_theta_deg`, on the scale of |F|^2 in electrons^2 times Lorentz-polarisation.

        Raises:
            CellError: for an impossible cell, or one that has left the reach of the given lists.
            StructureError: for coordinates that do not fit the composition or are not finite.
        """
        if frac_coords.shape[1:] != (self.occupancy.shape[0], 3):
            raise StructureError(
                f"frac_coords must have shape [batch, {self.occupancy.shape[0]}, 3] for this composition. "
                f"Received {list(frac_coords.shape)}."
            )
        if not bool(torch.isfinite(frac_coords).all()):
            raise StructureError("frac_coords contains a value that is not finite. Check the starting structure.")
        check_lattice(lattice)
        if reflections is None:
            reflections = self.reflections(lattice)
        elif not bool(in_reach(reflections, lattice).all()):
            raise CellError(
                "A cell has left the reach of its reflection list, which may now miss reflections. "
                "Make a new one with simulator.reflections(lattice)."
            )
        return self.patterns(lattice, reflections, self.geometrical(reflections, frac_coords))


def simulate(structure: Structure, instrument: Instrument | None = None) -> Pattern:
    """Powder pattern of one crystal in float64.

    Args:
        structure: any crystal; sites may be partially occupied.
        instrument: the paper's if left out.

    Raises:
        StructureError, CellError: for a crystal that cannot be simulated.
    """
    simulator = Simulator(structure, instrument)
    intensity = simulator(*to_tensors([structure]))[0]
    return Pattern(simulator.two_theta_deg.numpy(), intensity.numpy())


def reflection_table(structure: Structure, instrument: Instrument | None = None) -> pd.DataFrame:
    """The reflections of a crystal, line by line as pymatgen's `XRDCalculator` lists them.

    Reflections whose angles round to the same multiple of 1e-5 deg are one line: their intensities are added, and
    h, k, l name one of them. Lines below 1e-3, where the strongest has 100, are left out.

    Returns:
        DataFrame, ascending in angle: h, k, l, multiplicity, d_angstrom, two_theta_deg, intensity (maximum 100).
    """
    simulator = Simulator(structure, instrument)
    lattice, frac_coords = to_tensors([structure])
    reflections = simulator.reflections(lattice)
    peaks = simulator.peaks(lattice, reflections, simulator.geometrical(reflections, frac_coords))
    hkl = reflections.hkl[0].numpy().astype(int)
    frame = pd.DataFrame(hkl, columns=["h", "k", "l"])
    frame["multiplicity"] = reflections.multiplicity[0].numpy().astype(int)
    frame["two_theta_deg"] = peaks.centre_deg[0].numpy()
    frame["intensity"] = peaks.height[0].numpy()
    frame["line"] = np.round(frame["two_theta_deg"] / SAME_ANGLE_DEG)
    # A line is named after its member with the fewest minus signs, then the largest indices: (1, 1, 0), not (2, -1, 0).
    frame["minus_signs"] = (hkl < 0).sum(1)
    frame = frame.sort_values(["line", "minus_signs", "h", "k", "l"], ascending=[True, True, False, False, False])
    table = frame.groupby("line").agg(
        h=("h", "first"),
        k=("k", "first"),
        l=("l", "first"),
        multiplicity=("multiplicity", "sum"),
        two_theta_deg=("two_theta_deg", "min"),
        intensity=("intensity", "sum"),
    )
    table["intensity"] = 100 * (table["intensity"] / table["intensity"].max())
    sine = np.sin(np.radians(table["two_theta_deg"]) / 2)
    table.insert(4, "d_angstrom", simulator.instrument.wavelength_angstrom / (2 * sine))
    return table[table["intensity"] >= WEAKEST_LINE].reset_index(drop=True)


__all__ = ["Instrument", "Pattern", "Peaks", "Simulator", "reflection_table", "simulate"]
