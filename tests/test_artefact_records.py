"""Recovery from patterns with artefacts: its jobs, its records, and what is read off them."""

import math
import re
from dataclasses import replace
from pathlib import Path

import matplotlib
import pandas as pd
import pytest
import torch
from made_up import TINY_JOB, whole

from xrdscape.book.pages import Book
from xrdscape.book.parameters import chapter_parameters
from xrdscape.crystal.structures import load_structure
from xrdscape.demonstrations.artefact_effects import (
    background_left,
    background_ratios,
    counting_likeness,
    descents_from_reference,
    kept_after_subtraction,
    middling_targets,
    total_counts,
)
from xrdscape.diffraction.artefacts import ARTEFACTS, FAMILY, NONE, ArtefactName
from xrdscape.errors import RecordError
from xrdscape.figures import artefacts_figure, tolerance_figure, use_style
from xrdscape.optimisation.graduated import Narrowing
from xrdscape.study.artefact_rates import (
    angle_departures,
    artefact_records,
    explained,
    free_cells,
    length_changes,
    rates_by_size,
    tolerated,
)
from xrdscape.study.audit import audit
from xrdscape.study.jobs import ArtefactJob, artefact_jobs, job_of
from xrdscape.study.jobs.artefact import COPIES
from xrdscape.study.starts import start
from xrdscape.study.store import Store
from xrdscape.tables.conduct import audit_text
from xrdscape.tables.harm import (
    background_text,
    explained_text,
    from_reference_table,
    kept_text,
    left_text,
    lengths_text,
    likeness_text,
    split_text,
    total_counts_text,
)
from xrdscape.tables.tolerance import (
    borne_text,
    broken_text,
    family_text,
    forbidden_text,
    misled_text,
    outcome_text,
    recovery_table,
    size_phrase,
    size_text,
    tolerated_table,
)

JOBS = artefact_jobs(("U2Ti",), copies=2)
SHORT = Narrowing(stages=2, steps=2, last_steps=3)


def quick(artefact: ArtefactName, size: float, projected: bool = False) -> ArtefactJob:
    found = (job for job in JOBS if (job.artefact, job.size, job.projected) == (artefact, size, projected))
    return replace(next(found), narrowing=SHORT)


@pytest.fixture(autouse=True)
def style():  # type: ignore[no-untyped-def]
    with matplotlib.rc_context():
        use_style()
        yield


def test_each_setting_is_one_job() -> None:
    assert len({job.key for job in JOBS}) == len(JOBS)
    for projected in (False, True):
        for name, artefact in ARTEFACTS.items():
            sizes = {job.size for job in JOBS if (job.artefact, job.projected) == (name, projected)}
            assert sizes == ({-2, -1, 4} if projected else set()) if name == FAMILY else set(artefact.sizes)
        assert sum((job.artefact, job.projected) == (NONE, projected) for job in JOBS) == 1
    assert all(job.starts == 2 and job.cost > 0 for job in JOBS)


def test_a_key_tells_artefact_size_and_narrowing() -> None:
    one = JOBS[0]
    others = [replace(one, artefact="width"), replace(one, size=2.0), replace(one, projected=True),
              replace(one, narrowing=SHORT)]  # fmt: skip
    assert len({job.key for job in (one, *others)}) == 5


def test_settings_come_back_from_a_file(tmp_path: Path) -> None:
    store, job = Store(tmp_path), quick("width", 2.0)
    for each in (job, TINY_JOB):
        store.add(each, whole(pd.DataFrame({"shard": [each.key]})), {})
    made = {key: job_of(entry["settings"]) for key, entry in store.provenance().items()}
    assert made == {job.key: job, TINY_JOB.key: TINY_JOB}


