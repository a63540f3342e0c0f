"""A crystal of the user's own: what is read, what is refused and how, and that the experiment is the study's."""

import re
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from crystals import DATA, carried
from pymatgen.core import Lattice, Structure

from xrdscape.book.pages import Book
from xrdscape.book.parameters import chapter_parameters
from xrdscape.crystal.families import FAMILIES, project
from xrdscape.crystal.structures import load_structure
from xrdscape.errors import XrdscapeError
from xrdscape.figures import case_figure, user_slices_figure
from xrdscape.landscape.ascents import ascents
from xrdscape.landscape.minima import minima_by_share, prominent_minima
from xrdscape.landscape.slices import Slice
from xrdscape.optimisation.graduated import Narrowing
from xrdscape.optimisation.methods import METHODS
from xrdscape.optimisation.objectives import OBJECTIVES
from xrdscape.optimisation.search import search
from xrdscape.paths import REFERENCE_NAMES
from xrdscape.study.jobs import DescentJob
from xrdscape.study.plan import load_plan
from xrdscape.study.problems import problem_of
from xrdscape.tables.user_crystal import (
    ascents_table,
    cases_table,
    change_table,
    facts_table,
    minima_table,
    recovery_table,
    roughness_sentence,
    settings_text,
    ways_text,
)
from xrdscape.tables.words import number_text
from xrdscape.user_crystal.experiment import (
    APPROACHES,
    PAIRS,
    STUDY_RATES,
    Experiment,
    distorted,
    ends_on,
    expected_time,
    experiment_records,
    family_slices,
    records_by_method,
    user_crystal,
)
from xrdscape.user_crystal.outcomes import best_and_worst, best_and_worst_case, changes, match_counts

# Reading


def test_a_file_goes_by_its_name_wherever_it_lies(tmp_path: Path) -> None:
    copied = tmp_path / "salt.cif"
    copied.write_text((DATA / "NaCl.cif").read_text())
    own = user_crystal(copied)
    assert (own.name, own.space_group, own.number, own.family) == ("salt.cif", "Fm-3m", 225, "cubic")
    assert own.remark == ""
    one, other = (distorted(crystal, Experiment(copies=1)) for crystal in (own, user_crystal(str(copied.resolve()))))
    assert np.array_equal(one[0].lattice.matrix, other[0].lattice.matrix)


@pytest.mark.parametrize("name", REFERENCE_NAMES)
def test_the_ten_are_taken_as_they_are(name: str) -> None:
    own = user_crystal(name)
    assert own.name == name
    assert own.remark == ""
    assert own.reference == load_structure(name)


def test_a_primitive_cell_becomes_the_conventional_one(tmp_path: Path) -> None:
    primitive = tmp_path / "POSCAR"
    carried("NaCl").get_primitive_structure().to(filename=str(primitive), fmt="poscar")
    own = user_crystal(primitive)
    assert len(own.reference) == 8
    assert own.family == "cubic"
    assert numbers(own.remark) == [2, 8], "atoms of the cell in the file, and of the one that is used"


def test_facts_are_those_of_the_crystal() -> None:
    facts = facts_table(user_crystal(DATA / "NaCl.cif"), lines=7).set_index("Property")["Value"]
    assert facts["Formula"] == "NaCl"
    assert facts["Space group"] == "Fm-3m (no. 225)"
    assert facts["Atoms in the cell"] == "8"
    assert facts["Cell: α, β, γ (deg)"] == "90, 90, 90"
    assert facts["Lines up to 2θ = 90°"] == "7"


# Refusing


def test_shared_sites_are_refused_with_advice(tmp_path: Path) -> None:
    alloy = tmp_path / "alloy.cif"
    Structure(Lattice.cubic(3.6), [{"Cu": 0.5, "Au": 0.5}], [[0, 0, 0]]).to(filename=str(alloy))
    with pytest.raises(XrdscapeError, match=r"alloy\.cif has 1 sites.*Au.*give an ordered model.*xrdscape simulate"):
        user_crystal(alloy)


