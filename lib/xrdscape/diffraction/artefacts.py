"""Artefacts of measured patterns, one at a time and by size: a target that is no longer the pattern which the simulator
would give for the reference structure.

Whatever depends on the reflections starts from the crystal, whatever acts on counts from its pattern; all in float64.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float
from pymatgen.core import Structure
from torch import Tensor

from xrdscape.crystal.cell import reciprocal_metric
from xrdscape.crystal.families import Family
from xrdscape.crystal.structures import to_tensors
from xrdscape.diffraction.instrument import Instrument
from xrdscape.diffraction.pattern import Peaks, Simulator
from xrdscape.diffraction.peaks import peaks_to_pattern
from xrdscape.diffraction.reflections import Reflections
from xrdscape.errors import XrdscapeError

ArtefactName = Literal["none", "counts", "background", "zero_shift", "width", "texture", "impurity", "family"]
NONE: Literal["none"] = "none"
"""Name of the pattern as simulated."""
FAMILY: Literal["family"] = "family"
"""Name of a wrong crystal family, which is no artefact of the pattern but of what is taken for known."""


@dataclass(frozen=True)
class Artefact:
    """One way in which a target can be wrong.

    Args:
        label: its name in figures and tables.
        size_label: what its size is, with unit.
        absent: the size at which nothing is wrong.
        sizes: those that are tried, from none outwards.
        middling: a size to show.
        wording: a size within a sentence.
    """

    label: str
    size_label: str
    absent: float
    sizes: tuple[float, ...]
    middling: float
    wording: str


ARTEFACTS: Mapping[ArtefactName, Artefact] = MappingProxyType(
    {
        "counts": Artefact(
            "Counting noise",
            "Counts at the maximum",
            math.inf,
            (1e5, 1e4, 1e3, 100, 30, 10, 3),
            100,
            "{} counts at the maximum",
        ),
        "background": Artefact(
            "Background",
            "Its maximum / that of the peaks",
            0,
            (0.02, 0.05, 0.1, 0.2, 0.5, 1),
            0.2,
            "{} of the peaks' maximum",
        ),
        "zero_shift": Artefact("Zero shift", "Shift of 2θ (deg)", 0, (0.02, 0.05, 0.1, 0.2, 0.3, 0.5), 0.3, "{}°"),
        "width": Artefact(
            "Wrong peak width",
            "Target's FWHM / simulator's",
            1,
            (0.85, 0.7, 0.5, 1.2, 1.5, 2, 3),
            2,
            "{} times the width",
        ),
        "texture": Artefact(
            "Preferred orientation", "March-Dollase r", 1, (0.9, 0.8, 0.7, 0.5, 0.4, 0.3), 0.5, "r = {}"
        ),
        "impurity": Artefact(
            "Impurity", "Share of the intensity", 0, (0.05, 0.1, 0.2, 0.3, 0.4, 0.5), 0.3, "{} of the intensity"
        ),
        FAMILY: Artefact(
            "Wrong crystal family",
            "Free cell parameters, error",
            0,
            (1, 2, 3, 4, 5, -1, -2, -3),
            1,
            "{} free cell parameters",
        ),
    }
)
"""Artefacts by name."""

FAMILIES_BY_ERROR: Mapping[Family, Mapping[int, Family]] = MappingProxyType(
    {
        "cubic": {1: "tetragonal", 2: "orthorhombic", 3: "monoclinic", 5: "triclinic"},
        "hexagonal": {-2: "cubic", -1: "tetragonal", 4: "triclinic"},
        "tetragonal": {-1: "cubic", 1: "orthorhombic", 2: "monoclinic", 4: "triclinic"},
        "monoclinic": {-3: "cubic", -2: "tetragonal", -1: "orthorhombic", 2: "triclinic"},
    }
)
"""Wrong families by the right one and the size of the error.

