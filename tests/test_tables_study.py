"""Tables about how the study was made."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
from made_up import whole

from xrdscape.study.audit import audit
from xrdscape.study.outcomes import processors
from xrdscape.study.pilot import pilot_table
from xrdscape.study.plan import Plan, descent_jobs
from xrdscape.study.records import write
from xrdscape.study.sensitivity import choice_table
from xrdscape.study.store import Store
from xrdscape.tables.choices import open_choices
from xrdscape.tables.conduct import audit_table, learning_rates, processors_text
from xrdscape.tables.words import CHOICES

PLAN = Plan(
    structures=("U2Ti",),
    lattice_levels=(0.05,),
    coordinate_levels=(),
    copies=2,
    max_steps=20,
    lattice_learning_rate=(1e-3, 1e-2),
)


def test_machines_are_counted_copy_by_copy(tmp_path: Path) -> None:
    store = Store(tmp_path)
    entry = {"machine": {"processor": "A"}, "otherwise": {"copies": [1], "machine": {"processor": "B"}}}
    rows = pd.DataFrame({"shard": ["x", "x", "x", "y"], "copy": [0, 1, 2, 0]})
    write(tmp_path / "x.parquet", whole(rows[:3]), {"x": entry})
    assert processors_text(processors(rows, store)) == "2 on A, 1 on B, 1 on the machine that built this page"


def records(plan: Plan = PLAN) -> pd.DataFrame:
    return pd.concat([job.compute() for job in descent_jobs(plan)], ignore_index=True)


def test_every_rate_of_the_pilot_has_a_row_and_one_is_taken() -> None:
    table = learning_rates(pilot_table(records(replace(PLAN, coordinate_levels=(0.01,)))))
    assert list(table["Noise"]) == ["lattice"] * 10 + ["coordinates"] * 4
    lattice = table[table["Noise"] == "lattice"]
    assert lattice.groupby("Method")["Taken"].apply(lambda taken: (taken == "yes").sum()).eq(1).all()
    assert set(lattice["Learning rate"]) == {"0.001", "0.01"}


def test_a_choice_is_set_beside_the_studys() -> None:
    rows = records()
    slow, fast = rows[rows["learning_rate"] == 1e-3], rows[rows["learning_rate"] == 1e-2]
    table = open_choices(choice_table(fast, {"slower": slow}))
    named = [head for head in table["Choice"] if head]
    assert named == [f"{CHOICES['slower']}, {noise}" for noise in dict.fromkeys(rows["noise"])]
    before, after = (rows.loc[rows["method"] == "cosine", "match_conventional_end"].mean() for rows in (fast, slow))
    assert table.loc[0, "Matches, then otherwise (%)"] == f"{100 * before:.0f}, {100 * after:.0f}"
    assert (table["Starts"] == 2).all()
    assert table.loc[table["Method"] == "Cosine", "Own similarity"].iloc[0].startswith("−")


def test_records_made_again_are_a_table(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for job in descent_jobs(PLAN)[:1]:
        store.add(job, job.compute(), {})
    table = audit_table(list(audit(store, 2)))
    assert list(table["Outcome"]) == ["identical"] * 2
    assert (table["Steps then"] == table["Steps now"]).all()
