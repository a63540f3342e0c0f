"""Data sets of nanocrystals' patterns: reproducible, resumed, held to checksums, with what was refused."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from crystals import DATA
from distributed import Client, LocalCluster

from xrdscape.cli import app
from xrdscape.crystal.structures import load_structure
from xrdscape.diffraction.nano_patterns import NANO_CONVENTIONS, nano_pattern
from xrdscape.errors import DataError, InstrumentError
from xrdscape.paths import REFERENCE_NAMES
from xrdscape.study import nano_dataset
from xrdscape.study.crystal_sources import (
    CARRIED,
    CHECKSUMS,
    MP20_PARTS,
    CrystalSource,
    ListedCrystal,
    crystal_source,
    download_mp20,
)
from xrdscape.study.nano_dataset import (
    DatasetSettings,
    build_dataset,
    manifest_of,
    pattern_generator,
    read_dataset,
    shard_of,
    summary_text,
)

NAMES = ("NaCl", "CsCl", "Si", "W")
SMALL = DatasetSettings(sizes_angstrom=(10.0,), shard_crystals=2)


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers are threads of this process, which start at once."""

    @contextmanager
    def client(workers: int, scheduler: str | None) -> Iterator[Client]:
        options = {"processes": False, "n_workers": 1, "threads_per_worker": 1, "dashboard_address": None}
        with LocalCluster(**options) as cluster, Client(cluster) as client:
            yield client

    monkeypatch.setattr(nano_dataset, "dask_client", client)


def source(names: tuple[str, ...] = NAMES) -> CrystalSource:
    listed = tuple(ListedCrystal(name, (DATA / f"{name}.cif").read_text(encoding="utf8")) for name in names)
    return CrystalSource("four", listed)


def build(folder: Path, crystals: CrystalSource | None = None, settings: DatasetSettings = SMALL) -> dict:
    return build_dataset(crystals or source(), folder, settings, workers=1, progress=False)


def checksums(manifest: dict) -> list[str]:
    return [shard["sha256"] for shard in manifest["shards"].values()]


def test_a_data_set_is_the_same_from_the_same_seed(tmp_path: Path) -> None:
    first, second = build(tmp_path / "a"), build(tmp_path / "b")
    assert checksums(first) == checksums(second)
    rows = read_dataset(tmp_path / "a")
    assert list(rows["material_id"]) == list(NAMES)
    assert list(rows["intensity"].map(len)) == [512] * 4
    assert first["made"][0]["packages"]["numpy"] == np.__version__
    other = shard_of(source().crystals, DatasetSettings((10.0,), seed=1)).rows
    assert not np.array_equal(rows["intensity"][0], other["intensity"][0])


def test_a_row_is_the_pattern_of_its_crystal(tmp_path: Path) -> None:
    rows = shard_of(source(("NaCl",)).crystals, DatasetSettings((10.0, 100.0), ("paper", "reference-code"))).rows
    assert list(rows["convention"]) == ["paper", "paper", "reference-code", "reference-code"]
    structure = load_structure(DATA / "NaCl.cif")
    for row in rows.itertuples():
        generator = pattern_generator(0, "NaCl", row.convention, row.size_angstrom)
        made = nano_pattern(structure, row.size_angstrom, NANO_CONVENTIONS[row.convention], generator)
        np.testing.assert_array_equal(row.intensity, made.intensity.astype(np.float32))
        assert row.sigma_inv_angstrom == made.sigma_inv_angstrom
    first = rows.iloc[0]
    assert (first["formula"], first["elements"]) == ("NaCl", ["Na"] * 4 + ["Cl"] * 4)
    assert first["lattice"] == pytest.approx([5.64] * 3 + [90] * 3, abs=0.01)


