"""Files that are whole or not there, and that know their run."""

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from xrdscape.errors import RecordError
from xrdscape.runtime import checkpoint

CONTENT = {"numbers": torch.arange(5.0), "nested": {"list": [(1, torch.ones(2))], "text": "a", "none": None}}


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "state.pt"
    checkpoint.save(path, "key", CONTENT)
    loaded = checkpoint.load(path, "key")
    torch.testing.assert_close(loaded["numbers"], CONTENT["numbers"])
    assert loaded["nested"]["text"] == "a"
    assert loaded["nested"]["none"] is None
    step, tensor = loaded["nested"]["list"][0]
    assert step == 1
    assert tensor.tolist() == [1, 1]
    assert [p.name for p in path.parent.iterdir()] == ["state.pt"]


def test_a_file_of_another_run_is_refused(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "state.pt", "key", CONTENT)
    with pytest.raises(RecordError, match=r"state\.pt belongs to a run with other settings.*Delete it"):
        checkpoint.load(tmp_path / "state.pt", "other")


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "foreign"])
def test_a_damaged_file_is_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "state.pt"
    checkpoint.save(path, "key", CONTENT)
    if damage == "foreign":
        torch.save([1, 2, 3], path)
    else:
        whole = path.read_bytes()
        path.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2], "text": b"not a checkpoint"}[damage])
    with pytest.raises(RecordError, match=r"cannot be read.*Delete it to start this run afresh"):
        checkpoint.load(path, "key")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="cannot be read"):
        checkpoint.load(tmp_path / "none.pt", "key")


def test_saving_replaces_the_file(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "state.pt", "key", {"value": 1})
    checkpoint.save(tmp_path / "state.pt", "key", {"value": 2})
    assert checkpoint.load(tmp_path / "state.pt", "key") == {"value": 2}


@contextmanager
def no_space() -> Iterator[None]:
    """As on a full disk: the system refuses to let any file of this process grow past 4 kB. Keep it short: the test
    runner's own output may be such a file."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "state.pt", "key", {"value": 1})
    with no_space(), pytest.raises(RecordError, match=r"Cannot write .*state\.pt: File too large\. Free some space"):
        checkpoint.save(tmp_path / "state.pt", "key", {"value": torch.zeros(10_000)})
    assert checkpoint.load(tmp_path / "state.pt", "key") == {"value": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["state.pt"]


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RecordError, match="Cannot write"):
        checkpoint.save(tmp_path / "file" / "state.pt", "key", CONTENT)


def test_an_interrupted_write_leaves_nothing(tmp_path: Path) -> None:
    def interrupted(path: Path) -> None:
        path.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        checkpoint.replace_file(tmp_path / "result", interrupted)
    assert list(tmp_path.iterdir()) == []


def test_fingerprints_tell_runs_apart_and_are_the_same_everywhere() -> None:
    tensor = torch.arange(4.0)
    same = checkpoint.fingerprint(tensor, "cosine", 3)
    assert checkpoint.fingerprint(tensor.clone().requires_grad_(), "cosine", 3) == same
    others = {
        checkpoint.fingerprint(tensor + 1e-6, "cosine", 3),
        checkpoint.fingerprint(tensor.double(), "cosine", 3),
        checkpoint.fingerprint(tensor, "mse", 3),
        checkpoint.fingerprint(tensor, "cosine", 4),
    }
    assert len(others | {same}) == 5
    # The digest of these bytes by any SHA-256: no process, version or hash seed enters.
    assert checkpoint.fingerprint("a") == "d749929fe94b9a37dbe5d74cb297ad24b46e467898545f4e109eb21835046ac4"
