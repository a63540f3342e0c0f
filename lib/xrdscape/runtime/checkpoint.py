"""Files that are either whole or not there, and that know which run they belong to."""

import hashlib
import io
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from xrdscape.errors import RecordError


def fingerprint(*parts: object) -> str:
    """Return a name for a run: equal settings and equal tensors give equal names, in any process."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.detach().cpu().numpy().tobytes() if isinstance(part, Tensor) else repr(part).encode())
    return digest.hexdigest()


def replace_file(path: Path, write: Any) -> None:
    """Call `write(temporary_path)`, then move the result to `path` in one step.

    Raises:
        RecordError: when the file cannot be written (a full disk, say); what stood at `path` stays.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
    except OSError as problem:
        raise RecordError(
            f"Cannot write {path}: {problem.strerror or problem}. Free some space or choose another folder, then run "
            "the same command again: what is already stored is kept."
        ) from problem
    finally:
        if temporary.exists():
            temporary.unlink()


def save(path: Path, key: str, content: dict[str, Any]) -> None:
    """Store tensors and plain values under a key."""
    # Through memory, because torch reports a full disk in words of its own.
    buffer = io.BytesIO()
    torch.save({"key": key, "content": content}, buffer)
    replace_file(path, lambda temporary: temporary.write_bytes(buffer.getvalue()))


def load(path: Path, key: str) -> dict[str, Any]:
    """Return what `save` stored.

    Raises:
        RecordError: for a file that cannot be read, or one stored by a run with other settings.
    """
    try:
        stored = torch.load(path, weights_only=True)
        stored_key, content = stored["key"], stored["content"]
    except Exception as problem:
        # torch's own message is a page long and speaks of other things.
        raise RecordError(
            f"{path} cannot be read ({type(problem).__name__}). Delete it to start this run afresh."
        ) from problem
    if stored_key != key:
        raise RecordError(
            f"{path} belongs to a run with other settings or other starts. Delete it, or name another file."
        )
    return content
