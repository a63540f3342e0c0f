"""The pattern of a crystal."""

from pymatgen.core import Structure

from xrdscape.crystal.structures import CrystalLike, crystal_of, structure_of, to_tensors
from xrdscape.diffraction.instrument import Instrument
from xrdscape.diffraction.pattern import Simulator
from xrdscape.patterns.pattern import Pattern


def simulate(crystal: CrystalLike, instrument: Instrument | None = None, b_iso: float = 0.0) -> Pattern:
    """Return the powder pattern of one crystal, computed in float64.

    Intensities are on the scale of `|F|²` in electrons² times the Lorentz-polarisation factor.

    >>> from xrdscape import Instrument, simulate
    >>> pattern = simulate("U2Ti", Instrument(wavelength_angstrom=0.7093, step_deg=0.02))
    >>> round(float(pattern.two_theta_deg[pattern.intensity.argmax()]), 2)
    17.04

    Args:
        crystal: a structure, the path of a CIF or POSCAR file, or the name of a reference structure. Sites may be
            partially occupied.
        instrument: if left out, that of the paper with published form factors.
        b_iso: overall B_iso of all atoms, angstrom².

    Raises:
        StructureError, CellError: for a crystal that cannot be simulated.
    """
    told: tuple[str, ...] = ()
    if not isinstance(crystal, Structure):
        read = crystal_of(crystal)
        crystal, told = read.structure, (f"The crystal: {read.summary}.", *read.remarks)
    structure = structure_of(crystal)
    simulator = Simulator(structure, instrument or Instrument(), b_iso=b_iso)
    intensity = simulator(*to_tensors([structure]))[0].numpy()
    cell = " ".join(f"{value:.6g}" for value in structure.lattice.parameters)
    return Pattern(
        simulator.two_theta_deg.numpy(),
        intensity,
        radiation=simulator.instrument.radiation,
        profile=simulator.instrument.profile,
        has_background=False,
        origin=f"{structure.composition.reduced_formula}, {len(structure)} sites",
        remarks=(f"The pattern was simulated for the cell {cell} (Å, °).", *told),
        q_inv_angstrom=simulator.grid.numpy() if simulator.instrument.axis.kind == "q" else None,
    )