def test_records_hold_start_target_and_evaluation() -> None:
    rows = quick("zero_shift", 0.3, projected=True).compute()
    assert rows[["flaw", "flaw_size", "projected", "family"]].drop_duplicates().to_numpy().tolist() == [
        ["zero_shift", 0.3, True, "hexagonal"]
    ]
    begin = start("U2Ti", "lattice", 0.1, 1, 0, load_structure("U2Ti"))
    assert rows["start_lattice"][1] == pytest.approx(list(begin.lattice.parameters))
    assert {"match_tight_end", "match_conventional_start", "emd_end", "cosine_end"} <= set(rows)
    assert rows["end_lattice"][0][0] == pytest.approx(rows["end_lattice"][0][1])
    assert -1 < rows["truth_loss"][0] < -0.4
    sound = quick(NONE, 0.0).compute()
    assert sound["truth_loss"][0] == pytest.approx(-1, abs=1e-6)
    assert set(sound["family"]) == {"none"}


def test_a_wrong_family_is_projected_onto() -> None:
    rows = quick(FAMILY, -1.0, projected=True).compute()
    assert set(rows["family"]) == {"tetragonal"}
    assert rows["end_lattice"][0][5] == pytest.approx(90, abs=1e-4)


def test_targets_follow_from_the_seed() -> None:
    job = quick("counts", 30.0)
    assert torch.equal(job.target(), job.target())
    assert not torch.equal(job.target(), replace(job, seed=1).target())
    mixed = {name: replace(quick("impurity", 0.5), structure=name).target() for name in ("NdCoO3", "MnOF")}
    assert float(torch.cosine_similarity(*mixed.values(), dim=0)) < 0.9


def test_artefact_records_pass_the_audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, job = Store(tmp_path), quick("background", 0.2)
    store.add(job, job.compute(), {})
    assert {row["verdict"] for row in audit(store, 2)} == {"identical"}
    told = audit_text(list(audit(store, 1, 0)))
    assert re.findall(r"\d+", told) == ["1", "1"], "one was made again, and one is identical"
    monkeypatch.setattr("xrdscape.study.artefact_rates.store_of", lambda name: store)
    refusal = "No recoveries from patterns with artefacts are recorded for 3 copies and seed 5"
    with pytest.raises(RecordError, match=refusal):
        artefact_records(3, 5)


def made_up() -> pd.DataFrame:
    """Recovery of 1 up to the third size of each artefact, then of 1/4, failures misled; no family errs in vain."""
    rows = []
    for job in artefact_jobs(("U2Ti", "NdCoO3"), copies=2):
        place = 0 if job.artefact == NONE else 1 + ARTEFACTS[job.artefact].sizes.index(job.size)
        for copy in range(2):
            found = job.size > 0 if job.artefact == FAMILY else place <= 3
            found = found or (job.artefact != FAMILY and copy == 0 and job.structure == "U2Ti")
            rows.append(
                {
                    **{"structure": job.structure, "flaw": job.artefact, "flaw_size": job.size, "copy": copy},
                    **{"projected": job.projected, "match_tight_end": found, "match_conventional_end": True},
                    **{"truth_loss": -0.8, "end_loss": -0.5 if job.artefact == FAMILY else -0.9},
                    "end_lattice": [*load_structure(job.structure).lattice.abc, 90.0, 91.0, 90.0],
                }
            )
    return pd.DataFrame(rows)


def test_rates_and_what_is_borne() -> None:
    rates = rates_by_size(made_up())
    texture = rates[(rates["artefact"] == "texture") & ~rates["projected"]].set_index("size")
    assert list(texture.index) == [0.3, 0.4, 0.5, 0.7, 0.8, 0.9, 1.0]
    assert texture["rate"].tolist() == [0.25, 0.25, 0.25, 1, 1, 1, 1]
    assert texture["misled"].tolist() == [0.75, 0.75, 0.75, 0, 0, 0, 0]
    assert set(texture["without"]) == {1}
    families = rates[rates["artefact"] == FAMILY].set_index("size")
    assert set(families["projected"]) == {True}
    assert families["misled"].max() == 0
    assert families["trials"].to_dict() == {-2: 2, -1: 2, 0: 4, 1: 2, 2: 2, 3: 2, 4: 2, 5: 2}
    borne = tolerated(rates).set_index(["artefact", "side", "projected"])
    assert borne.loc[("texture", -1, False), ["holds", "breaks"]].tolist() == [0.7, 0.5]
    assert borne.loc[("width", 1, True), ["holds", "breaks"]].tolist() == [1, 1.2]
    assert math.isnan(borne.loc[("width", -1, True), "breaks"])
    assert borne.loc[(FAMILY, -1, True), ["holds", "breaks"]].tolist() == [0, -1]


