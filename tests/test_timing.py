"""The benchmark: what it times is right, it times in turn, and its record says what was measured."""

import importlib
import json
import math
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import torch
from made_up_timing import BATCH, ROUNDS, made_up_record
from tolerances import KERNEL, ROUNDING

from xrdscape.crystal.structures import load_structure, to_tensors
from xrdscape.diffraction.instrument import Instrument
from xrdscape.diffraction.kernels import peaks_kernel
from xrdscape.diffraction.pattern import Simulator
from xrdscape.errors import DescentError, RecordError
from xrdscape.paths import ROOT
from xrdscape.runtime.threads import thread_count
from xrdscape.tables.engine import (
    coordinates_table,
    correctness_table,
    descent_sentence,
    edge_sentence,
    headline_table,
    live_table,
    peers_table,
    quoted_numbers,
    recorded_check,
    significant,
    work_table,
)
from xrdscape.timing import limit as timing_limit
from xrdscape.timing.check import (
    BOUNDS,
    EDGE_DEG,
    cell_pairs,
    check_engine,
    largest_errors,
    lattice_errors,
    require_correct,
)
from xrdscape.timing.limit import kernel_facts, operator_work, tail_bound
from xrdscape.timing.measure import (
    CONTENDERS,
    CRYSTALS,
    Task,
    coordinate_contenders,
    dense_patterns,
    engine_patterns,
    interleaved,
    lattice_contenders,
    loss_and_gradient,
    loss_through,
    make_case,
    parts,
)
from xrdscape.timing.record import (
    RECORD,
    SCHEMA_VERSION,
    headline,
    limit_table,
    live_record,
    load_record,
    median_ms,
    ratio,
    split_table,
    summary,
    write_record,
)

# Cases and contenders


def test_case_is_a_batch_of_the_studys_starts() -> None:
    case = make_case("U2Ti", 3)
    assert case.lattice.shape == (3, 6)
    assert case.lattice.dtype == case.target.dtype == torch.float32
    longer = make_case("U2Ti", 5)
    assert torch.equal(longer.lattice[:3], case.lattice)
    with pytest.raises(DescentError, match="batch of at least 1"):
        make_case("U2Ti", 0)


def test_dense_reference_and_engine_agree_in_float64() -> None:
    case = make_case("U2Ti", 2, torch.float64)
    dense = loss_through(case, dense_patterns)
    engine = engine_patterns(case, case.lattice), *loss_and_gradient(case)
    for found, expected in zip(engine, dense, strict=True):
        assert float((found - expected).abs().max() / expected.abs().max()) < KERNEL
    pieces = dense_patterns(case, case.lattice, at_a_time=1234)
    assert torch.allclose(pieces, dense.patterns, rtol=ROUNDING)


def test_dense_reference_stays_in_the_precision_of_the_case() -> None:
    assert dense_patterns(make_case("U2Ti", 1), make_case("U2Ti", 1).lattice).dtype == torch.float32


def test_every_contender_runs_and_has_a_label() -> None:
    calls = {**lattice_contenders("U2Ti", 1), **coordinate_contenders("U2Ti", 1), **parts("U2Ti", 1)}
    assert set(calls) == set(CONTENDERS) - {"compiled"}
    for call in calls.values():
        call()


# Timing in turn


def test_every_task_is_timed_once_a_round_in_changing_order() -> None:
    tasks = {name: Task(lambda: None) for name in "abcde"}
    keys = [key for key, _ in interleaved(tasks, rounds=8, long_enough_s=0)]
    rounds = [keys[k : k + 5] for k in range(0, 40, 5)]
    assert all(sorted(order) == list("abcde") for order in rounds)
    assert len({tuple(order) for order in rounds}) > 1
    assert keys == [key for key, _ in interleaved(tasks, rounds=8, long_enough_s=0)]


