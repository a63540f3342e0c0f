"""The way from a crystal to its powder pattern, differentiable in lattice and coordinates."""

from copy import copy
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from pymatgen.core import Structure
from torch import Tensor

from xrdscape.crystal.cell import check_lattice
from xrdscape.crystal.contents import Contents, contents_of
from xrdscape.crystal.size import refuse_size
from xrdscape.crystal.structures import CrystalLike, structure_of, to_tensors
from xrdscape.diffraction.axis import Axis, scattering_angle_deg
from xrdscape.diffraction.form_factors import form_factor_table
from xrdscape.diffraction.instrument import PAPER_INSTRUMENT, Instrument
from xrdscape.diffraction.kernels.arguments import SimulatorConstants
from xrdscape.diffraction.peaks import peaks_to_pattern, sampling_of
from xrdscape.diffraction.reflection_peaks import (
    CellFactors,
    Peaks,
    cell_factors,
    compiled_peaks,
    form_factor_arrays,
    reflection_peaks,
)
from xrdscape.diffraction.reflections import Reflections, enumerate_reflections, in_reach
from xrdscape.diffraction.structure_factors import GeometricalFactors, geometrical_structure_factors
from xrdscape.errors import CellError, StructureError

if TYPE_CHECKING:
    import pandas as pd

SAME_ANGLE_DEG = 1e-5
"""Reflections whose 2theta rounds to the same multiple of this are one row of a table; pymatgen's rule."""
WEAKEST_ROW = 1e-3
"""Rows weaker than this, where the strongest is 100, are left out of a reflection table; pymatgen's value."""


def compiles(lattice: Tensor, geometrical: GeometricalFactors) -> bool:
    """Return whether the compiled loops serve: on the CPU, while the geometrical structure factors are constants."""
    return lattice.device.type == "cpu" and not any(part.requires_grad for part in geometrical)