def test_what_is_no_crystal_is_refused(tmp_path: Path) -> None:
    with pytest.raises(XrdscapeError, match=r"no structure named or file called 'none\.cif'.*U2Ti"):
        user_crystal("none.cif")
    broken = tmp_path / "broken.cif"
    broken.write_text("data_x\n_cell_length_a banana\n")
    with pytest.raises(XrdscapeError, match=r"broken\.cif has no atom sites\. Give a complete CIF"):
        user_crystal(broken)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"objective": "rietveld"}, "unknown objective 'rietveld': choose one of cosine, mse, entropy, cross_corr"),
        ({"noise": "thermal"}, "unknown noise 'thermal': choose 'lattice' or 'coordinates'"),
        ({"noise": "coordinates", "project_family": True}, "set project_family to False"),
        ({"copies": 0}, "needs copies >= 1.*Received 0, 4000 and 0"),
        ({"max_steps": 0}, "needs copies >= 1, max_steps >= 1"),
        ({"learning_rate": -1.0}, "learning_rate above 0"),
        ({"method": "rietveld"}, "unknown method 'rietveld': choose 'recommended' or 'published'"),
        ({"blur_deg": 0.0}, "set blur_deg above 0, or method to 'published'"),
    ],
)
def test_an_impossible_experiment_is_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(XrdscapeError, match=message):
        Experiment(**wrong)  # type: ignore[arg-type]


def test_a_level_out_of_range_is_refused_before_anything_is_computed() -> None:
    own = user_crystal("U2Ti")
    with pytest.raises(XrdscapeError, match=r"level 0\.4 is outside \[0, 1/3\)"):
        distorted(own, Experiment(level=0.4))
    with pytest.raises(XrdscapeError, match=r"level -1\.0 is not a standard deviation"):
        distorted(own, Experiment(noise="coordinates", level=-1.0))


@pytest.mark.parametrize("wrong", [{"grid": 2}, {"length_span": 1.0}, {"angle_span_deg": 0.0}])
def test_an_impossible_map_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(XrdscapeError, match="a map needs grid >= 3, length_span between 0 and 1"):
        family_slices(user_crystal("U2Ti"), OBJECTIVES["cosine"], **wrong)  # type: ignore[arg-type]


# Slices


def test_every_family_has_slices_over_what_it_leaves_free_and_then_over_what_it_fixes() -> None:
    assert set(PAIRS) == set(FAMILIES)
    cell = torch.tensor([4.0, 5.0, 6.0, 80.0, 85.0, 95.0], dtype=torch.float64)
    names = ("a", "b", "c", "alpha", "beta", "gamma")
    for family, pairs in PAIRS.items():
        kept = project(cell, family) == cell
        fixed = {name for name, same in zip(names, kept.tolist(), strict=True) if not same and name not in "abc"}
        assert not set(pairs[0]) & fixed, family
        assert set(pairs[-1]) & fixed or family == "triclinic", family


def test_slices_have_the_reference_at_their_lowest() -> None:
    slices = family_slices(user_crystal("U2Ti"), OBJECTIVES["entropy"], grid=5, progress=False)
    assert [(s.x_name, s.y_name) for s in slices] == list(PAIRS["hexagonal"])
    assert all(s.label == "Entropy loss" and np.nanmin(s.value) == s.value[2, 2] for s in slices)


def bowl(bump: float, scale: float = 1.0) -> Slice:
    """|x| + |y| over a = b, with a local minimum behind this barrier on the axis of x."""
    axis = np.linspace(-3, 3, 7)
    value = np.abs(axis)[None] + np.abs(axis)[:, None]
    value[3, 5] += bump
    value[2:5, 5] = np.maximum(value[2:5, 5], value[3, 5])
    return Slice("X", "a", "b", 5 + axis, 5 + axis, scale * value, (5.0, 5.0), "loss")


def test_ascents_are_those_of_the_lines() -> None:
    found = ascents([bowl(0.0), bowl(9.0)]).set_index("line")
    assert list(found.index) == ["a = b", "a alone", "b alone"]
    assert found["ascent"].tolist() == [0, 0, 0], "a line counts where it occurs first"
    assert found["depth"].tolist() == [6, 3, 3]
    uphill = ascents([bowl(3.0)]).set_index("line")
    # From the right it goes from 3 up to 5, from the left nowhere up: the mean of 2 and 0.
    assert uphill.loc["a alone"].tolist() == [1.0, 5.0, 0.2]


