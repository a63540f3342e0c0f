"""Jobs made again from the settings that files of records hold."""

from collections.abc import Mapping
from typing import Any

from xrdscape.errors import RecordError
from xrdscape.optimisation.graduated import Narrowing
from xrdscape.optimisation.variants import ALL_METHODS
from xrdscape.study.jobs.artefact import ArtefactJob
from xrdscape.study.jobs.descent import DescentJob
from xrdscape.study.jobs.job import Job
from xrdscape.study.jobs.relaxation import RelaxationJob
from xrdscape.study.jobs.search import SearchJob
from xrdscape.study.jobs.solution import SolutionJob
from xrdscape.study.records import CHGNET, PUBLISHED_METHODS


def job_of(record: Mapping[str, Any]) -> Job:
    """Return the job whose settings a file of records holds.

    Raises:
        RecordError: for a method that is not known.
    """
    if "solution" in record:
        chosen = {
            name: record[name]
            for name in ("structure", "noise", "method", "first", "copies", "asked", "candidates", "seed")
        }
        return SolutionJob(**chosen, levels=tuple(record["levels"]))
    common = {"structure": record["structure"], "copies": int(record["copies"]), "seed": int(record["seed"])}
    common["levels"] = tuple(record["levels"])
    method = record["method"]
    if "flaw" in record:
        return ArtefactJob(
            **common,
            artefact=record["flaw"],
            size=record["flaw_size"],
            projected=bool(record["projected"]),
            narrowing=Narrowing(**record["narrowing"]),
        )
    if method == CHGNET:
        return RelaxationJob(**common, noise=record["noise"], max_steps=int(record["max_steps"]))
    if method in ALL_METHODS:
        return SearchJob(**common, method=method)
    if method not in PUBLISHED_METHODS:
        raise RecordError(f"These records come from a method that is not known here: {method!r}.")
    names = ("noise", "max_steps", "check_every", "tolerance", "learning_rate", "mse_maximum", "max_shift", "clamp")
    chosen = {name: record[name] for name in (*names, "dtype")}
    added = {name: record[name] for name in ("wavelength_angstrom", "taper_deg") if name in record}
    return DescentJob(**common, method=method, **chosen, **added)
