"""Work on a batch, spread over threads by compiled loops."""

import os
import threading
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import torch

from xrdscape.runtime.compiled import CONFIG

# Below so many reflections a thread would be handed too little work to be worth it: some 0.02 ms.
REFLECTIONS_PER_THREAD = 32
_count, _forked = 1, False
# Numba's plainest scheduler, used where OpenMP is missing, takes one caller at a time.
_one_caller = threading.Lock()


def use_threads(count: int) -> None:
    """Set the number of threads over which this process spreads the samples of a batch; one if never called, or in a
    forked process.

    Torch is kept to one thread: its own would split arrays too small to gain by it, and wait for the next ones
    spinning, on the cores that the others need.
    """
    global _count
    _count = 1 if _forked else max(1, min(count, CONFIG.NUMBA_NUM_THREADS))
    torch.set_num_threads(1)


def thread_count() -> int:
    """Return the number of threads in use."""
    return _count


def over_samples(one: Callable[..., None], many: Callable[..., None], batch: int, reflections: int, *args: Any) -> None:
    """Call `one(0, batch, *args)`, or `many(bounds, *args)` with the batch cut into a range for each thread."""
    threads = max(1, min(_count, batch, batch * reflections // REFLECTIONS_PER_THREAD))
    if threads == 1:
        one(0, batch, *args)
        return
    with _one_caller:
        numba.set_num_threads(threads)
        many(np.arange(threads + 1) * batch // threads, *args)


def _after_fork() -> None:
    """Fall back to one thread: OpenMP's do not survive a fork, and it ends a process that asks for them again."""
    global _count, _forked, _one_caller
    _count, _forked, _one_caller = 1, True, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
