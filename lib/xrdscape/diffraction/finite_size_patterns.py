"""Patterns of crystallites of finite size as plain sums of peaks over Q, differentiable in cell and coordinates.

The particle mesh (`kernels.mesh_kernel`) gives the same faster, with all its derivatives, for evenly spaced Q.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from xrdscape.diffraction.finite_size import FiniteSizeProfile
from xrdscape.diffraction.pattern import Simulator
from xrdscape.errors import InstrumentError


def finite_size_patterns(
    simulator: Simulator,
    lattice: Float[Tensor, "batch 6"],
    frac_coords: Float[Tensor, "batch sites 3"],
    profile: FiniteSizeProfile,
) -> Float[Tensor, "batch n"]:
    """Return patterns over Q whose peaks have the shape that a crystallite's size gives them.

    >>> import torch, xrdscape
    >>> from xrdscape.crystal.structures import to_tensors
    >>> from xrdscape.diffraction.axis import Axis
    >>> crystal = xrdscape.load_structure("U2Ti")
    >>> simulator = Simulator(crystal, xrdscape.Instrument(axis=Axis("q", 0.5, 8.0, 0.02)))
    >>> lattice, frac_coords = to_tensors([crystal])
    >>> lattice.requires_grad_()  # doctest: +ELLIPSIS
    tensor(...)
    >>> finite_size_patterns(simulator, lattice, frac_coords, FiniteSizeProfile(20.0, 0.05)).square().sum().backward()
    >>> lattice.grad.shape
    torch.Size([1, 6])

    Args:
        simulator: with an instrument on an axis of Q, of any wavelength and range; its own profile is not used.
        lattice: lattice parameters, angstrom and degrees.
        frac_coords: fractional coordinates, sites in the order of the simulator's.
        profile: the shape of all peaks.

    Raises:
        InstrumentError: the axis is not one of Q.
        CellError: for an impossible cell, or one that shows no reflections.
    """
    if simulator.instrument.axis.kind != "q":
        raise InstrumentError(
            "A crystallite's size widens peaks alike over Q. Give the simulator an instrument on an axis of Q: "
            'Instrument(axis=Axis("q", minimum, maximum, step)).'
        )
    reflections = simulator.reflections(lattice)
    peaks = simulator.peaks(lattice, reflections, simulator.geometrical(reflections, frac_coords))
    return summed_peaks(peaks.centre, peaks.height, simulator.grid, profile)


def summed_peaks(
    centre: Float[Tensor, "batch peaks"],
    height: Float[Tensor, "batch peaks"],
    q_inv_angstrom: Float[Tensor, "n"],
    profile: FiniteSizeProfile,
) -> Float[Tensor, "batch n"]:
    """Return sums of peaks of one shape and unit area times their heights, differentiable once in both.

    Args:
        centre: of each peak, 1/angstrom.
        height: of each, which is its area.
        q_inv_angstrom: where the patterns are wanted; need not be evenly spaced.
        profile: the shape.
    """
    summed: Tensor = _SummedPeaks.apply(centre, height, q_inv_angstrom, profile)
    return summed


class _SummedPeaks(torch.autograd.Function):
    """The sum, with its derivatives by the closed form of the profile's slope."""

    @staticmethod
    def forward(ctx: Any, centre: Tensor, height: Tensor, q: Tensor, profile: FiniteSizeProfile) -> Tensor:
        offset = (q.double()[None, :, None] - centre.double()[:, None, :]).cpu().numpy()
        shape = torch.from_numpy(profile(offset)).to(height)
        slope = torch.from_numpy(profile.slope(offset)).to(height)
        ctx.save_for_backward(shape, slope, height)
        return (shape @ height[..., None])[..., 0]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        shape, slope, height = ctx.saved_tensors
        row = gradient[:, None]
        return -height * (row @ slope)[:, 0], (row @ shape)[:, 0], None, None