def test_local_minima_count_by_the_range_of_their_map() -> None:
    for scale in (1.0, 0.001):
        landscape = bowl(3.0, scale)
        assert len(prominent_minima(landscape, 0.9)) == 0
        told = minima_by_share([landscape], 0.01)
        assert told["slice"].tolist() == ["a, b"]
        assert told["prominent"].tolist() == [len(prominent_minima(landscape, 0.01))]


# The experiment


def numbers(text: str) -> list[float]:
    """Every number that a text gives, in order."""
    return [float(number) for number in re.findall(r"\d+(?:\.\d+)?(?:e-?\d+)?", text)]


def test_rates_are_those_of_the_study() -> None:
    plan = load_plan("study")
    for noise, rates in (("lattice", plan.lattice_learning_rate), ("coordinates", plan.coordinate_learning_rate)):
        assert isinstance(rates, dict)
        assert set(rates.values()) == {STUDY_RATES[noise]}
        assert Experiment(noise=noise).rate == STUDY_RATES[noise]
    assert Experiment(learning_rate=0.5).rate == 0.5


@pytest.mark.parametrize(
    ("method", "chosen"),
    [
        ("cosine_constrained", {"project_family": True}),
        ("mse", {"objective": "mse"}),
        ("entropy", {"objective": "entropy", "noise": "coordinates", "level": 0.01}),
    ],
)
def test_the_experiment_is_that_of_the_study(method: str, chosen: dict[str, object]) -> None:
    own = user_crystal("U2Ti")
    experiment = Experiment(copies=2, max_steps=40, method="published", **chosen)  # type: ignore[arg-type]
    records = experiment_records(own, experiment, distorted(own, experiment), progress=False)
    job = DescentJob("U2Ti", experiment.noise, method, (experiment.level,), copies=2, seed=0, max_steps=40,
                     check_every=1000, tolerance=1e-4, learning_rate=experiment.rate)  # fmt: skip
    study = job.compute()
    shared = [name for name in records.columns if name not in ("method",)]
    pd.testing.assert_frame_equal(records[shared], study[shared], check_dtype=False)


def test_the_defaults_of_the_chapter_are_those_of_the_experiment() -> None:
    declared = {name: p.default for name, p in chapter_parameters("own-crystal", Book()).items()}
    for name, default in asdict(Experiment()).items():
        assert declared[name] == default, name
    assert Experiment().blur_deg == Narrowing.widest_deg


@pytest.mark.parametrize(
    ("name", "chosen"),
    [
        ("graduated", {}),
        ("graduated_family", {"project_family": True}),
        ("adam", {"noise": "coordinates", "level": 0.05}),
        ("adam_entropy", {"noise": "coordinates", "level": 0.05, "objective": "entropy"}),
    ],
)
def test_the_recommended_method_is_one_of_the_methods(name: str, chosen: dict[str, object]) -> None:
    """With nothing else chosen; and its records are what that method finds."""
    own, experiment = user_crystal("U2Ti"), Experiment(copies=2, **chosen)  # type: ignore[arg-type]
    assert experiment.settings == METHODS[name]
    starts = distorted(own, experiment)
    records = experiment_records(own, experiment, starts, progress=False)
    found = search(METHODS[name], problem_of(own.reference, family=own.family), starts, [np.random.default_rng(0)] * 2)
    assert np.allclose(np.stack(records["end_lattice"]), [model.lattice.parameters for model in found.refined])
    assert (records["steps"] <= experiment.steps).all()


def test_choices_reach_the_method() -> None:
    chosen = Experiment(objective="entropy", blur_deg=0.1).settings
    assert chosen is not None
    assert (chosen.objective, chosen.narrowing.widest_deg, chosen.narrowing.narrowest_deg) == ("entropy", 0.1, 0.1)
    atoms = Experiment(objective="mse", noise="coordinates", level=0.01).settings
    assert atoms is not None
    assert (atoms.objective, atoms.narrowing.stages) == ("mse", 0)
    assert Experiment(method="published").settings is None


