"""Provenance of a number: code, package versions, processor, day."""

import os
import platform
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from xrdscape.paths import CHECKOUT

PACKAGES = (
    "xrdscape",
    "torch",
    "numpy",
    "numba",
    "scipy",
    "pymatgen",
    "spglib",
    "average-minimum-distance",
    "chgnet",
    "ase",
)


@lru_cache
def provenance() -> dict[str, Any]:
    """Return what made the numbers of this process: revision, packages (those installed), python, machine, date."""
    return {
        "revision": revision(),
        "packages": package_versions(PACKAGES),
        "python": platform.python_version(),
        "machine": machine(),
        "date": datetime.now(UTC).date().isoformat(),
    }


def package_versions(names: Iterable[str]) -> dict[str, str]:
    """Return the versions of those of some packages that are installed, by name."""
    found = {}
    for name in names:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def revision() -> str:
    """Return the commit of the code in use, with a plus sign where the working tree differs from it; "unknown" without
    git or outside a copy of the repository.
    """
    if CHECKOUT is None:
        return "unknown"
    asked = [["rev-parse", "--short=12", "HEAD"], ["status", "--porcelain", "--", "lib", "benchmarks/*.py"]]
    try:
        answers = [
            subprocess.run(["git", *a], cwd=CHECKOUT, capture_output=True, text=True, check=False) for a in asked
        ]
    except OSError:
        return "unknown"
    if answers[0].returncode:
        return "unknown"
    return answers[0].stdout.strip() + ("+" if answers[1].stdout.strip() else "")


def machine() -> dict[str, Any]:
    """Return what this machine is: system, processor, cores that this process may use, memory_gib."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": names[0] if names else platform.processor() or "unknown",
        "cores": cores(),
        "memory_gib": round(memory, 1),
    }


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
