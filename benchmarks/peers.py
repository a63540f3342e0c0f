"""Other programs that simulate powder patterns, each driven the way its own documentation shows, on the same cells.

None of them takes a batch, so each is called for one cell after the other; what a program can prepare once for a cell
(reading it, symmetry, its list of reflections) is prepared before the clock starts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pymatgen.core import Structure
from torch import Tensor

from xrdscape.crystal.structures import load_structure, to_tensors
from xrdscape.diffraction.instrument import PAPER_INSTRUMENT
from xrdscape.diffraction.pattern import Simulator
from xrdscape.diffraction.peaks import peaks_to_pattern_reference
from xrdscape.optimisation.objectives import OBJECTIVES
from xrdscape.study.starts import start
from xrdscape.timing.measure import LATTICE_LEVEL

INSTRUMENT = PAPER_INSTRUMENT
FWHM_DEG = 0.35
"""Width of BraggCalculator's one-width Gaussian: about the width that this book's peaks have."""
LORENTZ_X_DEG, LORENTZ_Y_DEG, GAUSS_W_DEG2 = 0.27, 0.05, 0.0025
"""Widths of PhaseSmith's profile: nine tenths Lorentzian and 0.32 to 0.46 deg wide, much as this book's peaks."""

Pattern = NDArray[np.float64]


@dataclass(frozen=True)
class Prepared:
    """A peer ready for one cell: the call to be timed, and its pattern beside ours in its own profile."""

    call: Callable[[], Any]
    theirs: Pattern
    ours: Pattern


@dataclass(frozen=True)
class Peer:
    """One peer.

    Args:
        contender: its name in the record.
        label: its name in figures and tables.
        package: that has to be installed.
        computes: what one call computes.
        compared: how its pattern is held against ours.
        bound: largest difference allowed between the two, relative to the maximum.
        prepare: makes it ready for a distorted cell and its true crystal.
    """

    contender: str
    label: str
    package: str
    computes: str
    compared: str
    bound: float
    prepare: Callable[[Structure, Structure], Prepared]

    @property
    def version(self) -> str | None:
        """Version of the installed package; None where it is not installed."""
        try:
            return version(self.package)
        except PackageNotFoundError:
            return None


def cells(crystal: str, batch: int) -> list[Structure]:
    """Return the same distorted copies that the engine is timed on."""
    reference = load_structure(crystal)
    return [start(crystal, "lattice", LATTICE_LEVEL, copy, 0, reference) for copy in range(batch)]


def difference(prepared: Prepared) -> float:
    """Return the largest difference of the two patterns, each scaled to maximum 1."""
    theirs, ours = prepared.theirs / prepared.theirs.max(), prepared.ours / prepared.ours.max()
    return float(np.abs(theirs - ours).max())


def _our_peaks(structure: Structure) -> tuple[Tensor, Tensor, Tensor]:
    simulator = Simulator(structure)
    lattice, frac_coords = to_tensors([structure])
    reflections = simulator.reflections(lattice)
    return simulator.peaks(lattice, reflections, simulator.geometrical(reflections, frac_coords))


def _our_pattern(structure: Structure) -> Pattern:
    return Simulator(structure)(*to_tensors([structure]))[0].numpy()


def _sticks(structure: Structure, calculator: Any) -> Prepared:
    """Prepare a program that ends at a list of lines: both lists are drawn with this book's profile."""

    def call() -> Any:
        return calculator.get_pattern(structure, two_theta_range=(0.0, INSTRUMENT.two_theta_max_deg))

    lines = call()
    centre, height = (torch.tensor(np.array(values, dtype=float))[None] for values in (lines.x, lines.y))
    grid = Simulator(structure).two_theta_deg
    width = INSTRUMENT.fwhm_deg(centre)
    drawn = peaks_to_pattern_reference(centre, height, width, grid, INSTRUMENT.eta)[0].numpy()
    return Prepared(call, drawn, _our_pattern(structure))


def prepare_pymatgen(structure: Structure, reference: Structure) -> Prepared:
    """Prepare pymatgen's XRDCalculator."""
    from pymatgen.analysis.diffraction.xrd import XRDCalculator

    return _sticks(structure, XRDCalculator(wavelength=INSTRUMENT.wavelength_angstrom))


def prepare_xrd_rust(structure: Structure, reference: Structure) -> Prepared:
    """Prepare xrd-rust, a compiled stand-in for it."""
    from xrd_rust_calculator import XRDCalculatorRust

    return _sticks(structure, XRDCalculatorRust(wavelength=INSTRUMENT.wavelength_angstrom))


def prepare_braggcalculator(structure: Structure, reference: Structure) -> Prepared:
    """Prepare BraggCalculator on torch in float32, with its default profile, a Gaussian of one width."""
    from braggcalculator import BraggCalculator
    from braggcalculator.backends import TorchBackend
    from braggcalculator.profiles import GaussianProfile

    def loaded(crystal: Structure) -> Any:
        return BraggCalculator(
            wavelength=INSTRUMENT.wavelength_angstrom,
            two_theta_range=(0.0, INSTRUMENT.two_theta_max_deg),
            two_theta_step=INSTRUMENT.step_deg,
            q_range=(0.0, 1.0),
            profile=GaussianProfile(fwhm_deg=FWHM_DEG),
            backend=TorchBackend(device="cpu", dtype=torch.float32),
        ).load(crystal)

    target = loaded(reference).pattern()[1].detach()
    calculator = loaded(structure)
    parameters = calculator.tensor_parameters(requires_grad=["lattice"])

    def call() -> Any:
        _, pattern = calculator.pattern(parameters=parameters)
        loss = OBJECTIVES["cosine"].loss(pattern[None], target)
        return torch.autograd.grad(loss.sum(), parameters["lattice"])

    grid, theirs = calculator.pattern()
    centre, height, _ = _our_peaks(structure)
    ours = peaks_to_pattern_reference(centre, height, torch.full_like(centre, FWHM_DEG), grid.double(), 1.0)
    return Prepared(call, theirs.double().numpy(), ours[0].numpy())


