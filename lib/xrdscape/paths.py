"""Where data and results live. The folders of a book are named by `xrdscape.book.Book`."""

import os
from pathlib import Path

ROOT = Path(os.environ.get("XRDSCAPE_HOME", Path(__file__).resolve().parents[2]))
DATA = ROOT / "data"
STRUCTURES = DATA / "structures"
PUBLISHED = DATA / "published"
RECORDS = DATA / "records"
BUILD = ROOT / "_build"
CAMPAIGN = BUILD / "campaign"
BOOK_RECORDS = BUILD / "records"
