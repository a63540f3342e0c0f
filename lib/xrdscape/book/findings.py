"""The findings of the chapters, left in their executed notebooks and gathered from there by the page of verdicts."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from IPython.display import Markdown

from xrdscape.book.pages import Book
from xrdscape.book.tables import numbered_table
from xrdscape.errors import ChapterError
from xrdscape.findings.finding import Finding, findings_frame, from_record, summary_text, to_record

# Where the metadata of an output hold its findings, beside the table that is its content.
FINDINGS = "xrdscape-findings"


class FindingsTable:
    """A table of findings that a notebook keeps twice: for readers, and for the page that gathers them."""

    def __init__(self, findings: Sequence[Finding], label: str, caption: str) -> None:
        self._findings = list(findings)
        self._table = numbered_table(findings_frame(self._findings), label, caption)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the content and metadata of the output, asked for by IPython."""
        return {"text/markdown": self._table.data}, {FINDINGS: [to_record(f) for f in self._findings]}


def gathered(chapters: Sequence[str], book: Book | None = None) -> dict[str, list[Finding]]:
    """Return the findings that executed chapters of a book hold.

    Args:
        chapters: names of the chapters.
        book: this project's own by default.

    Returns:
        Findings by chapter.

    Raises:
        ChapterError: a chapter is not executed yet, or holds no findings.
    """
    book = book or Book()
    missing = [name for name in chapters if not (book.executed / f"{name}.ipynb").exists()]
    if missing:
        alone = "".join(f"\n  xrdscape book --chapter {name}" for name in missing)
        raise ChapterError(
            f"the findings of {', '.join(missing)} are not there: this page gathers them from executed chapters. Run "
            f"`xrdscape book`, which executes all chapters first, or:{alone}"
        )
    return {name: _held(name, book) for name in chapters}


def _held(chapter: str, book: Book) -> list[Finding]:
    cells = json.loads((book.executed / f"{chapter}.ipynb").read_text(encoding="utf8"))["cells"]
    outputs = [output.get("metadata", {}) for cell in cells for output in cell.get("outputs", [])]
    records = [record for metadata in outputs for record in metadata.get(FINDINGS, [])]
    if not records:
        raise ChapterError(
            f"the executed notebook of {chapter} holds no findings; its closing table must be made with "
            f"`FindingsTable`. Run `xrdscape book --chapter {chapter} --force` if it is an old one."
        )
    return [from_record(record) for record in records]


def verdicts_table(found: Mapping[str, Sequence[Finding]]) -> pd.DataFrame:
    """Return all claims in short, numbered from 1: each with its place, its verdict and in how many cases it holds."""
    rows = [
        (
            f"{{ref}}`{number} <claim-{f.key}>`",
            f"{f.claim} ({f.place})",
            f"{f.verdict} ({sum(f.cases.values())}\u00a0of\u00a0{len(f.cases)})",
        )
        for number, f in enumerate(_in_order(found), start=1)
    ]
    return pd.DataFrame(rows, columns=["No.", "Claim (place in the paper)", "Verdict (cases in which it holds)"])


def claim_entries(found: Mapping[str, Sequence[Finding]], chapter: str) -> Markdown:
    """Return the claims of a chapter one by one, numbered as in `verdicts_table`: rule, result, verdict, and links."""
    numbers = {f.key: number for number, f in enumerate(_in_order(found), start=1)}
    return Markdown("\n\n".join(_entry(f, numbers[f.key]) for f in found[chapter]))


def verdicts_sentence(found: Mapping[str, Sequence[Finding]]) -> str:
    """Return `summary_text` of all findings."""
    return summary_text(_in_order(found))


def _in_order(found: Mapping[str, Sequence[Finding]]) -> list[Finding]:
    return [f for findings in found.values() for f in findings]


def _entry(finding: Finding, number: int) -> str:
    links = ", ".join(f"{{numref}}`{label}`" for label in finding.evidence)
    result = f"{finding.result}. It holds for {finding.count}." if finding.cases else "This sample has no case of it."
    return "\n".join(
        [
            f"(claim-{finding.key})=",
            f"**{number}. {finding.claim}** ({finding.place})",
            "",
            f"- *Holds in a case when* {finding.rule}.",
            f"- *Here:* {result}",
            f"- **{finding.verdict[0].upper()}{finding.verdict[1:]}**; see {links}.",
        ]
    )
