"""Jobs: the pieces of work whose records are stored as one. Campaign, store and audit know the protocol `Job` alone."""

from xrdscape.study.jobs.artefact import ArtefactJob, artefact_jobs
from xrdscape.study.jobs.descent import DescentJob
from xrdscape.study.jobs.job import Job, Named
from xrdscape.study.jobs.reading import job_of
from xrdscape.study.jobs.relaxation import RelaxationJob
from xrdscape.study.jobs.search import SearchJob
from xrdscape.study.jobs.solution import SolutionJob

__all__ = [
    "ArtefactJob",
    "DescentJob",
    "Job",
    "Named",
    "RelaxationJob",
    "SearchJob",
    "SolutionJob",
    "artefact_jobs",
    "job_of",
]
