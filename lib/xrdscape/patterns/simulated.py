"""The pattern of a crystal."""

from xrdscape.crystal.structures import Crystal, structure_of, to_tensors
from xrdscape.diffraction.instrument import Instrument
from xrdscape.diffraction.pattern import Simulator
from xrdscape.patterns.pattern import Pattern


def simulate(crystal: Crystal, instrument: Instrument | None = None, b_iso: float = 0.0) -> Pattern:
    """Return the powder pattern of one crystal, computed in float64.

    Intensities are on the scale of `|F|²` in electrons² times the Lorentz-polarisation factor.

    >>> from xrdscape import Instrument, simulate
    >>> pattern = simulate("U2Ti", Instrument(wavelength_angstrom=0.7093, step_deg=0.02))
    >>> round(float(pattern.two_theta_deg[pattern.intensity.argmax()]), 2)
    17.04

    Args:
        crystal: a structure, the path of a CIF or POSCAR file, or the name of a reference structure. Sites may be
            partially occupied.
        instrument: that of the paper if left out.
        b_iso: overall B_iso of all atoms, angstrom².

    Raises:
        StructureError, CellError: for a crystal that cannot be simulated.
    """
    structure = structure_of(crystal)
    simulator = Simulator(structure, instrument, b_iso=b_iso)
    intensity = simulator(*to_tensors([structure]))[0].numpy()
    cell = " ".join(f"{value:.6g}" for value in structure.lattice.parameters)
    return Pattern(
        simulator.two_theta_deg.numpy(),
        intensity,
        radiation=simulator.instrument.radiation,
        profile=simulator.instrument.profile,
        has_background=False,
        origin=f"{structure.composition.reduced_formula}, {len(structure)} sites",
        remarks=(f"The pattern was simulated for the cell {cell} (Å, °).",),
        q_inv_angstrom=simulator.grid.numpy() if simulator.instrument.axis.kind == "q" else None,
    )