class Simulator:
    """Powder patterns of one composition for any cell and coordinates: `(lattice, frac_coords) -> patterns`.

    Args:
        contents: which elements sit on which sites, with their occupancies; of a structure, the cell and the
            coordinates are not kept.
        instrument: wavelength, range and peak profile.
        dtype, device: of all that is computed.
        hkl_max: leave out reflections with an index beyond this (the paper's clipping for the MSE objective).
        b_iso: overall B_iso in angstrom^2, which weakens every `|F|^2` by exp(-2 B sin^2(theta) / lambda^2).

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
        b_iso: float = 0.0,
    ) -> None:
        self.instrument = instrument or PAPER_INSTRUMENT
        self.dtype, self.device, self.hkl_max, self.b_iso = dtype, device, hkl_max, b_iso
        known = contents_of(contents)
        self.elements = known.elements
        self.occupancy = torch.as_tensor(known.occupancy, dtype=dtype, device=device)
        self._scattering_by(self.instrument)

    def _scattering_by(self, instrument: Instrument) -> None:
        """Take the form factors that belong to an instrument."""
        self.form_factor_table = form_factor_table(
            self.elements,
            self.dtype,
            self.device,
            instrument.form_factor_source,
            instrument.resonance_wavelength_angstrom,
        )
        # Made here, since inside a functional transform of torch no array can be taken from a tensor.
        self._form_factors = form_factor_arrays(self.form_factor_table)

    def with_instrument(self, instrument: Instrument, b_iso: float | None = None) -> "Simulator":
        """Return the same simulator for another instrument, and with another B_iso if one is given.

        The reflection lists of one serve the other only if they reach the same d-spacings (`max_reciprocal_length`).
        """
        other = copy(self)
        for made in ("grid", "two_theta_deg", "constants"):
            vars(other).pop(made, None)
        scattering = ("form_factor_source", "resonance_wavelength_angstrom")
        if any(getattr(instrument, name) != getattr(self.instrument, name) for name in scattering):
            other._scattering_by(instrument)
        other.instrument, other.b_iso = instrument, self.b_iso if b_iso is None else b_iso
        return other

    @cached_property
    def grid(self) -> Float[Tensor, "n"]:
        """Values of the axis [n], in its unit."""
        return self.instrument.axis.grid(self.dtype, self.device)

    @cached_property
    def two_theta_deg(self) -> Float[Tensor, "n"]:
        """Scattering angles of the pattern's values [n], degrees."""
        if self.instrument.axis.kind == "two_theta":
            return self.grid
        return scattering_angle_deg(self.grid, self.instrument.wavelength_angstrom)

    @cached_property
    def constants(self) -> SimulatorConstants:
        """Constants as the compiled loops take them, on the CPU."""
        sampling, layout = sampling_of(self.instrument, self.dtype)
        return SimulatorConstants(
            form_factors=self._form_factors,
            optics=self.instrument.optics(self.b_iso),
            width=self.instrument.width_constants,
            sampling=sampling,
            layout=layout,
        )

    def reflections(
        self, lattice: Float[Tensor, "batch 6"], reach: float = 1.0, allow_empty: bool = False
    ) -> Reflections:
        """Return reflection lists for these cells, complete for cells stretched by up to `reach`.

        Raises:
            CellError: for a cell that does not close, has more reflections than memory holds or, unless that is
                allowed, shows none.
        """
        longest = reach * self.instrument.max_reciprocal_length
        refuse_size(lattice.detach(), len(self.occupancy), longest, self.hkl_max)
        return enumerate_reflections(
            lattice.detach(), self.instrument.max_reciprocal_length, reach, self.hkl_max, allow_empty
        )

    def geometrical(self, reflections: Reflections, frac_coords: Float[Tensor, "batch sites 3"]) -> GeometricalFactors:
        """Return the geometrical structure factors, which are constant while only the cell moves."""
        return geometrical_structure_factors(reflections.hkl, frac_coords, self.occupancy)

    def cell_factors(self, lattice: Float[Tensor, "batch 6"], reflections: Reflections) -> CellFactors:
        """Return what the cell alone decides about every reflection of the lists."""
        return cell_factors(lattice, reflections, self.instrument, self.form_factor_table, self.b_iso)

    def peaks(
        self, lattice: Float[Tensor, "batch 6"], reflections: Reflections, geometrical: GeometricalFactors
    ) -> Peaks:
        """Return centre, height and width of every reflection of the lists; height 0 for those outside the range."""
        return reflection_peaks(self.cell_factors(lattice, reflections), geometrical)

    def patterns(
        self, lattice: Float[Tensor, "batch 6"], reflections: Reflections, geometrical: GeometricalFactors
    ) -> Float[Tensor, "batch n"]:
        """Return patterns from prepared lists and factors, without checks: the inner loop of a descent."""
        if compiles(lattice, geometrical):
            peaks = compiled_peaks(lattice, reflections, geometrical, self.constants)
        else:
            peaks = self.peaks(lattice, reflections, geometrical)
        return peaks_to_pattern(peaks.centre, peaks.height, peaks.fwhm, self.instrument)

    def __call__(
        self,
        lattice: Float[Tensor, "batch 6"],
        frac_coords: Float[Tensor, "batch sites 3"],
        reflections: Reflections | None = None,
    ) -> Float[Tensor, "batch n"]:
        """Return powder patterns, differentiable in both arguments.

        Args:
            lattice: lattice parameters, angstrom and degrees.
            frac_coords: fractional coordinates, sites in the order of the structure given at the start.
            reflections: lists to use; made for these cells if left out.

        Returns:
            Intensities at the values of `grid`, on the scale of `|F|^2` in electrons^2 times Lorentz-polarisation.

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


def reflection_table(crystal: CrystalLike, instrument: Instrument | None = None) -> "pd.DataFrame":
    """Return the reflections of a crystal for the strongest emission line, as pymatgen's `XRDCalculator` lists them.

    Reflections whose angles round to the same multiple of 1e-5 deg are one row: their intensities are added, and
    h, k, l name one of them. Rows below 1e-3, where the strongest has 100, are left out.

    Returns:
        A DataFrame in the order of the angles, with the columns h, k, l, multiplicity, d_angstrom, two_theta_deg (the
        true scattering angle) and intensity (maximum 100).
    """
    # Half a second to import, which a pattern alone need not wait for.
    import pandas as pd

    structure = structure_of(crystal)
    simulator = Simulator(structure, _for_table(instrument or Instrument()))
    lattice, frac_coords = to_tensors([structure])
    reflections = simulator.reflections(lattice)
    peaks = simulator.peaks(lattice, reflections, simulator.geometrical(reflections, frac_coords))
    hkl = reflections.hkl[0].numpy().astype(int)
    frame = pd.DataFrame(hkl, columns=["h", "k", "l"])
    frame["multiplicity"] = reflections.multiplicity[0].numpy().astype(int)
    frame["two_theta_deg"] = peaks.centre[0].numpy()
    frame["intensity"] = peaks.height[0].numpy()
    frame["row"] = np.round(frame["two_theta_deg"] / SAME_ANGLE_DEG)
    # A row is named after its member with the fewest minus signs, then the largest indices: (1, 1, 0), not (2, -1, 0).
    frame["minus_signs"] = (hkl < 0).sum(1)
    frame = frame.sort_values(["row", "minus_signs", "h", "k", "l"], ascending=[True, True, False, False, False])
    table = frame.groupby("row").agg(
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
    return table[table["intensity"] >= WEAKEST_ROW].reset_index(drop=True)


def _for_table(instrument: Instrument) -> Instrument:
    """Return the instrument with its strongest emission line alone, its range as one of true scattering angles."""
    low = max(0.0, instrument.two_theta_min_deg - instrument.zero_deg)
    high = instrument.two_theta_max_deg - instrument.zero_deg
    alone = replace(instrument.radiation, lines=instrument.radiation.lines[:1])
    return replace(instrument, radiation=alone, axis=Axis("two_theta", low, high, high - low), zero_deg=0.0)
