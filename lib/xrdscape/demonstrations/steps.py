"""Single steps of the way from a crystal to the gradient of its pattern, as numbers that the first chapter draws."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pymatgen.core import Structure
from pymatgen.util.coord import pbc_diff

from xrdscape.crystal.structures import to_tensors
from xrdscape.diffraction.form_factors import form_factors
from xrdscape.diffraction.instrument import PAPER_INSTRUMENT, Instrument
from xrdscape.diffraction.lorentz_polarisation import lorentz_polarisation
from xrdscape.diffraction.pattern import Simulator, reflection_table
from xrdscape.diffraction.peaks import peaks_to_pattern_reference
from xrdscape.diffraction.profile import pseudo_voigt
from xrdscape.diffraction.reflections import Reflections
from xrdscape.errors import CellError
from xrdscape.landscape.slices import PARAMETER_NAMES
from xrdscape.optimisation.objectives import OBJECTIVES
from xrdscape.patterns.pattern import Pattern


def structure_factor_terms(
    structure: Structure, hkl: Sequence[tuple[int, int, int]], instrument: Instrument | None = None
) -> pd.DataFrame:
    """Return the terms that each atom of the cell adds to chosen structure factors; the sum over a reflection's rows is
    F.

    Args:
        structure: its sites must be ordered, one element a site.

    Returns:
        DataFrame, one row a reflection and site, atoms of an element together: hkl, symbol, real, imaginary
        (electrons).

    Source: eq:structure-factor of the simulator chapter.
    """
    frames = []
    # One atom alone in the cell has the structure factor that is its own term of the sum.
    for site in sorted(structure, key=lambda site: site.specie.symbol):
        alone = Structure.from_sites([site])
        simulator = Simulator(alone, instrument)
        lattice, frac_coords = to_tensors([alone])
        indices = torch.tensor([hkl], dtype=torch.float64)
        once = torch.ones_like(indices[..., 0])
        real, imaginary = simulator.geometrical(Reflections(indices, once, lattice, reach=1.0), frac_coords)
        s_squared = torch.tensor([[1 / (2 * structure.lattice.d_hkl(index)) ** 2 for index in hkl]])
        factors = form_factors(s_squared.double(), simulator.form_factor_table)
        parts = [(factors * part).sum(-2)[0].numpy() for part in (real, imaginary)]
        frames.append(
            pd.DataFrame({"hkl": list(hkl), "symbol": site.specie.symbol, "real": parts[0], "imaginary": parts[1]})
        )
    return pd.concat(frames, ignore_index=True)


def part_way(structure: Structure, other: Structure, share: float) -> Structure:
    """Return the crystal whose atoms have gone a share of the shortest way to those of another in the same cell."""
    moves = pbc_diff(other.frac_coords, structure.frac_coords)
    return Structure(structure.lattice, structure.species_and_occu, structure.frac_coords + share * moves)


def line_by_line(
    structure: Structure, instrument: Instrument | None = None
) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """Return the lines of a pattern before they are added up.

    Returns:
        The reflection table with the columns squares (the sum of |F|^2 over the members of a line, maximum 100) and
        lorentz_polarisation, and the peak of each line on the grid [lines, n], heights as in the table's intensity.

    Source: eq:pattern of the simulator chapter.
    """
    instrument = instrument or PAPER_INSTRUMENT
    table = reflection_table(structure, instrument)
    angle = torch.tensor(table["two_theta_deg"].to_numpy(copy=True))
    factor = lorentz_polarisation(torch.sin(torch.deg2rad(angle / 2)) ** 2).numpy()
    squares = table["intensity"] / factor
    offset = Simulator(structure, instrument).two_theta_deg - angle[:, None]
    shapes = pseudo_voigt(offset, instrument.fwhm_deg(angle)[:, None], instrument.eta)
    peaks = table["intensity"].to_numpy()[:, None] * shapes.numpy()
    return table.assign(squares=100 * squares / squares.max(), lorentz_polarisation=factor), peaks


def pattern_change(
    structure: Structure, parameter: str, strain: float, instrument: Instrument | None = None
) -> pd.DataFrame:
    """Return the change of the pattern of a strained cell with a lattice parameter, and what that does to the cosine
    loss.

    Args:
        structure: the reference structure, whose pattern is the target.
        parameter: the lattice parameter that is off and is differentiated.
        strain: relative error of that parameter.

    Returns:
        DataFrame over the grid: two_theta_deg, target and pattern (maximum 1), and per unit of the parameter and on the
        pattern's scale the parts of its derivative that come from moving, heights and widths of peaks; pull, the
        derivative of the loss in each value; running, the sum of pull times change up to here, whose last value is the
        derivative of the loss.

    Source: eq:pattern-gradient, eq:angle-derivative and eq:loss-gradient of the simulator chapter.
    """
    simulator = Simulator(structure, instrument)
    reference, frac_coords = to_tensors([structure])
    direction = torch.zeros_like(reference)
    direction[0, PARAMETER_NAMES.index(parameter)] = 1.0
    lattice = reference + strain * reference * direction
    reflections = simulator.reflections(lattice)
    geometrical = simulator.geometrical(reflections, frac_coords)

    def of_cell(cell: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(simulator.peaks(cell, reflections, geometrical))

    peaks = of_cell(lattice)
    slopes = torch.func.jvp(of_cell, (lattice,), (direction,))[1]
    zero = [torch.zeros_like(slope) for slope in slopes]

    def pattern(centre: torch.Tensor, height: torch.Tensor, fwhm: torch.Tensor) -> torch.Tensor:
        return peaks_to_pattern_reference(centre, height, fwhm, simulator.two_theta_deg, simulator.instrument.eta)

    parts = [
        torch.func.jvp(pattern, peaks, tuple(slopes[i] if i == only else zero[i] for i in range(3)))[1][0]
        for only in range(3)
    ]
    target = simulator(reference, frac_coords)[0]
    here = pattern(*peaks).requires_grad_()
    (pull,) = torch.autograd.grad(OBJECTIVES["cosine"].loss(here, target).sum(), here)
    scale = float(here.detach().max())
    running = torch.cumsum(pull[0] * sum(parts), 0)
    columns = {
        "two_theta_deg": simulator.two_theta_deg, "target": target / target.max(), "pattern": here[0] / scale,
        "moving": parts[0] / scale, "heights": parts[1] / scale, "widths": parts[2] / scale,
        "pull": pull[0] * scale, "running": running,
    }  # fmt: skip
    return pd.DataFrame({name: column.detach().numpy() for name, column in columns.items()})


def stretched_patterns(
    structure: Structure, strain: Sequence[float], instrument: Instrument | None = None
) -> list[Pattern]:
    """Return the patterns of a cell whose lengths are all stretched by 1 + strain.

    Raises:
        CellError: a strain of -1 or below leaves no cell.
    """
    if min(strain) <= -1:
        raise CellError("strain must be above -1: a cell needs positive lengths.")
    simulator = Simulator(structure, instrument)
    lattice, frac_coords = to_tensors([structure])
    patterns = []
    for value in strain:
        stretch = torch.tensor([[1 + value] * 3 + [1.0] * 3], dtype=torch.float64)
        intensity = simulator(lattice * stretch, frac_coords)[0]
        patterns.append(Pattern(simulator.two_theta_deg.numpy(), intensity.numpy()))
    return patterns