def test_a_pattern_does_not_depend_on_its_company() -> None:
    alone = shard_of(source(("W",)).crystals, SMALL).rows.iloc[0]
    with_others = shard_of(source(NAMES).crystals, DatasetSettings((10.0, 30.0))).rows
    same = with_others[(with_others["material_id"] == "W") & (with_others["size_angstrom"] == 10.0)].iloc[0]
    np.testing.assert_array_equal(alone["intensity"], same["intensity"])


def test_an_interrupted_run_keeps_its_finished_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = checksums(build(tmp_path / "whole"))
    write, written = nano_dataset.pq.write_table, []

    def interrupted(table: object, path: Path, **options: object) -> None:
        if written:
            raise KeyboardInterrupt
        written.append(path)
        write(table, path, **options)

    monkeypatch.setattr(nano_dataset.pq, "write_table", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "data")
    monkeypatch.setattr(nano_dataset.pq, "write_table", write)
    (kept,) = (tmp_path / "data").glob("shard-*")
    time = kept.stat().st_mtime_ns
    with pytest.raises(DataError, match=r"is not whole: shards are missing\. Give the command that made it again"):
        read_dataset(tmp_path / "data")
    manifest = build(tmp_path / "data")
    assert kept.stat().st_mtime_ns == time
    assert checksums(manifest) == expected
    assert len(read_dataset(tmp_path / "data")) == 4


def test_a_damaged_shard_is_found_and_made_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = checksums(build(tmp_path))
    shard = tmp_path / "shard-0001.parquet"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    with pytest.raises(DataError, match=r"shard-0001.parquet does not have its checksum"):
        read_dataset(tmp_path)
    assert checksums(build(tmp_path)) == expected
    assert "shard-0001.parquet does not have its checksum and is made again" in capsys.readouterr().out
    assert len(read_dataset(tmp_path)) == 4


def test_a_bad_crystal_is_refused_with_the_reason_and_the_rest_goes_on(tmp_path: Path) -> None:
    texts = {name: (DATA / f"{name}.cif").read_text(encoding="utf8") for name in ("NaCl", "Si")}
    rows = [("a", texts["NaCl"]), ("b", "data_b\n_cell_length_a banana\n"), ("a", texts["Si"]), ("c", texts["Si"])]
    table = tmp_path / "crystals.csv.gz"
    pd.DataFrame(rows, columns=["material_id", "cif"]).to_csv(table, index=False)
    manifest = build(tmp_path / "data", crystal_source(table))
    refused = {name: why for shard in manifest["shards"].values() for name, why in shard["refused"].items()}
    assert refused == {"b": "has no atom sites. Give a complete CIF: cell, symmetry, at least one atom site.",
                       "a": "has a name that came before"}  # fmt: skip
    assert list(read_dataset(tmp_path / "data")["formula"]) == ["NaCl", "Si"]
    text = summary_text(manifest)
    assert text.startswith("2 patterns of 2 crystals in 2 shards; 2 crystals refused\n")
    assert "b: has no atom sites" in text
    many = {"source": {"crystals": 7}, "shards": {"x": {"rows": 0, "refused": dict.fromkeys("abcdefg", "why")}}}
    assert summary_text(many).endswith("and 2 more, in manifest.json")


def test_another_packages_error_refuses_the_crystal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(nano_dataset, "sticks_by_pymatgen", broken)
    assert shard_of(source(("W",)).crystals, SMALL).refused == {"W": "ZeroDivisionError: by nothing"}


def test_a_folder_keeps_to_one_data_set(tmp_path: Path) -> None:
    build(tmp_path / "data", source(("W",)))
    with pytest.raises(DataError, match="holds another data set: its settings are not those asked for"):
        build(tmp_path / "data", source(("W",)), DatasetSettings((20.0,)))
    with pytest.raises(DataError, match="holds another data set: its source are not those asked for"):
        build(tmp_path / "data", source(("Si",)))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").touch()
    with pytest.raises(DataError, match="exists and is no data set"):
        build(tmp_path / "full")
    with pytest.raises(DataError, match="no manifest that can be read"):
        manifest_of(tmp_path / "full")


