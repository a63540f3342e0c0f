"""From peaks to a pattern: the one expensive operation, [batch, reflections] to [batch, n], as one operator.

`peaks_to_pattern` is what the simulator calls. On the CPU it runs a compiled kernel with a hand-written backward;
elsewhere it falls back on `peaks_to_pattern_reference`, a few lines of plain torch that define what it computes and
that the tests hold the kernel against.
"""

import math
from functools import lru_cache
from typing import Any

import numba
import numpy as np
import torch
from jaxtyping import Float
from numba import njit, prange
from torch import Tensor
from torch.autograd.function import once_differentiable

from xrdscape.profile import FOUR_LN2, pseudo_voigt

# Past this many FWHM the Gaussian is below 1e-16 of its height and is left out. The Lorentzian is never cut.
GAUSSIAN_REACH_FWHM = 3.65
# In float32 the pattern is tabulated on a grid with at least this many steps a FWHM (the original has 30) and
# interpolated from this many neighbours; more than fourfold would only make the interpolation the larger cost.
COARSE_STEPS_PER_FWHM = 7.5
TAPS = 8
LARGEST_COARSENING = 4
# exp(-z) for 0 <= z <= 4 ln2 3.65^2 = 37 by a polynomial in -z/64 and six squarings: it vectorises, the library's
# exponential does not. Terms of the Taylor series up to (37/64)^13 / 13! = 1e-13.
_SQUARINGS = 6
_TAYLOR = [1.0 / math.factorial(k) for k in range(13, -1, -1)]
# What the kernels need besides the peaks, in the peaks' precision: a float64 literal would lift all to float64.
_CONSTANTS = np.array([1.0, 2.0, FOUR_LN2, -1 / 2**_SQUARINGS, *_TAYLOR])
# Reordering sums and fusing multiply-add is allowed, so that loops vectorise; NaN and infinity keep their meaning.
_FAST = {"reassoc", "contract", "arcp", "nsz"}


def peaks_to_pattern(
    centre_deg: Float[Tensor, "batch peaks"],
    height: Float[Tensor, "batch peaks"],
    fwhm_deg: Float[Tensor, "batch peaks"],
    two_theta_deg: Float[Tensor, "n"],
    eta: float,
    narrowest_fwhm_deg: float = 0.0,
) -> Float[Tensor, "batch n"]:
    """Sum of pseudo-Voigt peaks on a grid, differentiable in centre, height and width.

    In float64 the result is exact to rounding. In float32 on the CPU it is computed on a coarser grid, where the peaks
    are wide enough, and interpolated: exact to 1e-4 of a peak's height (see `interpolation_weights`).

    Args:
        centre_deg, height, fwhm_deg: the peaks; a peak of height exactly 0 contributes nothing and receives no
            gradient (it stands for padding, or for a reflection outside the range).
        two_theta_deg: equally spaced grid, ascending.
        eta: fraction of Gaussian.
        narrowest_fwhm_deg: width that no peak falls below, which allows the coarser grid; 0 if unknown.

    Source: eq:pattern of the simulator chapter.
    """
    if centre_deg.device.type != "cpu":
        return peaks_to_pattern_reference(centre_deg, height, fwhm_deg, two_theta_deg, eta)
    n = two_theta_deg.shape[0]
    start, step = float(two_theta_deg[0]), float(two_theta_deg[-1] - two_theta_deg[0]) / max(n - 1, 1)
    factor = _coarsening(narrowest_fwhm_deg, step) if centre_deg.dtype == torch.float32 and n >= TAPS else 1
    if factor == 1:
        return _FusedPeaks.apply(centre_deg, height, fwhm_deg, two_theta_deg, eta)
    coarse_grid, weights = _coarse(start, step, n, factor)
    coarse = _FusedPeaks.apply(centre_deg, height, fwhm_deg, coarse_grid, eta)
    return (coarse.unfold(-1, TAPS, 1) @ weights).flatten(-2)[..., :n]


def _coarsening(narrowest_fwhm_deg: float, step_deg: float) -> int:
    """How many steps of the grid one step of the coarse grid may span."""
    return max(1, min(LARGEST_COARSENING, int(narrowest_fwhm_deg / (COARSE_STEPS_PER_FWHM * step_deg))))