Above 0 the family allows the reference's cell and leaves so many parameters free that the right one fixes; below 0 it
forbids that cell, by so many of its constraints. Families in the same conventional axes alone: a hexagonal cell, say,
is a monoclinic one only in other axes. Nothing is orthorhombic among the ten crystals.
"""

TEXTURE_AXIS = (0, 0, 1)
"""Plates on (001): the plane that lies flat, whatever the crystal."""

# Scattered by a sample holder of glass: the first halo of amorphous silica stands at 1.5 inverse angstrom, 21.3 deg for
# copper's K-alpha, and is about 9 deg wide. Air scatters the more, the lower the angle, down to where a beam stop ends
# it.
HALO_DEG, HALO_FWHM_DEG, BEAM_STOP_DEG = 21.3, 9.0, 5.0


def counted(pattern: Float[Tensor, "n"], most: float, rng: np.random.Generator) -> Float[Tensor, "n"]:
    """Return the counts of a detector in place of the pattern: Poisson numbers.

    Args:
        pattern: expected intensities, 0 or more.
        most: counts expected at the maximum, above 0; infinity leaves the pattern as it is.
        rng: source of randomness.
    """
    _demand(most > 0, "counts at the maximum", "above 0", most)
    if math.isinf(most):
        return pattern
    expected = (pattern * (most / pattern.max())).clamp(min=0)
    return torch.from_numpy(rng.poisson(expected.numpy()).astype(float))


def background(two_theta_deg: Float[Tensor, "n"]) -> Float[Tensor, "n"]:
    """Return a smooth background of maximum 1: equal parts of a halo of glass and of a rise as 1/angle towards low
    angles.
    """
    halo = torch.exp(-4 * math.log(2) * ((two_theta_deg - HALO_DEG) / HALO_FWHM_DEG) ** 2)
    shape = halo + BEAM_STOP_DEG / two_theta_deg.clamp(min=BEAM_STOP_DEG)
    return shape / shape.max()


def with_background(pattern: Float[Tensor, "n"], two_theta_deg: Float[Tensor, "n"], share: float) -> Float[Tensor, "n"]:
    """Return a pattern on a background.

    Args:
        pattern, two_theta_deg: intensities and their angles.
        share: maximum of the background over that of the pattern, 0 or more.
    """
    _demand(share >= 0, "the share of a background", "0 or more", share)
    return pattern + share * pattern.max() * background(two_theta_deg)


def zero_shifted(reference: Structure, shift_deg: float, instrument: Instrument | None = None) -> Float[Tensor, "n"]:
    """Return the pattern of a crystal with every peak at too high an angle, as the zero of the instrument is off.

    Args:
        reference: the crystal.
        shift_deg: by how much, 0 or more: peaks from beyond the end of the range would be needed for less.
        instrument: the paper's if left out.
    """
    _demand(shift_deg >= 0, "a zero shift", "0 deg or more", shift_deg)
    simulator, _, peaks = _peaks(reference, instrument)
    return _drawn(simulator, peaks._replace(centre=peaks.centre + shift_deg))


def rewidened(reference: Structure, factor: float, instrument: Instrument | None = None) -> Float[Tensor, "n"]:
    """Return the pattern of a crystal with every peak's full width at half maximum times a factor above 0."""
    _demand(factor > 0, "a factor of widths", "above 0", factor)
    simulator, _, peaks = _peaks(reference, instrument)
    return _drawn(simulator, peaks._replace(fwhm=peaks.fwhm * factor))


def march_dollase(cosine: Float[Tensor, "*shape"], r: float) -> Float[Tensor, "*shape"]:
    """Return the weight of a reflection in a sample of oriented grains, of mean 1 over the sphere.

    W = (r^2 cos^2 + sin^2 / r)^(-3/2); eq:march-dollase of the chapter on artefacts.

    Args:
        cosine: of the angle between the reflection's plane and the one that grains prefer to lie on.
        r: 1 for no preference; below 1 for plates that lie flat, above 1 for needles.

    Source: Dollase, J. Appl. Cryst. 19, 267 (1986), eq. 4.
    """
    _demand(r > 0, "March and Dollase's r", "above 0", r)
    square = cosine**2
    return (r**2 * square + (1 - square) / r) ** -1.5