def prepare_phasesmith(structure: Structure, reference: Structure, reach_fwhm: float) -> Prepared:
    """Prepare PhaseSmith's fused structural pattern, its tails followed to so many widths."""
    target = _phasesmith(reference, reach_fwhm).calculate().y
    model = _phasesmith(structure, reach_fwhm)
    scale = float(np.linalg.norm(target))

    def call() -> Any:
        pattern = model.calculate().y
        norm = float(np.linalg.norm(pattern))
        overlap = float(pattern @ target) / (norm * scale)
        return model.vjp(-(target / (norm * scale) - overlap / norm**2 * pattern)).gradient[:6]

    return Prepared(call, model.calculate().y, _our_peaks_in_phasesmiths_profile(structure))


def _phasesmith(structure: Structure, reach_fwhm: float) -> Any:
    import phasesmith as ps

    sites = [
        ps.AtomSite(f"s{i}{element}", f"s{i}", element.symbol, element.symbol, tuple(site.frac_coords), occupancy,
                    u_iso_angstrom2=0.0)
        for i, site in enumerate(structure)
        for element, occupancy in site.species.items()
    ]  # fmt: skip
    simulator = Simulator(structure)
    reflections = simulator.reflections(to_tensors([structure])[0])
    hkl = reflections.hkl[0].numpy().astype(np.int64)
    cell = ps.UnitCell(*structure.lattice.parameters)
    crystal = ps.CrystalStructure("crystal", "crystal", cell, ps.SpaceGroup.p1(), tuple(sites))
    phase = ps.RietveldPhase(
        "crystal",
        "crystal",
        crystal,
        ps.StructuralReflectionBatch([str(i) for i in range(len(hkl))], hkl, np.full(len(hkl), 2)),
        ps.XrayNonResonant(),
        ps.BraggBrentanoUnpolarizedLp(INSTRUMENT.wavelength_angstrom),
    )
    return ps.PreparedStructuralPattern(
        ps.PowderPattern(simulator.two_theta_deg.numpy()),
        ps.ConstantWavelengthExperiment.x_ray(_phasesmith_instrument()),
        phase,
        support_fwhm=reach_fwhm,
        execution=ps.ExecutionPolicy(threads=1),
    )


def _phasesmith_instrument() -> Any:
    import phasesmith as ps

    wavelength = INSTRUMENT.wavelength_angstrom
    return ps.ConstantWavelengthInstrument(wavelength, 0.0, 0.0, GAUSS_W_DEG2, LORENTZ_X_DEG, LORENTZ_Y_DEG)


def _our_peaks_in_phasesmiths_profile(structure: Structure) -> Pattern:
    """Return our reflections drawn with PhaseSmith's widths and mixing, areas instead of heights."""
    import phasesmith as ps

    centre, height, _ = _our_peaks(structure)
    shape = ps.cw_profile_parameters(centre[0].numpy(), _phasesmith_instrument())
    grid = Simulator(structure).two_theta_deg.numpy()
    offset = grid - centre[0].numpy()[:, None]
    width, lorentz = shape.total_fwhm_deg[:, None], shape.eta[:, None]
    u2 = (offset / width) ** 2
    profile = lorentz * 2 / np.pi / width / (1 + 4 * u2)
    profile += (1 - lorentz) * 2 / width * np.sqrt(np.log(2) / np.pi) * np.exp(-4 * np.log(2) * u2)
    return height[0].numpy() @ profile


SAME_LINES = "its lines and ours, drawn with this book's profile"
OWN_PROFILE = "its pattern, and our reflections drawn with its profile"
PEERS = (
    Peer("pymatgen", "pymatgen", "pymatgen", "a list of lines; no profile, no gradient",
         SAME_LINES, 1e-3, prepare_pymatgen),
    Peer("xrd_rust", "xrd-rust", "xrd-rust", "a list of lines; no profile, no gradient",
         SAME_LINES, 1e-3, prepare_xrd_rust),
    Peer("braggcalculator", "BraggCalculator", "braggcalculator",
         "cosine loss and its gradient in the lattice vectors; Gaussian of one width, float32",
         OWN_PROFILE, 1e-3, prepare_braggcalculator),
    Peer("phasesmith_cut", "PhaseSmith, tails cut", "phasesmith",
         "cosine loss and its gradient in lattice and coordinates; pseudo-Voigt up to 20 widths (its default), float64",
         f"{OWN_PROFILE}; its form factors are another table", 0.03,
         lambda structure, reference: prepare_phasesmith(structure, reference, 20.0)),
    Peer("phasesmith", "PhaseSmith, whole tails", "phasesmith",
         "cosine loss and its gradient in lattice and coordinates; pseudo-Voigt, float64",
         f"{OWN_PROFILE}; its form factors are another table", 0.03,
         lambda structure, reference: prepare_phasesmith(structure, reference, 400.0)),
)  # fmt: skip