def test_an_unknown_schema_is_refused(tmp_path: Path) -> None:
    build(tmp_path, source(("W",)))
    manifest = manifest_of(tmp_path)
    (tmp_path / "manifest.json").write_text(json.dumps({**manifest, "schema": 99}))
    with pytest.raises(DataError, match="is of schema 99; this version reads 1"):
        read_dataset(tmp_path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sizes_angstrom": ()}, "one or more"),
        ({"sizes_angstrom": (0.0,)}, "above 0"),
        ({"conventions": ()}, "needs a convention"),
        ({"seed": -1}, "whole number from 0"),
        ({"shard_crystals": 0}, "at least one crystal"),
    ],
)
def test_settings_that_make_no_data_set_are_refused(settings: dict, message: str) -> None:
    with pytest.raises((DataError, InstrumentError), match=message):
        DatasetSettings(**settings)


def test_sources_are_folders_tables_and_the_references(tmp_path: Path) -> None:
    assert tuple(crystal.material_id for crystal in crystal_source("references").crystals) == REFERENCE_NAMES
    assert len(crystal_source(CARRIED).crystals) == 50
    folder = crystal_source(DATA)
    assert [crystal.material_id for crystal in folder.crystals] == sorted(path.stem for path in DATA.glob("*.cif"))
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("id,cif\n1,2\n")
    broken = tmp_path / "broken.csv.gz"
    broken.write_text("no gzip")
    (tmp_path / "empty").mkdir()
    for given, message in [
        (wrong, "has no column material_id. It has id, cif"),
        (broken, "cannot be read as a table"),
        (tmp_path / "empty", "holds no crystal"),
        (tmp_path / "none", "no folder or table called"),
        (DATA / "first_keys.json", "is not read: give a .csv"),
    ]:
        with pytest.raises(DataError, match=message):
            crystal_source(given)


def test_without_network_one_sentence_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train.csv cannot be fetched .*needs the network; without it, use the sample"):
        download_mp20(tmp_path, "http://127.0.0.1:9/{part}.csv")
    assert not list(tmp_path.iterdir())


def test_tables_are_fetched_once_and_held_to_their_checksums(tmp_path: Path) -> None:
    away, here, said = tmp_path / "away", tmp_path / "here", list[str]()
    away.mkdir()
    for part in MP20_PARTS:
        (away / f"{part}.csv").write_text(f"material_id,cif\n{part},x\n")
    address = (away / "{part}.csv").as_uri().replace("%7B", "{").replace("%7D", "}")
    paths = download_mp20(here, address, said.append)
    assert [path.read_text() for path in paths] == [f"material_id,cif\n{part},x\n" for part in MP20_PARTS]
    known = json.loads((here / CHECKSUMS).read_text())
    assert known["train.csv"]["sha256"] in said[0]
    assert known["val.csv"]["bytes"] == 22
    assert download_mp20(here, "http://127.0.0.1:9/{part}.csv", said.append) == paths
    paths[1].write_text("changed")
    with pytest.raises(DataError, match=r"val.csv is not as it was fetched. Delete it"):
        download_mp20(here, address, said.append)


def test_the_command_builds_and_tells(tmp_path: Path) -> None:
    folder = tmp_path / "cifs"
    folder.mkdir()
    (folder / "salt.cif").write_text((DATA / "NaCl.cif").read_text())
    (folder / "bad.cif").write_text("nothing")
    words = ["dataset", str(folder), "-o", str(tmp_path / "data"), "--size-angstrom", "20", "--no-noise"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert "1 patterns of 1 crystals in 1 shards; 1 crystals refused\n  bad: " in result.stdout
    (row,) = read_dataset(tmp_path / "data").itertuples()
    assert (row.material_id, row.convention, row.size_angstrom) == ("salt", "reference-code", 20.0)
    result = CliRunner().invoke(app, ["dataset", "nowhere"])
    assert result.exit_code == 2
    assert result.stderr.startswith("error: There is no folder or table called nowhere")
