"""Where things live. Every path of the project is named here and nowhere else."""

import os
from pathlib import Path

ROOT = Path(os.environ.get("XRDSCAPE_HOME", Path(__file__).resolve().parents[2]))
DATA = ROOT / "data"
STRUCTURES = DATA / "structures"
PUBLISHED = DATA / "published"
CHAPTERS = ROOT / "chapters"
ASSETS = ROOT / "assets"
BUILD = ROOT / "_build"
EXECUTED = BUILD / "executed"
RECORDS = BUILD / "records"
SITE = BUILD / "html"
