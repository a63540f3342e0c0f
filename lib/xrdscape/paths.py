"""Where data and results live. The folders of a book are named by `xrdscape.book.Book`."""

import os
from pathlib import Path

from xrdscape.errors import StructureError

ROOT = Path(os.environ.get("XRDSCAPE_HOME", Path(__file__).resolve().parents[2]))
DATA = ROOT / "data"
STRUCTURES = DATA / "structures"
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
    """The CIF of a reference structure; parentheses in the name become underscores in the file's name.

    >>> reference_path("Nd(Al2Cu)4").name
    'Nd_Al2Cu_4.cif'
    """
    return STRUCTURES / f"{name.replace('(', '_').replace(')', '_')}.cif"


def crystal_path(name_or_path: str | Path) -> Path:
    """The file of a crystal that goes by a reference name or by its path.

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
