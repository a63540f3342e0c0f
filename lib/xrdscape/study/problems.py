"""Problems made from reference structures: the one place where a solver's task is drawn up from its answer."""

import torch
from pymatgen.core import Structure

from xrdscape.crystal.contents import Contents
from xrdscape.crystal.families import Family
from xrdscape.crystal.structures import to_tensors
from xrdscape.crystal.symmetry import Symmetry, unwrapped
from xrdscape.diffraction.instrument import PAPER_INSTRUMENT, Instrument
from xrdscape.diffraction.pattern import Simulator
from xrdscape.optimisation.problem import Problem


def problem_of(
    reference: Structure,
    instrument: Instrument | None = None,
    hkl_max: int | None = None,
    family: Family | None = None,
    symmetry: Symmetry | None = None,
    target: torch.Tensor | None = None,
) -> Problem:
    """Return the problem of finding a reference structure from its pattern.

    Args:
        reference: the crystal whose pattern is the target; only its contents go into the problem beside that.
        instrument: that records the pattern; the paper's if left out.
        hkl_max: largest |h|, |k|, |l| of the reflections in it.
        family, symmetry: what the solver may know.
        target: another pattern [n] of this crystal, one with an artefact, say.
    """
    instrument = instrument or PAPER_INSTRUMENT
    if target is None:
        # In float64: rounding the cell would move its peaks.
        target = Simulator(reference, instrument, hkl_max=hkl_max)(*to_tensors([reference]))[0]
    return Problem(target, instrument, Contents.of(reference), None, family, symmetry, hkl_max)


def beside(reference: Structure, start: Structure) -> Structure:
    """Return a starting model with each site in the cell that the reference structure has it in.

    A symmetry found in the reference structure counts sites in those cells; to a pattern it makes no difference.
    """
    coords = unwrapped(start.frac_coords, reference.frac_coords)
    return Structure(start.lattice, start.species_and_occu, coords)
