"""A batch spread over threads gives what one thread gives."""

from collections.abc import Iterator

import pytest
import torch

from xrdscape import threads
from xrdscape.noise import start
from xrdscape.pattern import Simulator
from xrdscape.structures import load_structure, to_tensors
from xrdscape.threads import over_samples, use_threads


@pytest.fixture(autouse=True)
def _one_thread_again() -> Iterator[None]:
    yield
    use_threads(1)


@pytest.mark.parametrize("count", [1, 2, 3, 50])
@pytest.mark.parametrize("batch", [0, 1, 2, 7])
def test_every_sample_is_done_once(count: int, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "REFLECTIONS_PER_THREAD", 1)
    use_threads(count)
    done: list[int] = []
    over_samples(lambda first, last: done.extend(range(first, last)), batch, 5)
    assert sorted(done) == list(range(batch))


def test_small_batches_stay_on_the_calling_thread() -> None:
    use_threads(4)
    parts: list[tuple[int, int]] = []
    over_samples(lambda first, last: parts.append((first, last)), 4, threads.REFLECTIONS_PER_THREAD // 4)
    assert parts == [(0, 4)]


def test_an_error_on_another_thread_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "REFLECTIONS_PER_THREAD", 1)
    use_threads(2)

    def fail_late(first: int, last: int) -> None:
        if first:
            raise ValueError(f"sample {first}")

    with pytest.raises(ValueError, match="sample 2"):
        over_samples(fail_late, 4, 9)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_patterns_and_gradients_do_not_depend_on_the_threads(count: int) -> None:
    truth = load_structure("U2Ti")
    lattice, sites = to_tensors([start("U2Ti", "lattice", 0.1, copy, structure=truth) for copy in range(7)])
    simulator = Simulator(truth)
    results = []
    for number in (1, count):
        use_threads(number)
        cells = lattice.clone().requires_grad_()
        pattern = simulator(cells, sites)
        results.append((pattern.detach(), *torch.autograd.grad(pattern.sqrt().sum(), cells)))
    for one, many in zip(*results, strict=True):
        torch.testing.assert_close(many, one, rtol=0, atol=0)
