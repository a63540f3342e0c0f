"""Progress of a campaign: what one process knows, and a file that tells others."""

import json
import os
import platform
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xrdscape.runtime.checkpoint import replace_file
from xrdscape.study.jobs import Job

FILE = "progress.json"
SILENT_S = 60.0
"""A run on another machine that has said nothing for so long is taken to be dead."""


@dataclass
class Progress:
    """State of a run under way.

    Args:
        folder: where the file goes.
        missing: jobs that are still to be done, by key.
    """

    folder: Path
    missing: dict[str, Job]
    failed: dict[str, str] = field(default_factory=dict)
    running: list[str] = field(default_factory=list)
    workers: int = 1
    _spent: dict[str, list[float]] = field(default_factory=lambda: defaultdict(lambda: [0.0, 0.0]))

    def done(self, job: Job, seconds: float) -> None:
        """Take down that a job is stored."""
        del self.missing[job.key]
        spent = self._spent[_kind(job)]
        spent[0] += job.cost
        spent[1] += seconds

    def fail(self, job: Job, error: BaseException) -> None:
        """Take down that a job has failed; the run goes on."""
        del self.missing[job.key]
        self.failed[job.key] = f"{type(error).__name__}: {error}"

    def look(self, running: list[str], workers: int) -> None:
        """Take down who is at work, and tell others."""
        self.running, self.workers = running, max(1, workers)
        self._write(True)

    def stop(self) -> None:
        """Take down that the run is over."""
        self.running = []
        self._write(False)

    @property
    def remaining_s(self) -> float | None:
        """Expected time to the end: the costs of what is missing, at the seconds that each kind of work has taken so
        far; None before anything is finished."""
        cost, seconds = (sum(spent[i] for spent in self._spent.values()) for i in (0, 1))
        if not cost:
            return None
        rates = {kind: spent[1] / spent[0] for kind, spent in self._spent.items()}
        left = sum(job.cost * rates.get(_kind(job), seconds / cost) for job in self.missing.values())
        return left / self.workers

    @property
    def summary(self) -> str:
        """Remaining time in words, and failures if there are any."""
        left = self.remaining_s
        words = "" if left is None else f", about {spoken(left)} to go"
        return words + (f", {len(self.failed)} jobs failed" if self.failed else "")

    def _write(self, active: bool) -> None:
        state = {
            "active": active, "pid": os.getpid(), "host": platform.node(), "updated": time.time(),
            "workers": self.workers, "running": self.running, "failed": self.failed, "remaining_s": self.remaining_s,
        }  # fmt: skip
        replace_file(self.folder / FILE, lambda path: path.write_text(json.dumps(state), encoding="utf8"))


def read_progress(folder: Path) -> dict[str, Any]:
    """Return the state that the last run of a folder wrote; `active` is False for one that was killed. Empty without a
    run.
    """
    try:
        state: dict[str, Any] = json.loads((folder / FILE).read_text(encoding="utf8"))
    except (OSError, json.JSONDecodeError):
        return {}
    state["active"] = state["active"] and _alive(state)
    return state


def _alive(state: dict[str, Any]) -> bool:
    if state["host"] != platform.node() or os.name != "posix":
        return bool(time.time() - state["updated"] < SILENT_S)
    try:
        os.kill(state["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def spoken(seconds: float) -> str:
    """Return a length of time to two digits or so: 40 s, 12 min, 3 h 20 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def _kind(job: Job) -> str:
    return f"{job.noise} {job.method}"