def test_both_methods_start_from_the_same_copies_and_the_recommended_one_solves_more() -> None:
    own, experiment = user_crystal("U2Ti"), Experiment(copies=3, max_steps=30)
    starts = distorted(own, experiment)
    found = records_by_method(own, experiment, starts, progress=False)
    assert tuple(found) == APPROACHES
    begun = [name for name in found["published"] if name.endswith("_start") or name.startswith("start_")]
    pd.testing.assert_frame_equal(found["published"][begun], found["recommended"][begun])
    assert found["recommended"]["match_tight_end"].all()
    rates = recovery_table(match_counts(found)).set_index("Criterion").loc["Tight"]
    assert list(rates.index) == ["Before the descent", "After it, recommended", "After it, published"]
    assert rates["After it, recommended"].startswith("3 of 3: ")
    assert rates["After it, published"].startswith(f"{found['published']['match_tight_end'].sum()} of 3: ")
    ends = change_table(changes(found, "cosine")).set_index("Measure").loc["EMD (Å)"]
    for method in APPROACHES:
        assert ends[f"After it, {method}"].startswith(number_text(found[method]["emd_end"].median()))


@pytest.mark.parametrize("chosen", [{"blur_deg": 5.0}, {"noise": "coordinates"}])
def test_captions_give_the_numbers_by_which_each_method_descends(chosen: dict[str, object]) -> None:
    """Whichever method the experiment is by: steps of both, the blur or the rate of the recommended one."""
    experiment = Experiment(max_steps=30, **chosen)  # type: ignore[arg-type]
    text = ways_text(experiment)
    assert text == ways_text(replace(experiment, method="published"))
    recommended, method = replace(experiment, method="recommended"), experiment.settings
    assert method is not None
    first = experiment.blur_deg if method.narrowing.stages else method.narrowing.rate
    assert numbers(text) == [recommended.steps, first, 30, experiment.rate]


@pytest.fixture(scope="module")
def small() -> tuple[object, Experiment, pd.DataFrame]:
    own, experiment = user_crystal("U2Ti"), Experiment(level=0.05, copies=3, max_steps=30, method="published")
    return own, experiment, experiment_records(own, experiment, distorted(own, experiment), progress=False)


def test_tables_tell_what_the_records_hold(small: tuple) -> None:
    own, experiment, records = small
    found = {"published": records}
    assert list(change_table(changes(found, "entropy"))["Measure"]) == ["Entropy", "Cosine", "EMD (Å)"]
    assert list(change_table(changes(found, "cosine"))["Measure"]) == ["Cosine", "EMD (Å)"]
    told = best_and_worst(records)
    assert told["emd_end"].tolist() == [records["emd_end"].min(), records["emd_end"].max()]
    cases = cases_table(told, "cosine")
    assert [case.partition(" (")[0] for case in cases["Case"]] == ["best", "best", "worst", "worst"]
    assert numbers(settings_text(experiment)) == [experiment.copies, experiment.level, experiment.seed]
    models = best_and_worst_case(own, records).models
    assert [model.label for model in models][:2] == ["Truth", "Best, before"]
    assert len(case_figure(best_and_worst_case(own, records)).axes) == 10


def test_maps_are_drawn_with_and_without_ends(small: tuple) -> None:
    own, experiment, records = small
    slices = family_slices(own, experiment.descended, grid=5, progress=False)
    minima = [prominent_minima(landscape, 0.01) for landscape in slices]
    ends = ends_on(slices, own, records)
    assert [len(end) for end in ends] == [3, 3, 3]
    none = ends_on(slices, own, records.assign(noise="coordinates"))
    assert [len(end) for end in none] == [0, 0, 0]
    for drawn, labels in ((ends, 4), (none, 2)):
        figure = user_slices_figure(slices, minima, drawn)
        assert len(figure.legends[0].get_texts()) == labels
    counted, lines = minima_by_share(slices, 0.01), ascents(slices)
    assert numbers(roughness_sentence(counted, lines))[:2] == [3, counted["prominent"].sum()]
    assert len(minima_table(minima_by_share(slices, 0.01))) == 3
    assert "Line" in ascents_table(ascents(slices))


def test_the_expected_time_is_told_at_once(small: tuple, capsys: pytest.CaptureFixture[str]) -> None:
    own, experiment, _ = small
    expected = expected_time(own, experiment, distorted(own, experiment), grid=5)
    assert len(numbers(expected)) == 2, "of the maps, and of the descents"
    assert expected in capsys.readouterr().err
