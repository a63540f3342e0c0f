"""The limit: floating-point operations that the operator from peaks to pattern needs, and that a core can do.

An operation is an addition, subtraction, multiplication or division; a fused multiply-add is two.
"""

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from xrdscape.diffraction.instrument import PAPER_INSTRUMENT, Instrument
from xrdscape.diffraction.kernels import peaks_kernel
from xrdscape.diffraction.pattern import Simulator
from xrdscape.diffraction.reflections import Reflections
from xrdscape.diffraction.structure_factors import GeometricalFactors

# THE OPERATOR'S WORK at one point, counted by hand in the loops of `peaks_kernel`: count again when these change.
# `_add_lorentzian`: u, 2 for q + u^2, the division, and the addition.
LORENTZ_FORWARD = 5
# `_lorentz_sums`: u, 2 for q + u^2, the division, g r, g r^2, and 1 + 1 + 2 for the three sums.
LORENTZ_BACKWARD = 10
# `exp_minus`: the argument, a polynomial of degree 7 and two powers (float32) or of degree 13 (float64), 5 or 6
# squarings.
EXPONENTIAL = {torch.float32: 1 + 2 * 7 + 2 + 5, torch.float64: 1 + 2 * 13 + 6}
# Around it, `_add_gaussian`: u, 2 for z, 2 to add; `_gauss_sums`: u, 2 for z, g e, g e u, and 1 + 1 + 2 for the sums.
GAUSS_FORWARD, GAUSS_BACKWARD = 5, 9

CHAINS, LINKS, VALUES = 8, 16, 4096
"""Chains of the loop below, which do not wait for each other, multiply-adds of each, and values that it runs over; they
stay in the first-level cache."""
RATE_SAMPLES, PASSES = 25, 40

Values = NDArray[np.float32]
Chains = tuple[np.float32, np.float32, np.float32, np.float32, np.float32, np.float32, np.float32, np.float32]


@dataclass(frozen=True)
class Work:
    """Work of the operator for a sample, forward and backward together: peaks, and operations by what they are for.

    `near` and `far`: Lorentzians point by point around each peak, and at nodes elsewhere.
    """

    peaks: float
    near: float
    far: float
    gaussians: float
    interpolation: float

    @property
    def operations(self) -> float:
        """All operations together."""
        return self.near + self.far + self.gaussians + self.interpolation


