"""A batch spread over threads gives what one thread gives."""

import itertools
import os
from collections.abc import Iterator

import numba
import pytest
import torch

from xrdscape.crystal.structures import load_structure, to_tensors
from xrdscape.diffraction.pattern import Simulator
from xrdscape.runtime import threads
from xrdscape.runtime.threads import over_samples, use_threads
from xrdscape.study.starts import start


@pytest.fixture(autouse=True)
def _one_thread_again() -> Iterator[None]:
    yield
    use_threads(1)


@pytest.fixture
def many_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", max(50, numba.config.NUMBA_NUM_THREADS))
    monkeypatch.setattr(numba, "set_num_threads", lambda count: None)


def parts_of(batch: int, reflections: int) -> list[tuple[int, int]]:
    """The ranges that samples are done in."""
    parts: list[tuple[int, int]] = []
    over_samples(
        lambda first, last: parts.append((first, last)),
        lambda bounds: parts.extend(itertools.pairwise(bounds.tolist())),
        batch,
        reflections,
    )
    return parts


@pytest.mark.usefixtures("many_cores")
@pytest.mark.parametrize("count", [1, 2, 3, 50])
@pytest.mark.parametrize("batch", [0, 1, 2, 7])
def test_every_sample_is_done_once(count: int, batch: int) -> None:
    use_threads(count)
    parts = parts_of(batch, 10_000)
    assert [sample for part in parts for sample in range(*part)] == list(range(batch))
    assert len(parts) == max(1, min(count, batch))


@pytest.mark.usefixtures("many_cores")
def test_small_batches_stay_on_the_calling_thread() -> None:
    use_threads(4)
    assert parts_of(4, threads.REFLECTIONS_PER_THREAD // 4) == [(0, 4)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system that forks")
def test_a_forked_process_stays_on_one_thread() -> None:
    use_threads(2)
    simulator = Simulator(load_structure("U2Ti"))
    given = to_tensors([start("U2Ti", "lattice", 0.1, copy) for copy in range(4)])
    here = simulator(*given)
    child = os.fork()
    if child == 0:
        use_threads(2)
        os._exit(0 if threads.thread_count() == 1 and torch.equal(simulator(*given), here) else 1)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("count", [2, 3, 4])
def test_patterns_and_gradients_do_not_depend_on_the_threads(count: int) -> None:
    reference = load_structure("U2Ti")
    lattice, sites = to_tensors([start("U2Ti", "lattice", 0.1, copy, structure=reference) for copy in range(7)])
    simulator = Simulator(reference)
    results = []
    for number in (1, count):
        use_threads(number)
        cells = lattice.clone().requires_grad_()
        pattern = simulator(cells, sites)
        results.append((pattern.detach(), *torch.autograd.grad(pattern.sqrt().sum(), cells)))
    for one, many in zip(*results, strict=True):
        torch.testing.assert_close(many, one, rtol=0, atol=0)