def test_quick_task_is_repeated_and_its_time_is_that_of_one_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that only the tasks move."""
    now, calls = 0.0, 0

    def lasts(seconds: float) -> None:
        nonlocal now, calls
        now, calls = now + seconds, calls + 1

    monkeypatch.setattr("time.perf_counter", lambda: now)
    tasks = {"quick": Task(lambda: lasts(0.0625), repeats=5), "slow": Task(lambda: lasts(2.0))}
    samples = interleaved(tasks, rounds=3, long_enough_s=1.0)
    assert sorted(samples) == [("quick", 0.0125)] * 3 + [("slow", 2.0)] * 3
    # Both are called twice at first; then the slow one once a sample, the quick one 16 times and once to warm up.
    assert calls == 2 + 2 + 3 + 3 * (1 + 16)


def test_threads_are_those_of_the_task_and_put_back_at_the_end() -> None:
    before, seen = thread_count(), set()
    for _ in interleaved({"x": Task(lambda: seen.add(thread_count()), threads=before + 1)}, 1, long_enough_s=0):
        pass
    assert seen == {before + 1}
    assert thread_count() == before


def test_interrupted_timing_puts_the_threads_back() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    before = thread_count()
    samples = interleaved({"quick": Task(lambda: None)}, rounds=3, long_enough_s=0)
    assert next(samples)[0] == "quick"
    samples = interleaved({"stop": Task(interrupt, threads=before + 1)}, rounds=3, long_enough_s=0)
    with pytest.raises(KeyboardInterrupt):
        next(samples)
    assert thread_count() == before


# Correct before fast


def test_engine_is_within_every_bound() -> None:
    table = largest_errors(pd.concat(check_engine(4, crystals=("U2Ti", "MnOF")), ignore_index=True))
    assert set(zip(table["path"], table["quantity"], strict=True)) == set(BOUNDS)
    assert (table["cells"] > 0).all()
    require_correct(table)


def test_wrong_engine_is_not_timed() -> None:
    table = pd.DataFrame([("float32", "loss", 5, 0, 1e-3, 3e-6, math.nan)], columns=[
        "path", "quantity", "cells", "near_edge", "largest", "bound", "near_edge_largest"])  # fmt: skip
    with pytest.raises(RecordError, match=r"not correct.*float32 loss 1.0e-03 [(]allowed 3e-06[)]. Nothing was timed"):
        require_correct(table)
    with pytest.raises(RecordError, match="float32 loss nan"):
        require_correct(table.assign(largest=math.nan))


def test_cell_with_a_reflection_at_the_edge_counts_apart() -> None:
    """U2Ti stretched so that one of its reflections stands at 90 deg, less half of what counts as near."""
    pair = next(cell_pairs("U2Ti", 2))
    simulator = Simulator(load_structure("U2Ti"))
    lattice, _ = to_tensors([load_structure("U2Ti")])
    centres = simulator.cell_factors(lattice, simulator.reflections(lattice)).centre[0]
    centre = math.radians(float(centres.max()) / 2)
    wanted = math.radians((90 - EDGE_DEG / 2) / 2)
    stretched = lattice.clone()
    stretched[:, :3] *= math.sin(centre) / math.sin(wanted)
    cells = torch.cat([stretched, lattice * torch.tensor([1.01] * 3 + [1] * 3)])
    lists = simulator.reflections(cells, 1.001)
    geometrical = simulator.geometrical(lists, pair.exact.frac_coords)
    case = replace(pair.exact, simulator=simulator, lattice=cells, reflections=lists, geometrical=geometrical)
    errors = lattice_errors(pair.__class__(case, case, 0.1))
    assert errors["near_edge"].tolist() == [True, False] * 2
    assert largest_errors(errors)["near_edge"].tolist() == [1] * 6


# The limit


def test_tails_are_interpolated_within_their_bound() -> None:
    """The kernel's nodes and weights, in float64, for a peak as near to a segment or block as it is interpolated in."""
    instrument, kind = Instrument(), np.dtype("float32")
    layout = peaks_kernel.layout(instrument.n_steps, kind)
    nodes, points = layout.to_points.shape
    half = 0.46 / instrument.step_deg / 2
    lengths = points, points * layout.to_segments.shape[1] // nodes
    inner = (layout.nodes[: layout.to_segments.shape[1]].astype(float) + 5) * points - 0.5
    for length, weights, x in (
        (lengths[0], layout.to_points, np.arange(points) + 5 * points),
        (lengths[1], layout.to_segments, inner - 5 * points + 5 * lengths[1]),
    ):
        at = (layout.nodes[5 * nodes : 6 * nodes].astype(float)) * length - 0.5
        for centre in (4 * length - 0.5 - 1e-9, 7 * length - 0.5):
            tail = half**2 / (half**2 + (x - centre) ** 2)
            found = (half**2 / (half**2 + (at - centre) ** 2)) @ weights.astype(float)
            assert np.abs(found - tail).max() < tail_bound(instrument, kind) + 1e-7 * tail.max()
    facts = kernel_facts(instrument)
    assert facts["tail-64"] < 1e-15 < facts["tail"] < 1e-6
    assert facts["segments"] * facts["points"] >= instrument.n_steps


