"""Compiled loops, kept between runs for as long as none of the sources that they are made of changes.

Numba's own cache looks at the file of a function alone. What the function calls from another file is compiled into it,
and would go stale unseen.
"""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba

CONFIG: Any = numba.config
"""Numba's settings, which are set as it is loaded and have no types."""


@cache
def _folder() -> str:
    """Return the folder of compiled code for the present state of the kernels' sources."""
    package, digest = Path(__file__).parents[1], hashlib.sha256()
    for path in sorted(package.glob("*/kernels/*.py")):
        digest.update(path.read_bytes())
    parent = CONFIG.CACHE_DIR or package / "__pycache__"
    return str(Path(parent) / f"kernels-{digest.hexdigest()[:12]}")


def kept(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function with numba, without Python's lock, and keep the result.

    Args:
        options: of `numba.njit`.
    """

    def compile_it(function: Callable[..., Any]) -> Any:
        folder = _folder()
        before = CONFIG.CACHE_DIR
        CONFIG.CACHE_DIR = folder
        try:
            return numba.njit(nogil=True, cache=True, **options)(function)
        finally:
            CONFIG.CACHE_DIR = before

    return compile_it
