"""Reports in one HTML file that needs nothing else: tables, lists and figures inside the page."""

import io
from collections.abc import Sequence
from html import escape

from matplotlib.figure import Figure

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; } caption { text-align: left; font-weight: 600; }
th, td { padding: .25rem .9rem .25rem 0; border-bottom: 1px solid #ddd; text-align: right; }
th:first-child, td:first-child { text-align: left; } figure { margin: 1.5rem 0; } svg { width: 100%; height: auto; }
figcaption { font-size: .9rem; color: #444; } .verdict { border-left: .3rem solid #0072B2; padding: .5rem 1rem; }
.warning { border-left: .3rem solid #D55E00; padding: .5rem 1rem; } h1, li, p { overflow-wrap: anywhere; }
figure { overflow-x: auto; } svg { min-width: 34rem; }
@media (max-width: 32rem) {
  body { margin: 1rem auto; } h1 { font-size: 1.4rem; } table { font-size: .85rem; }
  th, td { padding-right: .5rem; } figcaption { position: sticky; left: 0; }
}
"""


def page(title: str, parts: Sequence[str], style: str = "") -> str:
    """Return a page of HTML.

    Args:
        title: as text; its heading is among the parts, where there is one.
        parts: of its body, as HTML.
        style: rules beside those of all reports.
    """
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}<style>{STYLE}{style}</style></head>\n'
        f"<body>\n{body}\n</body></html>\n"
    )


def table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of text as HTML."""
    top = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><caption>{escape(caption)}</caption><tr>{top}</tr>{body}</table>"


def listing(title: str, items: Sequence[str], level: int = 2) -> str:
    """Return a heading and a list of text as HTML."""
    entries = "".join(f"<li>{escape(item)}</li>" for item in items)
    return f"<h{level}>{escape(title)}</h{level}><ul>{entries}</ul>"


def picture(figure: Figure, alternative: str, caption: str) -> str:
    """Return a figure as HTML, drawn by lines.

    Args:
        figure: to show.
        alternative: words for who does not see it.
        caption: text below it.
    """
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    label = f'role="img" aria-label="{escape(alternative, quote=True)}"'
    return f"<figure>{svg.replace('<svg', f'<svg {label}', 1)}<figcaption>{escape(caption)}</figcaption></figure>"
