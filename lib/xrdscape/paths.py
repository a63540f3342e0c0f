"""Places of data and results. The folders of a book are named by `xrdscape.book.Book`."""

import os
from pathlib import Path

from xrdscape.errors import StructureError, XrdscapeError

_PACKAGE = Path(__file__).resolve().parent
CHECKOUT = _PACKAGE.parents[1] if (_PACKAGE.parents[1] / "pyproject.toml").is_file() else None
"""The copy of the repository that this code stands in; None where the package is installed apart from one."""

ROOT = Path(os.environ.get("XRDSCAPE_HOME") or CHECKOUT or Path.cwd())
DATA = ROOT / "data"
PUBLISHED = DATA / "published"
RECORDS = DATA / "records"
BUILD = ROOT / "_build"
CAMPAIGN = BUILD / "campaign"
BOOK_RECORDS = BUILD / "records"

REFERENCE_NAMES = (
    "U2Ti",
    "Au2S",
    "BPO4",
    "Na3MnCoNiO6",
    "Nd(Al2Cu)4",
    "LiMnIr2",
    "Na2BiO3",
    "NaS",
    "NdCoO3",
    "MnOF",
)


def reference_path(name: str) -> Path:
    """Return the path of the CIF of a reference structure; parentheses in the name become underscores in the file's
    name.

    >>> reference_path("Nd(Al2Cu)4").name
    'Nd_Al2Cu_4.cif'
    """
    return _PACKAGE / "crystal" / "references" / f"{name.replace('(', '_').replace(')', '_')}.cif"


def from_checkout(path: Path) -> Path:
    """Return the path of a file that the repository has and an installed package has not.

    Raises:
        XrdscapeError: it is not there.
    """
    if not path.exists():
        raise XrdscapeError(
            f"{path} is not there: it comes with the repository, not with the installed package. Give the command in a "
            "full copy of the repository, or set XRDSCAPE_HOME to one."
        )
    return path


def crystal_path(name_or_path: str | Path) -> Path:
    """Return the path of the file of a crystal that goes by a reference name or by its path.

    Raises:
        StructureError: neither such a name nor a file.
    """
    if str(name_or_path) in REFERENCE_NAMES:
        return reference_path(str(name_or_path))
    path = Path(name_or_path)
    if not path.is_file():
        seen_from = "" if path.is_absolute() else f" in {Path.cwd()}"
        raise StructureError(
            f"no structure named or file called {str(name_or_path)!r}{seen_from}. Give the path of a CIF or POSCAR "
            f"file, or one of the reference names: {', '.join(REFERENCE_NAMES)}."
        )
    return path
