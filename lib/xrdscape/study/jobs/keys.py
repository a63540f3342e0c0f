"""Keys of jobs: digests of their settings and of the crystal, the same for ever for records that exist.

The first records came from jobs of one kind with one set of settings, and their keys were made of all of these. The
tables here keep what that set was, so that later jobs, which have no such settings, find their records.
"""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from xrdscape.crystal.structures import load_structure

FIRST_SETTINGS = {
    "max_steps": 0,
    "check_every": 0,
    "tolerance": 0.0,
    "learning_rate": 0.0,
    "mse_maximum": 1.0,
    "max_shift": None,
    "clamp": False,
    "dtype": "float64",
}
"""Settings that every first record was named by, with their values for jobs that have none. Frozen."""

METHODS_FILE = Path(__file__).with_name("first_methods.json")
"""File of how the first records wrote their methods in their keys: rows of a method's record and that text. Frozen."""


def key_of(record: dict[str, Any]) -> str:
    """Return the key of a job with this record, twelve hexadecimal digits."""
    return _key(json.dumps({**FIRST_SETTINGS, **record}, sort_keys=True))


@cache
def _key(settings: str) -> str:
    record = json.loads(settings)
    reference = load_structure(record["structure"])
    numbers = {name: 1.0 * value if isinstance(value, int) else value for name, value in record.items()}
    geometry = reference.lattice.matrix.tolist(), reference.frac_coords.tolist()
    return hashlib.sha256((json.dumps(numbers, sort_keys=True) + repr(geometry)).encode()).hexdigest()[:12]


def method_text(record: dict[str, Any]) -> str:
    """Return the text of a method in keys: as the first records wrote it or, for a later one, its record."""
    written = json.dumps(record, sort_keys=True)
    return _first_texts().get(written, written)


@cache
def _first_texts() -> dict[str, str]:
    rows = json.loads(METHODS_FILE.read_text(encoding="utf8"))
    return {json.dumps(row["record"], sort_keys=True): row["text"] for row in rows}