def per_cents(text: str) -> list[float]:
    """Every share that a text gives in per cent, in order."""
    return [float(number) / 100 for number in re.findall(r"(\d+)\s%", text)]


def test_the_table_of_what_is_borne_gives_the_sizes_and_rates_of_the_records() -> None:
    rates = rates_by_size(made_up())
    borne, table = tolerated(rates).groupby(["artefact", "side"], sort=False), tolerated_table(tolerated(rates))
    assert len(table) == borne.ngroups
    for (_, row), ((name, _), sides) in zip(table.iterrows(), borne, strict=True):
        shown = dict(list(sides.groupby("projected")))
        for projected, way in ((False, "Free"), (True, "Family known")):
            for column, words in (("holds", "holds up to"), ("breaks", "breaks at")):
                text = row[f"{way}: {words}"]
                if projected not in shown:
                    assert not re.search(r"\d", text), "a family is wrong only where one is asked for"
                    continue
                size, rate = shown[projected][[column, f"{column}_rate"]].to_numpy()[0]
                assert per_cents(text) == ([] if math.isnan(size) else [rate])
                assert math.isnan(size) or text.startswith(size_text(name, size))
    assert len(recovery_table(rates)) == len(rates)


@pytest.mark.parametrize("projected", [False, True])
def test_sentences_give_the_rates_of_the_records(projected: bool) -> None:
    """What the descents come to at a size; where half of the recovery is gone; and up to where it is not."""
    rates = rates_by_size(made_up())
    for name, artefact in ARTEFACTS.items():
        for size in artefact.sizes if name != FAMILY else ():
            both = rates[(rates["artefact"] == name) & (rates["size"] == size)].sort_values("projected")
            lost = 1 - both["rate"] - both["misled"]
            expected = pd.DataFrame({"found": both["rate"], "misled": both["misled"], "lost": lost}).to_numpy()
            assert per_cents(outcome_text(rates, name, size)) == expected.ravel().tolist()
    found = tolerated(rates)
    found = found[(found["projected"] == projected) & (found["artefact"] != FAMILY)]
    broken, borne = broken_text(tolerated(rates), projected), borne_text(tolerated(rates), projected)
    for row in found.to_dict("records"):
        if not math.isnan(row["breaks"]):
            assert size_phrase(row["artefact"], row["breaks"]) in broken
        if row["holds"] != ARTEFACTS[row["artefact"]].absent:
            assert size_phrase(row["artefact"], row["holds"]) in borne
    assert len(borne.split(";")) == len(found)
    largest = rates[(rates["projected"] == projected) & (rates["artefact"] != FAMILY)].groupby("artefact", sort=False)
    at_the_largest = [group.set_index("size").loc[ARTEFACTS[name].sizes[-1]] for name, group in largest]
    shares = [share for row in at_the_largest for share in (row["misled"], 1 - row["rate"] - row["misled"])]
    assert per_cents(misled_text(rates, projected)) == shares


def test_sentences_about_families_and_lengths_give_the_numbers_of_the_records() -> None:
    records = made_up()
    rates = rates_by_size(records)
    assert re.findall(r"\d+", family_text(rates)) == ["10", "10", "1", "5"], "found, of all, fewest and most too many"
    # With the true family the truth explains the target best; with a wrong one nothing does better than 0.5.
    assert re.findall(r"0\.\d+", forbidden_text(rates)) == ["0.9000", "0.50", "0.50"]
    cubic = records[records["structure"] == "NdCoO3"]
    departures = [angle_departures(rows) for rows in (free_cells(cubic, "width", 2), free_cells(cubic, NONE, 0.0))]
    assert split_text(*departures, 2).count("1°") == 2, "gamma ends at 91°"
    assert re.findall(r"0\.\d+", explained_text(*explained(records, "texture", 0.3))) == ["0.80", "0.90"]
    told = lengths_text("zero_shift", length_changes(records, "zero_shift", (0.3, 0.5)))
    assert per_cents(told) == [0, 0, 0, 0]


