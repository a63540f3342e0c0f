"""Relaxation and energies with CHGNet, for comparison. No other module imports chgnet or ase.

Both are imported when first used: they take seconds, and most of the project does without them.
"""

import contextlib
import io
import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor

from xrdscape.crystal.distortion import Noise
from xrdscape.errors import EnergyError
from xrdscape.optimisation.joint import Potential
from xrdscape.runtime.extras import needs

FMAX_EV_PER_ANGSTROM = 0.02
"""Largest force at which a relaxation counts as converged (SI 1.4)."""

MAX_STEPS = 500
"""Steps of a relaxation at most, where nothing else is asked for; the paper names no limit."""

VOLUME_RATIO_LIMITS = (0.2, 5.0)
"""A relaxation whose volume leaves this range, relative to its start, has exploded or collapsed: it is
stopped, for neighbour lists of a collapsing cell grow without bound."""


@dataclass(frozen=True)
class Relaxation:
    """The outcome of one relaxation.

    Attributes:
        structure: last structure with finite energy and sensible volume.
        energy_ev_per_atom: its energy, that of a further potential included.
        energy_start_ev_per_atom: energy of the start; nan if the model has none for it.
        steps: BFGS steps taken.
        converged: whether the largest force fell below fmax.
        seconds: wall time.
    """

    structure: Structure
    energy_ev_per_atom: float
    energy_start_ev_per_atom: float
    steps: int
    converged: bool
    seconds: float


def relax(
    structure: Structure,
    noise: Noise,
    fmax: float = FMAX_EV_PER_ANGSTROM,
    max_steps: int = MAX_STEPS,
    record: Callable[[int, Structure, float], None] | None = None,
    other: Potential | None = None,
) -> Relaxation:
    """Relax a distorted structure as published: BFGS on what the noise has disturbed.

    Args:
        structure: the start; it is not changed.
        noise: "lattice" relaxes cell and atoms together (FrechetCellFilter), "coordinates" the atoms in a
            fixed cell.
        fmax: stop when the largest force is smaller, in eV/angstrom; for the cell the filter's generalised
            force.
        max_steps: stop after as many steps.
        record: called as record(step, structure, energy in eV/atom) at the start and after every step.
        other: a potential of the atoms to be added to CHGNet's, for a fixed cell.

    Returns:
        The outcome. A relaxation that explodes, or that the model breaks down on, is reported with converged
        False, not raised.

    Raises:
        EnergyError: unknown noise, partial occupancy, a start that is not finite, or a further potential where the
            cell moves.

    Source: SI 1.4; Deng et al., Nature Machine Intelligence 5, 1031 (2023).
    """
    if noise not in get_args(Noise):
        raise EnergyError(f"unknown noise {noise!r}: choose 'lattice' or 'coordinates'.")
    if other is not None and noise == "lattice":
        raise EnergyError("a further potential gives forces and no stress: relax 'coordinates' with it.")
    _refuse_unsuitable(structure)
    with needs("energies"):
        from ase.filters import FrechetCellFilter
        from ase.optimize import BFGS
        from threadpoolctl import threadpool_limits

    begin = time.perf_counter()
    atoms = AseAtomsAdaptor.get_atoms(structure, msonable=False)
    atoms.calc = _calculator(stress=noise == "lattice")
    if other is not None:
        atoms.calc = _sum(atoms.calc, other)
    path: list[tuple[Structure, float]] = []
    steps, converged = 0, False
    # One thread: matrices are small, and waiting for a second one takes longer than the work.
    with _quiet(), threadpool_limits(1), contextlib.suppress(*_BREAKDOWNS):
        moved: Any = FrechetCellFilter(atoms) if noise == "lattice" else atoms
        optimizer = BFGS(moved, logfile=None)
        for done in optimizer.irun(fmax=fmax, steps=max_steps):
            energy = float(atoms.get_potential_energy()) / len(atoms)
            if not _is_sensible(energy, atoms, structure.volume):
                break
            current = Structure(atoms.cell.array, structure.species_and_occu, atoms.get_scaled_positions())
            path = [*path[:1], (current, energy)]
            steps, converged = optimizer.nsteps, bool(done)
            if record is not None:
                record(steps, current, energy)
    final, energy = path[-1] if path else (structure.copy(), math.nan)
    start_energy = path[0][1] if path else math.nan
    return Relaxation(final, energy, start_energy, steps, converged, time.perf_counter() - begin)