def test_work_grows_with_the_peaks_that_count() -> None:
    case = make_case("U2Ti", 2)
    work = operator_work(case.simulator, case.lattice, case.reflections, case.geometrical)
    assert work.peaks == pytest.approx(float((case.reflections.multiplicity > 0).sum() / 2), rel=0.05)
    assert work.operations == pytest.approx(work.near + work.far + work.gaussians + work.interpolation)
    facts = kernel_facts()
    per_point = timing_limit.LORENTZ_FORWARD + timing_limit.LORENTZ_BACKWARD
    assert 0.9 * 3 * facts["points"] * per_point < work.near / work.peaks <= 3 * facts["points"] * per_point
    exact = make_case("U2Ti", 2, torch.float64)
    assert (
        operator_work(exact.simulator, exact.lattice, exact.reflections, exact.geometrical).operations > work.operations
    )


# The record


def test_record_survives_a_round_trip_on_few_lines(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    write_record(path, made_up_record())
    assert load_record(path) == made_up_record()
    lines = path.read_text().splitlines()
    series = [line for line in lines if '"contender": "engine"' in line]
    assert all('"seconds"' in line for line in series)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.update(schema=99), "schema 99, this version reads 2. Run `make benchmark`"),
        (lambda r: r.pop("schema"), "schema None"),
        (lambda r: r.pop("memory"), "not a whole benchmark record: no memory"),
        (lambda r: r["series"][0].pop("seconds"), "1 series without samples or settings"),
        (lambda r: r["series"][0].update(seconds=[]), "1 series without samples or settings"),
    ],
)
def test_unreadable_record_says_what_to_do(tmp_path: Path, change: object, message: str) -> None:
    record = made_up_record()
    change(record)  # type: ignore[operator]
    path = tmp_path / "record.json"
    path.write_text(json.dumps(record))
    with pytest.raises(RecordError, match=re.escape(message)):
        load_record(path)


def test_missing_record_and_no_json(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"There is no benchmark record at .*Run `make benchmark`"):
        load_record(tmp_path / "none.json")
    (tmp_path / "text.json").write_text("text")
    with pytest.raises(RecordError, match="not a benchmark record"):
        load_record(tmp_path / "text.json")


def test_summary_and_ratio_by_hand() -> None:
    record = made_up_record()
    assert record["schema"] == SCHEMA_VERSION
    table = summary(record).set_index(["contender", "crystal", "batch", "threads"])
    row = table.loc[("engine", "Au2S", BATCH, 1)]
    assert row["median_ms"] == pytest.approx(1.0)
    assert row["samples"] == ROUNDS
    assert 0.9 <= row["low_ms"] < 1.0 < row["high_ms"] <= 1.2
    assert median_ms(record, "engine", "none", BATCH) != median_ms(record, "engine", "none", BATCH)
    # Both were slow in the same rounds, so their ratio does not vary.
    both = ratio(record, ("reference", "U2Ti", BATCH, 1), ("engine", "U2Ti", BATCH, 1))
    assert both == pytest.approx([200] * 3)
    assert ratio(record, ("engine", "U2Ti", 512, 1), ("engine", "U2Ti", 512, 2)) == pytest.approx([2] * 3)
    assert np.isnan(ratio(record, ("reference", "U2Ti", 3, 1), ("engine", "U2Ti", 3, 1))).all()


def test_limit_and_split_by_hand() -> None:
    record = made_up_record()
    limits = limit_table(record).set_index("crystal")
    # 1e7 operations at 2e11 a second are 0.05 ms; the operator takes 0.25 ms.
    assert limits.loc["U2Ti", "limit_ms"] == pytest.approx(0.05)
    assert limits["fraction"].tolist() == pytest.approx([0.2] * 4)
    split = split_table(record).set_index("crystal").loc["U2Ti"]
    assert split.tolist() == pytest.approx([0.25, 0.1, 0.15, 0.1, 0.6])
    assert headline(record)["ratio"].tolist() == pytest.approx([200] * 4)