def test_a_size_that_is_not_recorded_is_refused() -> None:
    with pytest.raises(RecordError, match=r"Zero shift of size 0.4 is not recorded. Use one of: 0.02, 0.05,"):
        outcome_text(rates_by_size(made_up()), "zero_shift", 0.4)


def test_reasons_follow_from_what_they_compute() -> None:
    ratio, twice = (float(background_text(background_ratios(share)).split()[0]) for share in (0.5, 1.0))
    assert twice == pytest.approx(2 * ratio, abs=0.1)
    counts, fewer = (total_counts_text(total_counts(most)).split(" to ") for most in (3000.0, 3.0))
    assert float(counts[0].replace(",", "")) == pytest.approx(1000 * float(fewer[0].replace(",", "")), rel=2e-3)
    told = likeness_text(counting_likeness(30, 20.0), 20.0)
    plain, smooth = (float(told.split()[place]) for place in (0, 4))
    assert plain < 0.96 < 0.999 < smooth
    left = left_text(background_left(0.1, 10_000))
    assert float(left.split(" % of its maximum")[0]) < 15


def test_what_the_estimate_leaves_of_a_background_leads_no_descent_away() -> None:
    some = ("U2Ti", "MnOF")
    told = [kept_text(kept_after_subtraction(share, 10_000, structures=some)) for share in (0.1, 0.5)]
    assert told == ["2 of 2", "2 of 2"]


def test_a_background_drives_a_wide_blur_from_the_reference_and_no_other() -> None:
    """What the chapter says in words."""
    found = descents_from_reference("background", 0.1, (20.0, 2.0, 0.0), structures=("U2Ti", "NdCoO3"))
    assert found.groupby("first_blur_deg")["tight"].sum().to_dict() == {0.0: 2, 2.0: 2, 20.0: 0}
    table = from_reference_table(found).set_index("First blur")
    assert table["Stay a tight match"].to_dict() == {"20°": "0 of 2", "2°": "2 of 2", "none": "2 of 2"}
    assert float(table.loc["20°", "Largest (%)"]) > 5
    sound = descents_from_reference(NONE, 0.0, (20.0,), structures=("U2Ti",))
    assert sound["tight"].all()
    assert sound["off"].max() < 1e-3


def test_the_chapter_asks_for_what_is_recorded() -> None:
    asked = {name: parameter.default for name, parameter in chapter_parameters("09-flaws", Book()).items()}
    assert asked["copies"] == COPIES
    for name, artefact in (("background_share", "background"), ("wide", "width"), ("few_counts", "counts")):
        assert asked[name] in ARTEFACTS[artefact].sizes


def test_each_artefact_has_a_panel_with_its_rates() -> None:
    rates = rates_by_size(made_up())
    figure = tolerance_figure(rates)
    figure.draw_without_rendering()
    panels = [ax for ax in figure.axes if ax.containers]
    assert len(panels) == len(ARTEFACTS)
    counts = panels[0].containers[0].lines[0]
    assert counts.get_ydata().tolist() == [1, 1, 1, 1, 0.25, 0.25, 0.25, 0.25]
    assert [text.get_text() for text in panels[0].get_xticklabels()][:2] == ["none", "100,000"]


def test_each_artefact_of_the_pattern_is_shown() -> None:
    targets = middling_targets("U2Ti")
    assert set(targets) == {NONE, *ARTEFACTS} - {FAMILY}
    assert all(pattern.intensity.max() == pytest.approx(1) for pattern in targets.values())
    figure = artefacts_figure(targets)
    figure.draw_without_rendering()
    assert [len(ax.lines) for ax in figure.axes] == [2] * 6