def energies(structures: Sequence[Structure], batch: int = 16) -> NDArray[np.float64]:
    """Return CHGNet energies of structures as they are.

    Args:
        structures: fully occupied, finite.
        batch: structures evaluated together; changes nothing but time and memory.

    Returns:
        Energies [n] in eV/atom.

    Raises:
        EnergyError: partial occupancy, or a structure that is not finite.
    """
    for structure in structures:
        _refuse_unsuitable(structure)
    if not structures:
        return np.empty(0)
    with _quiet():
        predicted = _model().predict_structure(list(structures), task="e", batch_size=batch)
    if isinstance(predicted, dict):  # a single structure comes back bare
        predicted = [predicted]
    return np.array([float(one["e"]) for one in predicted])


_BREAKDOWNS = (ValueError, RuntimeError, ArithmeticError, np.linalg.LinAlgError)
"""The errors that ase, torch and the neighbour search raise on a cell gone wild."""


@lru_cache
def _calculator(stress: bool) -> Any:
    """Return a calculator of energy, forces and, if asked for, stress.

    CHGNet's own takes forces and stress from two backward passes that could be differentiated again, as training needs.
    Here both come from one plain pass to the fractional coordinates f and the lattice L (vectors as rows), E(f, L):
    force = -dE/df L^-T, stress = L^T dE/dL / V.
    """
    with _quiet(), needs("energies"):
        import torch
        from ase.calculators.calculator import Calculator, all_changes
        from chgnet.model import CHGNetCalculator

        class OnePass(CHGNetCalculator):
            # The last argument is CHGNet's: which parts of all this to compute.
            def calculate(
                self, atoms: Any = None, properties: Any = None, system_changes: Any = all_changes, task: Any = None
            ) -> None:
                Calculator.calculate(self, atoms, properties, system_changes)
                graph = self.model.graph_converter(AseAtomsAdaptor.get_structure(atoms))
                moving = [graph.atom_frac_coord.requires_grad_()]
                if stress:
                    moving.append(graph.lattice.requires_grad_())
                energy = self.model([graph], task="e")["e"] * len(atoms)  # the model's is per atom
                slopes = [slope.double().numpy() for slope in torch.autograd.grad(energy.sum(), moving)]
                lattice = atoms.cell.array
                self.results |= {"energy": energy.item(), "free_energy": energy.item()}
                self.results["forces"] = -np.linalg.solve(lattice, slopes[0].T).T
                if stress:
                    self.results["stress"] = lattice.T @ slopes[1] / atoms.get_volume()

        return OnePass(_model(), use_device="cpu", on_isolated_atoms="ignore")


def _sum(calculator: Any, other: Potential) -> Any:
    """Return a calculator of two potentials together."""
    with needs("energies"):
        from ase.calculators.calculator import Calculator, all_changes
        from ase.calculators.mixing import SumCalculator

    class Other(Calculator):
        implemented_properties = ["energy", "forces"]  # noqa: RUF012 - as ase declares it

        def calculate(self, atoms: Any = None, properties: Any = None, system_changes: Any = all_changes) -> None:
            super().calculate(atoms, properties, system_changes)
            energy, slope = other(atoms.get_scaled_positions(wrap=False))
            self.results = {"energy": energy, "forces": -np.linalg.solve(atoms.cell.array, slope.T).T}

    return SumCalculator([calculator, Other()])


@lru_cache(maxsize=1)
def _model() -> Any:
    """Return the pretrained model on the CPU; its weights come with the package."""
    with needs("energies"):
        from chgnet.model import CHGNet

    model = CHGNet.load(verbose=False, use_device="cpu")
    # Forces need no gradient of the weights, and without it they come a little faster.
    return model.requires_grad_(False).eval()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the model's prints and the libraries' warnings to themselves."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def _is_sensible(energy: float, atoms: Any, start_volume: float) -> bool:
    low, high = VOLUME_RATIO_LIMITS
    return bool(
        math.isfinite(energy) and np.isfinite(atoms.positions).all() and low < atoms.get_volume() / start_volume < high
    )


def _refuse_unsuitable(structure: Structure) -> None:
    if not structure.is_ordered:
        raise EnergyError(
            f"{structure.composition.reduced_formula} has partially occupied sites, and the energy model "
            "knows whole atoms only: use an ordered approximant."
        )
    finite = np.isfinite(structure.lattice.matrix).all() and np.isfinite(structure.frac_coords).all()
    if not finite or structure.volume <= 0:
        raise EnergyError(
            f"{structure.composition.reduced_formula} has a cell or coordinates that are not finite, or no "
            "volume: the energy model needs a real geometry."
        )