def operator_work(
    simulator: Simulator, lattice: Tensor, reflections: Reflections, geometrical: GeometricalFactors
) -> Work:
    """Return the operations of `peaks_to_pattern` and its backward for a batch of cells, a mean over the batch.

    Peaks of height 0 cost nothing.
    """
    with torch.no_grad():
        peaks = simulator.peaks(lattice, reflections, geometrical)
    counts = peaks.height != 0
    instrument, kind = simulator.instrument, np.dtype(str(simulator.dtype).removeprefix("torch."))
    grid = peaks_kernel.layout(instrument.n_steps, kind)
    (nodes, points), ratio = grid.to_points.shape, len(grid.to_segments.T) // len(grid.to_segments)
    blocks = -(-instrument.n_steps // (points * ratio))
    centre = ((peaks.centre[counts] - instrument.two_theta_min_deg) / instrument.step_deg).double().numpy()
    half = peaks_kernel.REACH_FWHM[kind] * (peaks.fwhm[counts] / instrument.step_deg).double().numpy()
    segment = np.floor(centre / points)
    near = _inside((segment - 1) * points, (segment + 2) * points, instrument.n_steps)
    block = np.floor(centre / (points * ratio))
    beside = _inside(block - 1, block + 2, blocks)
    at_segments = ratio * beside - _inside(segment - 1, segment + 2, ratio * blocks)
    window = _inside(np.ceil(centre - half), np.floor(centre + half) + 1, instrument.n_steps)
    fused_steps = peaks_kernel.STRIDE
    gauss = GAUSS_FORWARD + GAUSS_BACKWARD + 2 * EXPONENTIAL[simulator.dtype]
    lorentz, batch = LORENTZ_FORWARD + LORENTZ_BACKWARD, len(lattice)
    return Work(
        peaks=len(centre) / batch,
        near=float(near.sum()) * lorentz / batch,
        far=float((at_segments + blocks - beside).sum()) * nodes * lorentz / batch,
        gaussians=float((np.ceil(window / fused_steps) * fused_steps).sum()) * gauss / batch,
        # Forward and backward, a multiply-add for each point and node of its segment, each node and node of its block.
        interpolation=2.0 * 2.0 * (instrument.n_steps + blocks * ratio * nodes) * nodes,
    )


def _inside(first: NDArray[np.float64], last: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Return the number of points from `first` to before `last` that lie on a grid of n."""
    return np.clip(last, 0, n) - np.clip(first, 0, n)


def kernel_facts(instrument: Instrument | None = None) -> dict[str, Any]:
    """Return numbers on how the operator cuts the grid of an instrument, by the name that the appendix glues each
    under.

    `points` of a segment, `nodes` of a segment or block, `segments`, `ratio` of block to segment, `blocks`, and the
    bound on the error of a tail (see `tail_bound`); for float32 and, with the ending -64, for float64.
    """
    instrument = instrument or PAPER_INSTRUMENT
    facts: dict[str, Any] = {}
    for ending, name in (("", "float32"), ("-64", "float64")):
        kind = np.dtype(name)
        grid = peaks_kernel.layout(instrument.n_steps, kind)
        (nodes, points), ratio = grid.to_points.shape, len(grid.to_segments.T) // len(grid.to_segments)
        facts |= {
            f"points{ending}": points,
            f"nodes{ending}": nodes,
            f"segments{ending}": -(-instrument.n_steps // points),
            f"ratio{ending}": ratio,
            f"blocks{ending}": -(-instrument.n_steps // (points * ratio)),
            f"tail{ending}": tail_bound(instrument, kind),
        }
    return facts


def tail_bound(instrument: Instrument, kind: np.dtype) -> float:
    """Return the largest error of a peak's interpolated tail, relative to the peak's height.

    (H / 2) / (distance of a peak from a segment of nodes) / sinh(p arccosh 3), for the widest peak and the least
    distance, one segment.

    Source: eq:tail-error of the engine chapter.
    """
    nodes, points = peaks_kernel.layout(instrument.n_steps, kind).to_points.shape
    ends = torch.tensor([instrument.two_theta_min_deg, instrument.edge_deg], dtype=torch.float64)
    widest = float(instrument.fwhm_deg(ends).max())
    return widest / 2 / (points * instrument.step_deg) / math.sinh(nodes * math.acosh(3))


@njit(inline="always", fastmath={"contract"})
def _link(a: Chains, t: np.float32, c: Chains) -> Chains:
    """Return the eight chains after one multiply-add each."""
    return (
        a[0] * t + c[0], a[1] * t + c[1], a[2] * t + c[2], a[3] * t + c[3],
        a[4] * t + c[4], a[5] * t + c[5], a[6] * t + c[6], a[7] * t + c[7],
    )  # fmt: skip


@njit(fastmath={"contract"})
def _multiply_add(values: Values, constants: Values, out: Values) -> None:
    """Do CHAINS x LINKS multiply-adds for each value, in straight lines so that the loop over values vectorises."""
    c = (
        constants[0], constants[1], constants[2], constants[3],
        constants[4], constants[5], constants[6], constants[7],
    )  # fmt: skip
    for i in range(values.shape[0]):
        t = values[i]
        a = _link(_link(_link(_link(c, t, c), t, c), t, c), t, c)
        a = _link(_link(_link(_link(a, t, c), t, c), t, c), t, c)
        a = _link(_link(_link(_link(a, t, c), t, c), t, c), t, c)
        a = _link(_link(_link(_link(a, t, c), t, c), t, c), t, c)
        out[i] = a[0] + a[1] + a[2] + a[3] + a[4] + a[5] + a[6] + a[7]


def multiply_add_rates(samples: int = RATE_SAMPLES) -> NDArray[np.float64]:
    """Return the rate of float32 multiply-adds that one core reaches, in operations a second, [samples].

    As fast as numba compiles a loop of nothing else: the vector width is the one that numba chooses for this machine.
    """
    values = np.linspace(0.1, 0.9, VALUES, dtype=np.float32)
    constants = np.linspace(0.1, 0.2, CHAINS, dtype=np.float32)
    out = np.empty_like(values)
    _multiply_add(values, constants, out)
    rates = np.empty(samples)
    for k in range(samples):
        started = time.perf_counter()
        for _ in range(PASSES):
            _multiply_add(values, constants, out)
        rates[k] = 2.0 * CHAINS * LINKS * VALUES * PASSES / (time.perf_counter() - started)
    return rates
