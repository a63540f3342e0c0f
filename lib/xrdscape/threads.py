"""Work on a batch, spread over threads. The compiled loops release the interpreter's lock."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import torch

# Below so many reflections a thread would be handed too little work to be worth waking: some 0.1 ms.
REFLECTIONS_PER_THREAD = 128
_count = 1


def use_threads(count: int) -> None:
    """Over how many threads this process spreads the samples of a batch; one if never called.

    Torch is kept to one thread: its own would split arrays too small to gain by it, and wait for the next ones
    spinning, on the cores that the others need.
    """
    global _count
    _count = max(1, count)
    torch.set_num_threads(1)


def thread_count() -> int:
    """The number that `use_threads` was given last."""
    return _count


def over_samples(kernel: Callable[..., None], batch: int, reflections: int, *args: Any) -> None:
    """Call `kernel(first, last, *args)` for parts of the batch at once; the calling thread does the first."""
    threads = max(1, min(_count, batch, batch * reflections // REFLECTIONS_PER_THREAD))
    bounds = [batch * t // threads for t in range(threads + 1)]
    others = [_pool(threads - 1).submit(kernel, *bounds[t : t + 2], *args) for t in range(1, threads)]
    kernel(*bounds[:2], *args)
    for other in others:
        other.result()


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="samples")


# A forked process has the pool but not its threads.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)