def textured(
    reference: Structure, r: float, axis: tuple[int, int, int] = TEXTURE_AXIS, instrument: Instrument | None = None
) -> Float[Tensor, "n"]:
    """Return the pattern of a crystal whose grains prefer to lie on one plane, in reflection geometry.

    Args:
        reference: the crystal.
        r: of `march_dollase`.
        axis: Miller indices of the plane. Each of the reflections that coincide in a line has its own weight, which
            averages over the planes that symmetry makes equivalent.
        instrument: the paper's if left out.
    """
    simulator, reflections, peaks = _peaks(reference, instrument)
    lattice, _ = to_tensors([reference])
    weights = march_dollase(_cosines(reflections, lattice, axis), r)
    return _drawn(simulator, peaks._replace(height=peaks.height * weights))


def with_impurity(pattern: Float[Tensor, "n"], other: Float[Tensor, "n"], share: float) -> Float[Tensor, "n"]:
    """Return the pattern of a mixture.

    Args:
        pattern, other: of the crystal and of the impurity.
        share: of the impurity in the intensity summed over all angles, at least 0 and below 1.
    """
    _demand(0 <= share < 1, "the share of an impurity", "at least 0 and below 1", share)
    return (1 - share) * pattern / pattern.sum() + share * other / other.sum()


def with_artefact(
    reference: Structure, artefact: ArtefactName, size: float, rng: np.random.Generator, impurity: Structure
) -> Tensor:
    """Return the pattern [n] of a crystal with one artefact of a size.

    Args:
        reference: the crystal.
        artefact: which one.
        size: see `ARTEFACTS`.
        rng: of counting noise.
        impurity: the other crystal of a mixture.

    Raises:
        XrdscapeError: for an unknown artefact or an impossible size.
    """
    if artefact == "zero_shift":
        return zero_shifted(reference, size)
    if artefact == "width":
        return rewidened(reference, size)
    if artefact == "texture":
        return textured(reference, size)
    simulator, _, peaks = _peaks(reference, None)
    pattern = _drawn(simulator, peaks)
    match artefact:
        case "counts":
            return counted(pattern, size, rng)
        case "background":
            return with_background(pattern, simulator.two_theta_deg, size)
        case "impurity":
            return with_impurity(pattern, Simulator(impurity)(*to_tensors([impurity]))[0], size)
        case "none" | "family":
            return pattern
        case _:
            raise XrdscapeError(f"Unknown artefact {artefact!r}. Use one of: {', '.join(get_args(ArtefactName))}.")


def wrong_family(family: Family, size: float) -> Family:
    """Return the family that is wrong by so much (see `FAMILIES_BY_ERROR`) for a crystal of another.

    Raises:
        XrdscapeError: there is no such family.
    """
    errors = FAMILIES_BY_ERROR.get(family, {})
    _demand(size in errors, f"the error in the family of a {family} crystal", f"one of {sorted(errors)}", size)
    return errors[int(size)]


def _peaks(reference: Structure, instrument: Instrument | None) -> tuple[Simulator, Reflections, Peaks]:
    simulator = Simulator(reference, instrument)
    lattice, frac_coords = to_tensors([reference])
    reflections = simulator.reflections(lattice)
    return (
        simulator,
        reflections,
        simulator.peaks(lattice, reflections, simulator.geometrical(reflections, frac_coords)),
    )


def _drawn(simulator: Simulator, peaks: Peaks) -> Tensor:
    return peaks_to_pattern(*peaks, simulator.instrument)[0]


def _cosines(reflections: Reflections, lattice: Tensor, axis: tuple[int, int, int]) -> Float[Tensor, "batch lines"]:
    """Return the cosines of the angles between the normals of reflecting planes and of the plane `axis`."""
    inverse = reciprocal_metric(lattice)[0]
    normal = torch.tensor(axis, dtype=inverse.dtype)
    hkl = reflections.hkl.to(inverse.dtype)
    lengths = torch.sqrt(torch.einsum("bmi,ij,bmj->bm", hkl, inverse, hkl) * (normal @ inverse @ normal))
    return hkl @ inverse @ normal / lengths


def _demand(holds: bool, what: str, how: str, received: float) -> None:
    if not holds:
        raise XrdscapeError(f"Impossible artefact: {what} must be {how}. Received {received:g}.")