@lru_cache
def _coarse(start: float, step: float, n: int, factor: int) -> tuple[Tensor, Tensor]:
    """The coarse grid, with a margin for the interpolation at either end, and the weights; float32."""
    steps = torch.arange(-(-n // factor) + TAPS - 1, dtype=torch.float64) - (TAPS // 2 - 1)
    weights = torch.from_numpy(interpolation_weights(factor))
    return (start + steps * (factor * step)).float(), weights.float()


def interpolation_weights(factor: int) -> np.ndarray:
    """Weights [TAPS, factor] that give `factor` fine values from `TAPS` coarse ones, the first at the fourth of these.

    They are those of least squared error for a Lorentzian of the narrowest width allowed, `COARSE_STEPS_PER_FWHM`
    coarse steps, that may stand anywhere: with R the autocorrelation of that Lorentzian (again one, twice as wide),
    they solve sum_t' R(t - t') w_t' = R(t - r / factor). The error is then below 1e-4 of the height of any wider peak.
    """
    taps = np.arange(TAPS) - (TAPS // 2 - 1)
    fine = np.arange(factor) / factor

    def autocorrelation(shift: np.ndarray) -> np.ndarray:
        return 1 / (1 + (shift / COARSE_STEPS_PER_FWHM) ** 2)

    return np.linalg.solve(autocorrelation(taps[:, None] - taps[None]), autocorrelation(taps[:, None] - fine[None]))


def peaks_to_pattern_reference(
    centre_deg: Float[Tensor, "batch peaks"],
    height: Float[Tensor, "batch peaks"],
    fwhm_deg: Float[Tensor, "batch peaks"],
    two_theta_deg: Float[Tensor, "n"],
    eta: float,
) -> Float[Tensor, "batch n"]:
    """The definition of `peaks_to_pattern` in plain torch. Needs memory for [batch, peaks, n] values."""
    offset = two_theta_deg - centre_deg[..., None]
    return (height[..., None] * pseudo_voigt(offset, fwhm_deg[..., None], eta)).sum(1)


class _FusedPeaks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, centre, height, fwhm, grid, eta):  # type: ignore[no-untyped-def]
        inputs = [t.detach().contiguous() for t in (centre, height, fwhm)]
        ctx.save_for_backward(*inputs, grid)
        ctx.eta = eta
        pattern = torch.zeros(centre.shape[0], grid.shape[0], dtype=centre.dtype)
        _forward(*(t.numpy() for t in inputs), grid.numpy(), *_typed(eta, centre), pattern.numpy())
        return pattern

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):  # type: ignore[no-untyped-def]
        centre, height, fwhm, grid = ctx.saved_tensors
        outputs = [torch.zeros_like(centre) for _ in range(3)]
        _backward(
            *(t.numpy() for t in (centre, height, fwhm, grid)),
            *_typed(ctx.eta, centre),
            gradient.contiguous().numpy(),
            *(t.numpy() for t in outputs),
        )
        return *outputs, None, None


def _typed(eta: float, like: Tensor) -> tuple[Any, np.ndarray]:
    constants = _CONSTANTS.astype(np.float32 if like.dtype == torch.float32 else np.float64)
    return constants.dtype.type(eta), constants


@njit(inline="always", fastmath=_FAST, error_model="numpy")
def _exp_minus(z, constants):  # type: ignore[no-untyped-def]
    t = z * constants[3]
    value = t * constants[4] + constants[5]
    for k in range(6, 18):
        value = value * t + constants[k]
    for _ in range(_SQUARINGS):
        value = value * value
    return value


@njit(inline="always")
def _window(centre, fwhm, start, step, n):  # type: ignore[no-untyped-def]
    """First and last-plus-one grid index that the Gaussian part reaches."""
    half = GAUSSIAN_REACH_FWHM * fwhm
    first = int(max(0.0, np.ceil((centre - half - start) / step)))
    last = int(min(float(n), np.floor((centre + half - start) / step) + 1))
    return first, max(first, last)


@njit
def _grouped(centre, height, fwhm):  # type: ignore[no-untyped-def]
    """The peaks that count, packed to a multiple of four: index (-1 for filling), centre, and H^2/4."""
    count = 0
    for m in range(height.shape[0]):
        if height[m] != 0:
            count += 1
    size = (count + 3) // 4 * 4
    index = np.full(size, -1)
    c = np.zeros(size, centre.dtype)
    q = np.ones(size, centre.dtype)
    quarter = fwhm.dtype.type(0.25)
    k = 0
    for m in range(height.shape[0]):
        if height[m] != 0:
            index[k], c[k], q[k] = m, centre[m], fwhm[m] * fwhm[m] * quarter
            k += 1
    return index, c, q


@njit(parallel=True, fastmath=_FAST, error_model="numpy", cache=True)
def _forward(centre, height, fwhm, grid, eta, constants, pattern):  # type: ignore[no-untyped-def]
    """Four Lorentzians at a time, (H^2/4) / (H^2/4 + u^2) each, brought to one denominator: one division for four."""
    n = grid.shape[0]
    one, four_ln2 = constants[0], constants[2]
    step = (grid[-1] - grid[0]) / (n - 1) if n > 1 else 1.0
    for b in prange(centre.shape[0]):
        y = pattern[b]
        index, c, q = _grouped(centre[b], height[b], fwhm[b])
        a = np.zeros_like(q)
        for k in range(index.shape[0]):
            if index[k] >= 0:
                a[k] = (one - eta) * height[b, index[k]] * q[k]
        for k in range(0, index.shape[0], 4):
            c0, c1, c2, c3 = c[k], c[k + 1], c[k + 2], c[k + 3]
            q0, q1, q2, q3 = q[k], q[k + 1], q[k + 2], q[k + 3]
            a0, a1, a2, a3 = a[k], a[k + 1], a[k + 2], a[k + 3]
            for i in range(n):
                x = grid[i]
                d0 = q0 + (x - c0) * (x - c0)
                d1 = q1 + (x - c1) * (x - c1)
                d2 = q2 + (x - c2) * (x - c2)
                d3 = q3 + (x - c3) * (x - c3)
                d01 = d0 * d1
                d23 = d2 * d3
                y[i] += ((a0 * d1 + a1 * d0) * d23 + (a2 * d3 + a3 * d2) * d01) / (d01 * d23)
        for k in range(index.shape[0]):
            m = index[k]
            if m < 0:
                continue
            first, last = _window(c[k], fwhm[b, m], grid[0], step, n)
            narrow = y[first:last]
            x_near = grid[first:last]
            amplitude = height[b, m] * eta
            steepness = four_ln2 / (fwhm[b, m] * fwhm[b, m])
            for i in range(narrow.shape[0]):
                u = x_near[i] - c[k]
                narrow[i] += amplitude * _exp_minus(steepness * u * u, constants)


@njit(fastmath=_FAST, error_model="numpy")
def _lorentz_sums(grid, gradient, c, q, sums):  # type: ignore[no-untyped-def]
    """For each peak, with r = 1 / (H^2/4 + u^2): the sums of g r, g r^2 and g r^2 u over the grid; two at a time."""
    one = c.dtype.type(1)
    for k in range(0, c.shape[0], 2):
        c0, c1, q0, q1 = c[k], c[k + 1], q[k], q[k + 1]
        r0 = r1 = s0 = s1 = t0 = t1 = one - one
        for i in range(grid.shape[0]):
            u0 = grid[i] - c0
            u1 = grid[i] - c1
            d0 = q0 + u0 * u0
            d1 = q1 + u1 * u1
            inverse = one / (d0 * d1)
            i0 = inverse * d1
            i1 = inverse * d0
            w0 = gradient[i] * i0
            w1 = gradient[i] * i1
            r0 += w0
            r1 += w1
            s0 += w0 * i0
            s1 += w1 * i1
            t0 += w0 * i0 * u0
            t1 += w1 * i1 * u1
        sums[k, 0], sums[k, 1], sums[k, 2] = r0, s0, t0
        sums[k + 1, 0], sums[k + 1, 1], sums[k + 1, 2] = r1, s1, t1


@njit(parallel=True, fastmath=_FAST, error_model="numpy", cache=True)
def _backward(centre, height, fwhm, grid, eta, constants, gradient, d_centre, d_height, d_fwhm):  # type: ignore[no-untyped-def]
    """With q = H^2/4, r = 1 / (q + u^2), L = q r: dL/dcentre = 2 q r^2 u, dL/dH = (r - q r^2) H/2;
    with G = exp(-4 ln2 u^2/H^2): dG/dcentre = G 8 ln2 u/H^2, dG/dH = G 8 ln2 u^2/H^3."""
    n = grid.shape[0]
    one, two, four_ln2 = constants[0], constants[1], constants[2]
    step = (grid[-1] - grid[0]) / (n - 1) if n > 1 else 1.0
    for b in prange(centre.shape[0]):
        index, c, q = _grouped(centre[b], height[b], fwhm[b])
        sums = np.zeros((index.shape[0], 3), centre.dtype)
        _lorentz_sums(grid, gradient[b], c, q, sums)
        for k in range(index.shape[0]):
            m = index[k]
            if m < 0:
                continue
            h, width = height[b, m], fwhm[b, m]
            first, last = _window(c[k], width, grid[0], step, n)
            narrow = gradient[b, first:last]
            x = grid[first:last]
            steepness = four_ln2 / (width * width)
            s_g = s_gu = s_gu2 = one - one
            for i in range(narrow.shape[0]):
                u = x[i] - c[k]
                weighted = narrow[i] * _exp_minus(steepness * u * u, constants)
                s_g += weighted
                s_gu += weighted * u
                s_gu2 += weighted * u * u
            lorentz = one - eta
            d_height[b, m] = lorentz * q[k] * sums[k, 0] + eta * s_g
            d_centre[b, m] = h * two * (lorentz * q[k] * sums[k, 2] + eta * steepness * s_gu)
            d_fwhm[b, m] = h * (
                lorentz * (sums[k, 0] - q[k] * sums[k, 1]) * width / two + eta * two / width * steepness * s_gu2
            )


def use_threads(count: int) -> None:
    """Number of threads over which a batch is spread in this process."""
    numba.set_num_threads(count)
    torch.set_num_threads(count)
