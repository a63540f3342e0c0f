"""Files that a user asks for: never in the place of another one unasked."""

import os
from pathlib import Path

from xrdscape.errors import XrdscapeError


def writable(path: Path, endings: tuple[str, ...], force: bool) -> Path:
    """Return the path, once it is found that writing there is possible and destroys nothing.

    Args:
        path: of the file.
        endings: one of them is asked for.
        force: allow a file that exists.

    Raises:
        XrdscapeError: for a path that may not be written to.
    """
    if path.suffix not in endings:
        raise XrdscapeError(f"the output must end in {' or '.join(endings)}, received {path}")
    if not path.absolute().parent.is_dir():
        raise XrdscapeError(f"the folder of the output does not exist: {path.absolute().parent}")
    if not os.access(path.absolute().parent, os.W_OK):
        raise XrdscapeError(f"the folder of the output may not be written to: {path.absolute().parent}")
    if path.is_dir():
        raise XrdscapeError(f"the output is a folder: {path}")
    if path.exists() and not force:
        raise XrdscapeError(f"{path} exists; choose another name, or replace it with --force (force=True)")
    return path


def writable_set(
    name: Path, endings: tuple[str, ...], force: bool, sources: tuple[str | Path, ...] = ()
) -> tuple[Path, ...]:
    """Return files of one name, one for each ending, once it is found that writing them destroys nothing.

    Args:
        name: with or without one of the endings.
        endings: of the files.
        force: allow files that exist.
        sources: files that may not be replaced even so.

    Raises:
        XrdscapeError: for a path that may not be written to.
    """
    stem = name.with_suffix("") if name.suffix in endings else name
    paths = tuple(stem.with_name(f"{stem.name}{ending}") for ending in endings)
    for path in paths:
        writable(path, (path.suffix,), force)
        if path.absolute() in [Path(source).absolute() for source in sources]:
            raise XrdscapeError(f"the output {path} is what is to be refined; choose another name with -o")
    return paths
