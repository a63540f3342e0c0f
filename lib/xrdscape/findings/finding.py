"""A claim of the paper with the rule that tests it and its outcome; the verdict follows from the cases counted."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import pandas as pd

Verdict = Literal["reproduced", "partly reproduced", "not reproduced", "not tested by this sample"]
"""Verdict of our results on a claim."""
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

NAMED = 5
"""Exceptions that are named; more are counted."""


@dataclass(frozen=True)
class Finding:
    """A claim and its test.

    Args:
        key: short name, the end of the link to its entry.
        claim: what the paper says, in our words.
        place: where it says so.
        rule: when the claim holds in one case.
        result: what we found, in words and numbers.
        cases: name of each case that tests the claim, and whether the claim holds there.
        unit: what a case is, in the plural.
        evidence: labels of the figures and tables that show it.
    """

    key: str
    claim: str
    place: str
    rule: str
    result: str
    cases: Mapping[str, bool]
    unit: str
    evidence: tuple[str, ...]

    @property
    def verdict(self) -> Verdict:
        """Reproduced if the claim holds in all cases, partly if in some, not reproduced if in none."""
        if not self.cases:
            return "not tested by this sample"
        if all(self.cases.values()):
            return "reproduced"
        return "partly reproduced" if any(self.cases.values()) else "not reproduced"

    @property
    def count(self) -> str:
        """Number of cases in which the claim holds, and where it does not.

        >>> Finding("k", "", "", "", "", {"0.1": True, "0.2": False}, "levels", ()).count
        '1 of 2 levels, not for 0.2'
        """
        fails = [name for name, holds in self.cases.items() if not holds]
        held = f"{len(self.cases) - len(fails)} of {len(self.cases)} {self.unit}"
        if not fails or len(fails) == len(self.cases):
            return held
        named = "; ".join(fails[:NAMED])
        more = f"; and {len(fails) - NAMED} more" if len(fails) > NAMED else ""
        return f"{held}, not for {named}{more}"


def to_record(finding: Finding) -> dict[str, Any]:
    """Return the finding as JSON can hold it."""
    return asdict(finding)


def from_record(record: Mapping[str, Any]) -> Finding:
    """Return the finding that `to_record` wrote."""
    return Finding(**{**record, "evidence": tuple(record["evidence"])})


def findings_frame(findings: Sequence[Finding]) -> pd.DataFrame:
    """Return the table of findings that closes a chapter, one row each."""
    rows = [
        (f"{f.claim} ({f.place})", f"{f.rule}.", f"{f.result}. It holds for {f.count}.", f.verdict)
        if f.cases
        else (f"{f.claim} ({f.place})", f"{f.rule}.", "This sample has no case of it.", f.verdict)
        for f in findings
    ]
    return pd.DataFrame(rows, columns=["Claim of the paper", "Holds in a case when", "Here", "Verdict"])


def summary_text(findings: Sequence[Finding]) -> str:
    """Return the numbers of claims tested and of each verdict, in one sentence."""
    counts = {verdict: sum(f.verdict == verdict for f in findings) for verdict in VERDICTS}
    untested = counts.pop("not tested by this sample")
    tested = len(findings) - untested
    parts = [f"{number} {'is' if number == 1 else 'are'} {verdict}" for verdict, number in counts.items()]
    rest = f" This sample does not test {untested} more." if untested else ""
    return f"Of {tested} claims tested, {parts[0]}, {parts[1]} and {parts[2]}.{rest}"
