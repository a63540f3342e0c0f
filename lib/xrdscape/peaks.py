"""From peaks to a pattern: the one expensive operation, [batch, reflections] to [batch, n], as one operator.

`peaks_to_pattern` is what the simulator calls. On the CPU it runs a compiled kernel with a hand-written backward;
elsewhere it falls back on `peaks_to_pattern_reference`, a few lines of plain torch that define what it computes and
that the tests hold the kernel against.
"""

import math

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
) -> Float[Tensor, "batch n"]:
    """Sum of pseudo-Voigt peaks on a grid, differentiable in centre, height and width.

    Args:
        centre_deg, height, fwhm_deg: the peaks; a peak of height exactly 0 contributes nothing and receives no
            gradient (it stands for padding, or for a reflection outside the range).
        two_theta_deg: equally spaced grid, ascending.
        eta: fraction of Gaussian.

    Source: eq:pattern of the simulator chapter.
    """
    if centre_deg.device.type == "cpu":
        return _FusedPeaks.apply(centre_deg, height, fwhm_deg, two_theta_deg, eta)
    return peaks_to_pattern_reference(centre_deg, height, fwhm_deg, two_theta_deg, eta)


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


def _typed(eta: float, like: Tensor) -> tuple[np.floating, np.ndarray]:
    constants = _CONSTANTS.astype(np.float32 if like.dtype == torch.float32 else np.float64)
    return constants.dtype.type(eta), constants


@njit(inline="always", fastmath=_FAST)
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


@njit(parallel=True, fastmath=_FAST, cache=True)
def _forward(centre, height, fwhm, grid, eta, constants, pattern):  # type: ignore[no-untyped-def]
    n = grid.shape[0]
    one, two, four_ln2 = constants[0], constants[1], constants[2]
    step = (grid[-1] - grid[0]) / (n - 1) if n > 1 else 1.0
    for b in prange(centre.shape[0]):
        y = pattern[b]
        for m in range(centre.shape[1]):
            if height[b, m] == 0:
                continue
            c = centre[b, m]
            scale = two / fwhm[b, m]
            amplitude = height[b, m] * (one - eta)
            for i in range(n):
                t = (grid[i] - c) * scale
                y[i] += amplitude / (one + t * t)
            first, last = _window(c, fwhm[b, m], grid[0], step, n)
            narrow = y[first:last]
            x = grid[first:last]
            amplitude = height[b, m] * eta
            steepness = four_ln2 / (fwhm[b, m] * fwhm[b, m])
            for i in range(narrow.shape[0]):
                u = x[i] - c
                narrow[i] += amplitude * _exp_minus(steepness * u * u, constants)


@njit(parallel=True, fastmath=_FAST, cache=True)
def _backward(centre, height, fwhm, grid, eta, constants, gradient, d_centre, d_height, d_fwhm):  # type: ignore[no-untyped-def]
    """With L = 1 / (1 + 4u^2/H^2): dL/dcentre = L^2 8u/H^2, dL/dH = 2 (L - L^2) / H;
    with G = exp(-4 ln2 u^2/H^2): dG/dcentre = G 8 ln2 u/H^2, dG/dH = G 8 ln2 u^2/H^3."""
    n = grid.shape[0]
    one, two, four_ln2 = constants[0], constants[1], constants[2]
    step = (grid[-1] - grid[0]) / (n - 1) if n > 1 else 1.0
    for b in prange(centre.shape[0]):
        g = gradient[b]
        for m in range(centre.shape[1]):
            if height[b, m] == 0:
                continue
            c = centre[b, m]
            scale = two / fwhm[b, m]
            s_l = one - one
            s_l2 = one - one
            s_l2t = one - one
            for i in range(n):
                t = (grid[i] - c) * scale
                lorentz = one / (one + t * t)
                weighted = g[i] * lorentz
                squared = weighted * lorentz
                s_l += weighted
                s_l2 += squared
                s_l2t += squared * t
            first, last = _window(c, fwhm[b, m], grid[0], step, n)
            narrow = g[first:last]
            x = grid[first:last]
            steepness = four_ln2 / (fwhm[b, m] * fwhm[b, m])
            s_g = one - one
            s_gu = one - one
            s_gu2 = one - one
            for i in range(narrow.shape[0]):
                u = x[i] - c
                weighted = narrow[i] * _exp_minus(steepness * u * u, constants)
                s_g += weighted
                s_gu += weighted * u
                s_gu2 += weighted * u * u
            h = height[b, m]
            lorentz_share = one - eta
            d_height[b, m] = lorentz_share * s_l + eta * s_g
            d_centre[b, m] = h * (lorentz_share * two * scale * s_l2t + eta * two * steepness * s_gu)
            d_fwhm[b, m] = (
                h * two / fwhm[b, m] * (lorentz_share * (s_l - s_l2) + eta * steepness * s_gu2)
            )


def use_threads(count: int) -> None:
    """Number of threads over which a batch is spread in this process."""
    numba.set_num_threads(count)
    torch.set_num_threads(count)
