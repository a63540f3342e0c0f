"""The extras that the light install leaves out, and one clear message where one is asked for."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from xrdscape.errors import ExtraError

Extra = Literal["book", "energies", "study"]
"""Sets of packages that `pyproject.toml` names beside those of the engine and its tools."""


@contextmanager
def needs(extra: Extra) -> Iterator[None]:
    """Import, in the body of a `with` statement, what only an extra installs.

    Raises:
        ExtraError: a package is not installed; the message says how to install it.

    >>> with needs("energies"):
    ...     import a_package_that_is_not_installed
    Traceback (most recent call last):
    xrdscape.errors.ExtraError: the package a_package_that_is_not_installed ... pip install "xrdscape[energies]"
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in ("", "xrdscape"):
            raise
        raise ExtraError(
            f'the package {missing} is not installed: this needs more than the engine. pip install "xrdscape[{extra}]"'
        ) from error