def test_tables_and_sentences_show_the_record() -> None:
    record = made_up_record()
    assert headline_table(record)["Eager / engine"].tolist() == ["200 (200 to 200)"] * 4
    assert coordinates_table(record)["Cosine"].tolist() == ["0.0500", "0.100", "0.150", "0.200"]
    assert work_table(record)["Part of the rate (%)"].tolist() == ["20"] * 4
    assert peers_table(record)["Program"].tolist() == ["Pymatgen", "Phasesmith"]
    checked = correctness_table(recorded_check(record))
    assert len(checked) == len(BOUNDS)
    assert checked["Allowed"].tolist()[0] == "3e-04"
    assert edge_sentence(record).startswith("In 2 of these cells a reflection stood within 0.0001° of the edge")
    assert "took 60 s on 2 cores: 1000 to 3000 steps (2 converged)." in descent_sentence(record)
    assert descent_sentence({**record, "descent": None}) == "The record holds no whole descent."
    told = quoted_numbers(record)
    assert (told["ratio-least"], told["rate"], told["rate-compiled"]) == ("200", "200", "100")
    assert (told["memory-import"], told["memory-step"], told["memory-reference"]) == ("0.50", "0.62", "4.0")
    assert told["speed-up"] == told["speed-up-small"] == "2.0"


def test_significant_digits() -> None:
    assert [significant(v) for v in (0.012345, 4567.8, 999.9, -2.0, 0.0)] == ["0.0123", "4570", "1000", "−2.00", "0"]
    assert significant(None) == significant(math.nan) == "–"


def test_every_number_of_the_chapter_is_glued() -> None:
    text = (ROOT / "chapters" / "engine.md").read_text(encoding="utf8")
    used = {name.partition(":")[0] for name in re.findall(r"\{glue:text\}`([^`]+)`", text)}
    assert used <= set(quoted_numbers(made_up_record())) | set(kernel_facts())


def test_live_measurement_is_shown_beside_the_record() -> None:
    live = live_record("U2Ti", 1, 1)
    table = live_table(made_up_record(), live, "U2Ti").set_index("Contender")
    assert table.loc["This engine", "ms, record"] == "0.500"
    assert table.loc["Eager torch", "times faster, here"] == "1.0"
    assert (table != "–").all(axis=None)


def test_record_of_the_project_is_whole_and_small() -> None:
    record = load_record()
    assert RECORD.stat().st_size < 300_000
    assert not record["interrupted"]
    assert {row["crystal"] for row in record["series"] if row["contender"] == "reference"} == set(CRYSTALS)
    require_correct(recorded_check(record))


# The command


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """benchmarks/run.py, cut down to one crystal and to what takes no process of its own."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    module = importlib.import_module("run")
    monkeypatch.setattr(module, "CRYSTALS", ("U2Ti",))
    monkeypatch.setattr(module, "SCALED", ("U2Ti",))
    monkeypatch.setattr(module, "REFERENCE_NAMES", ("U2Ti",))
    monkeypatch.setattr(module, "PEERS", module.PEERS[:1])
    monkeypatch.setattr(module, "check_engine", lambda cells, seed: check_engine(1, seed, ("U2Ti",)))
    monkeypatch.setattr(module, "measure_limit", lambda record: record["rates"].update(made_up_record()["rates"]))
    monkeypatch.setattr(module, "measure_memory", lambda record, crystals: None)
    return module


def test_command_writes_a_record_and_a_table(
    command: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "record.json"
    monkeypatch.setattr("sys.argv", ["run.py", "--quick", "--rounds", "2", "--output", str(output)])
    assert command.main() == 0
    record = load_record(output)
    timed = {(row["contender"], row["batch"], row["threads"]) for row in record["series"]}
    assert {("reference", 16, 1), ("step", 16, 1), ("pymatgen", 16, 1), ("engine", 128, 1)} <= timed
    assert all(len(row["seconds"]) == 2 for row in record["series"])
    assert record["peers"][0]["difference"] < 1e-3
    printed = capsys.readouterr().out
    assert "Eager torch" in printed
    assert "U2Ti" in printed


def test_interrupted_command_keeps_the_samples(
    command: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def some(tasks: dict, rounds: int, seed: int) -> object:
        yield from ((key, 0.25) for key in list(tasks)[:3])
        raise KeyboardInterrupt

    output = tmp_path / "record.json"
    monkeypatch.setattr(command, "interleaved", some)
    monkeypatch.setattr("sys.argv", ["run.py", "--quick", "--output", str(output)])
    assert command.main() == 130
    record = json.loads(output.read_text())
    assert record["interrupted"]
    assert [row["seconds"] for row in record["series"]] == [[0.25]] * 3


def test_labels_are_told_apart() -> None:
    labels = sorted(contender.label for contender in CONTENDERS.values())
    assert all(first != second for first, second in pairwise(labels))
