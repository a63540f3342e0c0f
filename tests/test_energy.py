"""CHGNet on two small cells: energies, both relaxations, refusals and breakdowns."""

import numpy as np
import pytest
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor
from tolerances import ENERGY, RELAXED_ENERGY, SINGLE_PRECISION_ENERGY

from xrdscape.crystal.structures import load_structure
from xrdscape.errors import EnergyError
from xrdscape.evaluation.matching import matches
from xrdscape.optimisation.energy import _calculator, _model, energies, relax
from xrdscape.study.starts import start


def test_energies_are_per_atom_and_batching_changes_nothing():
    cell = load_structure("U2Ti")
    several = [cell, cell * (2, 1, 1), load_structure("NaS")]
    together = energies(several)
    np.testing.assert_allclose(together, energies(several, batch=1), atol=ENERGY)
    np.testing.assert_allclose(together[0], together[1], atol=ENERGY)
    np.testing.assert_allclose(energies([cell]), together[:1], atol=ENERGY)
    assert energies([]).shape == (0,)


def test_one_pass_gives_the_forces_and_stress_of_chgnet():
    from chgnet.model import CHGNetCalculator

    for noise in ("lattice", "coordinates"):
        ours = AseAtomsAdaptor.get_atoms(start("BPO4", noise, 0.05, 0), msonable=False)
        theirs = ours.copy()
        ours.calc, theirs.calc = _calculator(stress=True), CHGNetCalculator(_model(), use_device="cpu")
        assert ours.get_potential_energy() == pytest.approx(theirs.get_potential_energy(), rel=SINGLE_PRECISION_ENERGY)
        for quantity in ("get_forces", "get_stress"):
            expected = getattr(theirs, quantity)()
            bound = SINGLE_PRECISION_ENERGY * np.abs(expected).max()
            np.testing.assert_allclose(getattr(ours, quantity)(), expected, atol=bound, rtol=0)


@pytest.mark.parametrize("noise", ["lattice", "coordinates"])
def test_relaxation_recovers_a_small_distortion(noise):
    reference, begin = load_structure("NaS"), start("NaS", noise, 0.01, 0)
    seen = []
    result = relax(begin, noise, record=lambda step, structure, energy: seen.append((step, energy)))
    assert result.converged
    assert matches(reference, result.structure)
    assert result.energy_ev_per_atom < result.energy_start_ev_per_atom
    assert abs(result.energy_ev_per_atom - energies([reference])[0]) < RELAXED_ENERGY
    assert [step for step, _ in seen] == list(range(result.steps + 1))
    assert seen[0][1] == result.energy_start_ev_per_atom
    assert seen[-1][1] == result.energy_ev_per_atom
    if noise == "coordinates":
        np.testing.assert_array_equal(result.structure.lattice.matrix, begin.lattice.matrix)


def test_relaxation_is_quiet(capsys, recwarn):
    relax(start("U2Ti", "lattice", 0.05, 0), "lattice", max_steps=2)
    printed = capsys.readouterr()
    assert printed.out == printed.err == ""
    assert len(recwarn) == 0


def test_running_out_of_steps_is_reported():
    result = relax(start("U2Ti", "lattice", 0.1, 0), "lattice", max_steps=1)
    assert (result.converged, result.steps) == (False, 1)


def test_collapse_is_reported_not_raised():
    """Atoms almost on top of each other drive the cell apart beyond any sense."""
    reference = load_structure("U2Ti")
    begin = Structure(reference.lattice, reference.species, [[0, 0, 0], [0.01, 0, 0], [0, 0.01, 0]])
    result = relax(begin, "lattice", max_steps=30)
    assert not result.converged
    assert np.isfinite(result.structure.lattice.matrix).all()


def test_unsuitable_structures_are_refused():
    reference = load_structure("U2Ti")
    partial = reference.copy()
    partial.replace(0, {"U": 0.5})
    for call in (lambda s: relax(s, "lattice"), lambda s: energies([s])):
        with pytest.raises(EnergyError, match="partially occupied"):
            call(partial)
        with pytest.raises(EnergyError, match="not finite"):
            call(Structure(reference.lattice, reference.species, np.full((3, 3), np.nan)))


@pytest.mark.usefixtures("unchecked")
def test_another_noise_is_refused():
    with pytest.raises(EnergyError, match="unknown noise 'cell'"):
        relax(load_structure("U2Ti"), "cell")
