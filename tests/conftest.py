"""Shared set-up: array shapes and types are checked at run time, and nothing uses more threads than it is told to."""

import os
from pathlib import Path

# Set before numpy and torch are imported: small arrays gain nothing from more threads. Numba's are on offer, so that
# what is said of several threads is tested on any machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "4")
os.environ.setdefault("MPLBACKEND", "Agg")

import pytest
from jaxtyping import config, install_import_hook

LIB = Path(__file__).resolve().parents[1] / "lib"


def checked_modules() -> list[str]:
    """Every module of the package but those that compile functions with numba, which refuses wrapped ones."""
    files = [path for path in sorted((LIB / "xrdscape").rglob("*.py")) if path.name != "__init__.py"]
    compiled = ("from numba import", "runtime.compiled import kept")
    plain = [path for path in files if not any(text in path.read_text(encoding="utf8") for text in compiled)]
    return [".".join(path.relative_to(LIB).with_suffix("").parts) for path in plain]


# Must come before the first import of these modules. The rewritten byte code is cached beside the usual one.
install_import_hook(checked_modules(), "typecheck.checked")


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave types unchecked, as they are for users: what does the package itself say of a choice that there is not?"""
    monkeypatch.setattr(config, "jaxtyping_disable", True)
