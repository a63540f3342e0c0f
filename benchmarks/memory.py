"""Peak memory of one thing done in a fresh process: `memory.py import | step | reference [CRYSTAL BATCH]`.

Prints the largest resident set in MiB, the interpreter and all imports included.
"""

import resource
import sys
from pathlib import Path


def main(what: str, crystal: str = "U2Ti", batch: str = "16") -> None:
    """Do one thing and print the peak."""

    from xrdscape.optimisation.descent import step
    from xrdscape.runtime.threads import use_threads
    from xrdscape.timing.measure import dense_patterns, descent_of, loss_through, make_case

    use_threads(1)
    if what == "step":
        step(*descent_of(make_case(crystal, int(batch))))
    elif what == "reference":
        loss_through(make_case(crystal, int(batch)), dense_patterns)
    elif what != "import":
        raise SystemExit(f"memory.py: import, step or reference, received {what}")
    print(round(peak_mib(), 1))


def peak_mib() -> float:
    """Return the largest resident set of this process so far."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not getrusage, which on Linux hands a child the peak of the process that started it.
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main(*sys.argv[1:])
