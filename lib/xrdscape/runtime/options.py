"""Options of the command line."""

from collections.abc import Callable
from typing import Any

import click


class LazyDefault(click.Option):
    """An option whose default the library knows: it is asked only to show it, for that takes time.

    Args:
        of: returns the default.
    """

    def __init__(self, *args: Any, of: Callable[[], Any], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.of = of

    def get_default(self, ctx: click.Context, call: bool = True) -> Any:
        return super().get_default(ctx, call) if call else self.of()
