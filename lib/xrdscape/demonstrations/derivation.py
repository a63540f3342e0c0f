"""Small computations that show the simulator's equations at work: the numbers behind the first chapter."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pymatgen.analysis.diffraction.xrd import XRDCalculator
from pymatgen.core import Structure

from xrdscape.crystal.families import FAMILIES, project
from xrdscape.crystal.structures import load_structure, to_tensors
from xrdscape.diffraction.form_factors import form_factors
from xrdscape.diffraction.instrument import PAPER_INSTRUMENT, Instrument
from xrdscape.diffraction.pattern import Simulator, reflection_table
from xrdscape.diffraction.peaks import peaks_to_pattern_reference
from xrdscape.diffraction.reflections import Reflections
from xrdscape.errors import CellError
from xrdscape.landscape.slices import PARAMETER_NAMES
from xrdscape.optimisation.objectives import OBJECTIVES

EITHER_SIDE = 1e-9
"""Relative distance on either side of a crossing at which the loss is taken: far above the rounding of an angle (1e-15)
and far below any change of the smooth part that would show beside a jump."""
SAME_LINE_DEG = 1e-4
"""Lines of two programs that are nearer than this are one."""


def structure_factors(
    structure: Structure, hkl: Sequence[tuple[int, int, int]], instrument: Instrument | None = None
) -> pd.DataFrame:
    """Return the complex structure factors of chosen reflections, whether or not they are inside the pattern.

    Returns:
        DataFrame, one row a reflection: h, k, l, d_angstrom, real, imaginary, modulus_squared (electrons, squared).

    Source: eq:structure-factor of the simulator chapter.
    """
    simulator = Simulator(structure, instrument)
    lattice, frac_coords = to_tensors([structure])
    indices = torch.tensor([hkl], dtype=torch.float64)
    once = torch.ones_like(indices[..., 0])
    real, imaginary = simulator.geometrical(Reflections(indices, once, lattice, reach=1.0), frac_coords)
    d_angstrom = np.array([structure.lattice.d_hkl(index) for index in hkl])
    factors = form_factors(torch.from_numpy(1 / (2 * d_angstrom) ** 2)[None], simulator.form_factor_table)
    total = torch.complex((factors * real).sum(-2), (factors * imaginary).sum(-2))[0].numpy()
    frame = pd.DataFrame(list(hkl), columns=["h", "k", "l"])
    return frame.assign(
        d_angstrom=d_angstrom, real=total.real, imaginary=total.imag, modulus_squared=np.abs(total) ** 2
    )


def elements_of(names: Sequence[str]) -> list[str]:
    """Return the chemical symbols that occur in some structures, in alphabetical order."""
    return sorted({element.symbol for name in names for element in load_structure(name).elements})


def projections(structure: Structure) -> pd.DataFrame:
    """Return the cell of a structure under each of the six projectors.

    Returns:
        DataFrame: family (first "as given", then `FAMILIES`) and the six lattice parameters.

    Source: eq:projectors of the simulator chapter.
    """
    lattice, _ = to_tensors([structure])
    cells = {"as given": lattice[0]} | {family: project(lattice, family)[0] for family in FAMILIES}
    frame = pd.DataFrame([cell.tolist() for cell in cells.values()], columns=list(PARAMETER_NAMES))
    frame.insert(0, "family", list(cells))
    return frame


def pymatgen_lines(names: Sequence[str], instrument: Instrument | None = None) -> pd.DataFrame:
    """Return every line of these structures' reflection tables beside pymatgen's.

    Returns:
        DataFrame, one row a line of either program: structure, two_theta_deg, intensity (maximum 100),
        angle_difference_deg, intensity_difference (relative to the line), NaN where the other has no such line.
    """
    instrument = instrument or PAPER_INSTRUMENT
    calculator = XRDCalculator(wavelength=instrument.wavelength_angstrom)
    span = (instrument.two_theta_min_deg, instrument.two_theta_max_deg)
    frames = []
    for name in names:
        structure = load_structure(name)
        ours = reflection_table(structure, instrument)
        theirs = calculator.get_pattern(structure, two_theta_range=span)
        nearest = np.abs(np.subtract.outer(ours["two_theta_deg"].to_numpy(), theirs.x))
        place = nearest.argmin(1)
        paired = nearest.min(1) <= SAME_LINE_DEG
        pair = ours[["two_theta_deg", "intensity"]].assign(
            other_deg=np.where(paired, theirs.x[place], np.nan), other=np.where(paired, theirs.y[place], np.nan)
        )
        missing = np.setdiff1d(theirs.x, pair["other_deg"].dropna())
        pair = pd.concat([pair, pd.DataFrame({"two_theta_deg": missing, "intensity": np.nan})])
        pair.insert(0, "structure", name)
        frames.append(pair)
    lines = pd.concat(frames, ignore_index=True)
    lines["angle_difference_deg"] = (lines["two_theta_deg"] - lines["other_deg"]).abs()
    lines["intensity_difference"] = (lines["intensity"] / lines["other"] - 1).abs()
    return lines.drop(columns=["other_deg", "other"])


def pymatgen_agreement(lines: pd.DataFrame) -> pd.DataFrame:
    """Return the table of `pymatgen_lines` in one row a structure.

    Returns:
        DataFrame: structure, lines (found by both), unmatched (found by one alone), and the largest
        angle_difference_deg and intensity_difference.
    """
    grouped = lines.groupby("structure", sort=False)
    return pd.DataFrame(
        {
            "lines": grouped["angle_difference_deg"].count(),
            "unmatched": grouped["angle_difference_deg"].apply(lambda column: int(column.isna().sum())),
            "angle_difference_deg": grouped["angle_difference_deg"].max(),
            "intensity_difference": grouped["intensity_difference"].max(),
        }
    ).reset_index()


def isotropic_loss(structure: Structure, strain: NDArray[np.float64], instrument: Instrument) -> NDArray[np.float64]:
    """Return the cosine loss of a cell whose lengths are all stretched by 1 + strain, against the unstrained cell.

    Args:
        strain: relative change of the lengths, [n], each above -1.
        instrument: records both patterns.

    Returns:
        Loss [n].
    """
    if len(strain) == 0 or float(np.min(strain)) <= -1:
        raise CellError("strain must hold at least one value, each above -1: a cell needs positive lengths.")
    simulator = Simulator(structure, instrument)
    lattice, frac_coords = to_tensors([structure])
    target = simulator(lattice, frac_coords)[0]
    stretch = torch.ones(len(strain), 6, dtype=torch.float64)
    stretch[:, :3] += torch.from_numpy(np.asarray(strain, dtype=np.float64))[:, None]
    loss = OBJECTIVES["cosine"].loss
    cells = (lattice * stretch).split(128)
    return torch.cat([loss(simulator(c, frac_coords.expand(len(c), -1, -1)), target) for c in cells]).numpy()


def edge_crossings(structure: Structure, largest_strain: float, instrument: Instrument) -> pd.DataFrame:
    """Return the strains at which reflections cross the upper end of the range while the cell is stretched
    isotropically.

    A reflection of spacing d stands at the end when the cell is stretched by
    lambda / (2 d sin(end / 2)). The jump is the change of the cosine loss from just before the crossing to just
    after, in the direction of growing strain.

    Returns:
        DataFrame, ascending: strain (within +-largest_strain), d_angstrom (of the unstrained cell), jump.
    """
    simulator = Simulator(structure, instrument)
    lattice, _ = to_tensors([structure])
    hkl = simulator.reflections(lattice, reach=1 + largest_strain).hkl[0].numpy().astype(int)
    spacings = np.unique(np.round([structure.lattice.d_hkl(index) for index in hkl], 9))[::-1]
    half_end = np.radians(instrument.two_theta_max_deg / 2)
    strain = instrument.wavelength_angstrom / (2 * spacings * np.sin(half_end)) - 1
    inside = np.abs(strain) <= largest_strain
    strain, spacings = strain[inside], spacings[inside]
    either = np.concatenate([strain - 10 * EITHER_SIDE, strain + 10 * EITHER_SIDE])
    before, after = np.split(isotropic_loss(structure, either, instrument), 2)
    return pd.DataFrame({"strain": strain, "d_angstrom": spacings, "jump": after - before}).sort_values(
        "strain", ignore_index=True
    )


def pattern_derivative(
    structure: Structure, parameter: str, step: float = 1e-5, instrument: Instrument | None = None
) -> pd.DataFrame:
    """Return the derivative of the whole pattern in one lattice parameter, by differentiation and by central
    difference.

    The derivative goes forward through the plain definition of the pattern; the difference uses the compiled kernel.

    Returns:
        DataFrame: two_theta_deg, autograd, difference (intensity per angstrom or degree).
    """
    simulator = Simulator(structure, instrument)
    lattice, frac_coords = to_tensors([structure])
    reflections = simulator.reflections(lattice, reach=1.001)
    geometrical = simulator.geometrical(reflections, frac_coords)
    direction = torch.zeros_like(lattice)
    direction[0, PARAMETER_NAMES.index(parameter)] = 1.0

    def pattern(cell: torch.Tensor) -> torch.Tensor:
        peaks = simulator.peaks(cell, reflections, geometrical)
        return peaks_to_pattern_reference(*peaks, simulator.two_theta_deg, simulator.instrument.eta)

    slope = torch.func.jvp(pattern, (lattice,), (direction,))[1]
    ahead = simulator.patterns(lattice + step * direction, reflections, geometrical)
    behind = simulator.patterns(lattice - step * direction, reflections, geometrical)
    return pd.DataFrame(
        {
            "two_theta_deg": simulator.two_theta_deg.numpy(),
            "autograd": slope[0].numpy(),
            "difference": ((ahead - behind) / (2 * step))[0].numpy(),
        }
    )


def loss_derivative(
    structure: Structure,
    parameter: str,
    values: NDArray[np.float64],
    step: float = 1e-6,
    instrument: Instrument | None = None,
) -> pd.DataFrame:
    """Return the cosine loss and its derivative along one lattice parameter: backward mode, and central difference.

    Args:
        values: of the parameter, [n]; the others stay true.

    Returns:
        DataFrame: value, loss, autograd, difference (loss per angstrom or degree).
    """
    simulator = Simulator(structure, instrument)
    lattice, frac_coords = to_tensors([structure])
    index = PARAMETER_NAMES.index(parameter)
    target = simulator(lattice, frac_coords)[0]
    cells = lattice.repeat(len(values), 1)
    cells[:, index] = torch.from_numpy(np.asarray(values, dtype=np.float64))
    sites = frac_coords.expand(len(cells), -1, -1)
    direction = torch.zeros_like(lattice)
    direction[0, index] = step
    leaf = cells.clone().requires_grad_()
    loss = OBJECTIVES["cosine"].loss(simulator(leaf, sites), target)
    (gradient,) = torch.autograd.grad(loss.sum(), leaf)
    ahead, behind = (OBJECTIVES["cosine"].loss(simulator(cells + s * direction, sites), target) for s in (1, -1))
    return pd.DataFrame(
        {
            "value": values,
            "loss": loss.detach().numpy(),
            "autograd": gradient[:, index].numpy(),
            "difference": ((ahead - behind) / (2 * step)).numpy(),
        }
    )


def largest_gap(slopes: pd.DataFrame) -> float:
    """Return the largest difference between the two derivatives of a table, relative to the largest derivative."""
    return float((slopes["autograd"] - slopes["difference"]).abs().max() / slopes["autograd"].abs().max())
