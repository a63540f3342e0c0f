"""A benchmark record that nobody measured: round numbers, so that tests know what follows from them."""

from typing import Any

from xrdscape.timing.check import BOUNDS
from xrdscape.timing.measure import CONTENDERS, CRYSTALS

BATCH, ROUNDS = 16, 3
MILLISECONDS = {
    **{"reference": 100.0, "compiled": 20.0, "engine": 0.5, "engine_float64": 1.0, "step": 0.6},
    **{"part_operator": 0.25, "part_peaks": 0.1, "part_evaluation": 0.5},
    **{name: 0.05 for name in CONTENDERS if name.startswith("coordinates_")},
    **{"pymatgen": 5.0, "phasesmith": 200.0},
}
"""A sample of U2Ti on one thread; the next crystals take two, three and four times as long."""


def made_up_record() -> dict[str, Any]:
    """All four crystals; samples of the three rounds are 0.9, 1 and 1.2 times the time above. Two threads halve it."""
    return {
        "schema": 2, "date": "2020-01-02", "revision": "abc", "interrupted": False,
        "machine": {"system": "Linux", "processor": "A processor", "cores": 2, "memory_gib": 8.0},
        "versions": {"python": "3.11"},
        "settings": {"quick": False, "rounds": ROUNDS, "seed": 0, "cells": 1000, "batch": BATCH},
        "correctness": [
            {"path": path, "quantity": quantity, "cells": 998, "near_edge": 2, "largest": bound / 10, "bound": bound,
             "near_edge_largest": bound / 20}
            for (path, quantity), bound in BOUNDS.items()
        ],
        "peers": [_peer("pymatgen", "a list of lines; no profile, no gradient"), _peer("phasesmith", "loss, gradient")],
        "absent_peers": [], "compile": [],
        "rates": {"as compiled here": [9e10, 1e11, 1.1e11], "widest vectors": [2e11]},
        "work": [{"crystal": name, "peaks": 80.0 * k, "operations": 1e7 * k} for k, name in enumerate(CRYSTALS, 1)],
        "series": _series(),
        "threads": {"revision": "abc", "date": "2020-01-02", "batch": BATCH, "series": [
            {"contender": contender, "crystal": name, "threads": threads,
             "seconds": [0.8 / threads, 1.0 / threads, 1.2 / threads]}
            for contender in ("engine", "step") for name in CRYSTALS for threads in (1, 2)]},
        "memory": [{"what": "import", "crystal": "", "batch": 0, "mib": 512.0}]
        + [{"what": what, "crystal": name, "batch": batch, "mib": mib} for name in CRYSTALS
           for what, batch, mib in (("step", 16, 640.0), ("step", 500, 1024.0), ("reference", 16, 4096.0))],
        "descent": {"crystal": "Na3MnCoNiO6", "batch": 16, "threads": 2, "seconds": 60.0, "steps": [1000, 3000],
                    "stop_reason": ["converged", "converged"], "start_loss": [0.0, 0.0], "end_loss": [-1.0, -1.0]},
    }  # fmt: skip


def _peer(name: str, computes: str) -> dict[str, Any]:
    return {
        "contender": name, "label": name.title(), "package": name, "version": "1.0", "computes": computes,
        "compared": "patterns", "bound": 1e-3, "difference": 1e-5,
    }  # fmt: skip


def _series() -> list[dict[str, Any]]:
    wanted = [(name, BATCH, 1, ms) for name, ms in MILLISECONDS.items()]
    wanted += [("engine", batch, threads, 0.5 / threads) for batch in (1, 512) for threads in (1, 2)]
    return [
        {"contender": name, "crystal": crystal, "batch": batch, "threads": threads,
         "seconds": [factor * k * ms * batch / 1000 for factor in (0.9, 1.0, 1.2)]}
        for k, crystal in enumerate(CRYSTALS, 1)
        for name, batch, threads, ms in wanted
    ]  # fmt: skip
