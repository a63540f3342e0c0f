"""A Sphinx extension: figures and tables of pages without a chapter's number have no number either.

Sphinx would count them 1, 2, 3, which are the numbers of the paper's own. Refer to them by {ref} and words of yours.
"""

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment


def drop_numbers(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Forget the numbers of such pages, after Sphinx has given them; no page has to be read again."""
    for page, numbers in env.toc_fignumbers.items():
        if not env.toc_secnumbers.get(page):
            for kind in ("figure", "table"):
                numbers.pop(kind, None)
    return []


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    # Numbers are given to this event, by who listens to it first.
    app.connect("env-get-updated", drop_numbers, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
