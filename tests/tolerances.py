"""Every tolerance of the test suite, each with the reason for its size."""

import torch

# Order: by the module that is tested, along the pipeline.

# Command line
XY_FILE = 1e-5  # an .xy file holds six digits of the angle and eight of the intensity

# Cell, reflections, scattering, profile, pattern, descent.
ROUNDING = 1e-10
"""Relative. Two ways to one float64 number through some dozen operations and a square root or an arc cosine:
each loses a few of 16 digits, the arc cosine near 0 or 180 deg half of the rest."""
SUMMED = 1e-8
"""Relative to the maximum. Patterns of one crystal described in two ways: some hundred reflections, whose
structure factors cancel in part, so that their rounding shows."""
ABSENT = 1e-16
"""|F|^2 of an extinct reflection against the strongest: the square of what rounding of coordinates and phases
leaves of F."""
ORACLE_ANGLE_DEG = 1e-6
"""The project's claim against pymatgen. Both round in float64, so 1e-10 is seen."""
ORACLE_INTENSITY = 1e-6
"""Relative; the project's claim against pymatgen. Both round in float64, so 1e-10 is seen."""
FLOAT32_PATTERN = 3e-5
"""Relative to the maximum, against float64 from unrounded parameters. Rounding a length to 3e-8 of itself moves a peak
near 90 deg by 4e-6 deg, on flanks as steep as 3 / deg; the engine itself adds 1e-6."""
FLOAT32_LOSS = 3e-6
"""Absolute; the project's claim. A loss is of order 1; float32 keeps 6e-8, and sums of thousands of numbers lose a
factor of ten or so."""
RULE = 1e-6
"""Relative. Some tens of steps of one formula in another order; a matrix product may sum another batch otherwise."""
BLUR = {torch.float32: 1e-7, torch.float64: 1e-14}
"""Of patterns of size 1. Sums are in float64; the result is rounded to the pattern's own precision."""
BLUR_WIDTH = 0.06
"""Relative. Three moving averages are not quite a Gaussian, and bins are counted whole: 0.2 deg are twenty of them."""
STRIDE = 1e-9
"""Relative. Some tens of steps of a descent in float64 by the same formulas in another order: each step magnifies the
rounding of the one before."""
JUDGED_ALONE = 1e-12
"""Relative. Sums of 9,000 products in float64 in another order: some 1e-14, with room."""
REDUCED_LOSS = 1e-10
"""Absolute. The same number in float64 by sums in another order; the project claims 1e-6."""
REDUCED_GRADIENT = 1e-7
"""Relative to the largest, float64. As above; at small displacements the loss is nearly flat and terms cancel."""
ONE_LINE = 1e-6
"""Absolute; the project's claim. Reflections less than 1e-5 deg apart are drawn as one where the cell stays."""
FLOAT32_GRADIENT = 1e-4
"""Relative to the largest; the project's claim. Sums of terms of both signs over the whole grid cancel in part."""
CUDA = 1e-5
"""Relative to the largest; the project's claim. The same formulas on another device, in float32 in another order."""
COMPILED = 1e-9
"""Relative to the largest, float64; the project's claim. Two programs for one formula: some dozen operations a
reflection, the exponentials good to 1e-13; the gradient's sums cancel in part."""
KERNEL = 1e-11
"""Relative to the largest, float64. The kernel's exponential is good to 1e-13, its Gaussian ends below 1e-16 of its
height, its tails are interpolated to 5.8^-20 = 5e-16 of themselves; the sums run in another order."""
KERNEL_FLOAT32 = 1e-5
"""Relative to the largest, float32, against float64 from the same peaks, the narrowest as wide as one step. Offsets are
rounded to 3e-5 of a step, the exponential's squarings lose 32 times 6e-8; tails are interpolated to 5.8^-8 = 8e-7 of
themselves, from nodes whose place is rounded to 5e-4 of a step at 160 steps and more."""
DERIVATIVE_FLOAT32 = 3e-5
"""Relative to the largest. As above, but sums of terms of both signs, which cancel."""
GRADCHECK = {"eps": 1e-6, "atol": 1e-6, "rtol": 1e-4}
"""For patterns scaled to maximum 1. Central differences of step 1e-6 (angstrom, degree, fraction) are off by
1e-6^2 times the third derivative (up to 1e5 for h x near 10) and by rounding, 1e-16 / 1e-6."""
JUMP = 1e-3
"""Relative to the maximum. What a single reflection at the edge adds to the pattern is above this when it
enters at once, and far below it when it enters through a taper, for a change of the cell by 1e-5."""
RECOVERED = 2e-5
"""Relative. How near a float32 descent comes to the true lattice: float32 keeps 6e-8, and near the truth the
cosine, 1 minus a number times the square of the strain, goes flat in float32 for strains below 1e-5."""
LOG_AXIS_PLACE = 0.1
"""Bins. A peak of thirty bins and more, interpolated between its values."""
LOG_AXIS_LOPSIDED = 1.0
"""Bins. The same against Bragg's law: a peak that is even in two theta is not quite so in ln d."""
LOG_AXIS_AREA = 1e-3
"""Relative. As above: the sum over a peak whose tan(theta) varies by some hundredths across it."""
FINISHED = 1e-8
"""Relative. In float64 the residual of the true pattern is 0, so the last steps square what is left of the way."""
FINISHED_ANGLE = 1e-4
"""Relative. A pattern is even in an angle that symmetry holds at 90 deg: it has no slope there, and steps only halve
what is left of the way. For float32, of all parameters; see RECOVERED."""
SYMMETRIC = 1e-6
"""Fractional. The reference files give six decimals; averaging over the operations moves sites by as much."""

TANGENTS = 1e-12
"""Of the largest. The same sum of some hundred float64 terms in another order; 5e-14 was seen."""
SINGLE_TANGENTS = 3e-6
"""Of the largest. Sums of some hundred float32 terms with tails by interpolation in float32; 9e-7 was seen."""
TANGENTS_BY_DIFFERENCES = 1e-6
"""Of the largest. Central differences over 1e-6 of a parameter: the third derivative adds h^2 / 6 of itself, rounding
1e-16 over the step times the pattern's maximum over its largest slope."""

# Structures, similarity, noise, evaluation, energy
CIF_COORDINATE = 1e-6
"""Fractional. The source facts give six decimals; 1/3 and 2/3 are restored, which moves them by 3e-7."""
CIF_FRACTION = 1e-8
"""Fractional. Thirds are written with twelve decimals."""
TENSOR_ROUND_TRIP = 1e-9
"""Angstrom, degree or fraction. Cell parameters -> vectors -> parameters in float64."""
SIMILARITY = 1e-10
"""Absolute. The same sum of a few hundred float64 terms of order 1 taken in another order."""
SIMILARITY_FLOAT32 = 2e-5
"""Absolute. Sums of several hundred float32 terms; the entropies cancel to about a tenth of themselves."""
STANDARD_ERRORS = 4.5
"""A fixed-seed mean or variance lies within so many of its own standard errors: one in 150,000 would not."""
PINNED_DRAW = 1e-12
"""A regenerated start must be the stored one up to the rounding of one matrix product."""
KNOWN_DISTANCE = 1e-6
"""Angstrom. The package that computes distances collapses rows nearer than 1e-4; none are in these pairs."""
QUANTILE = 1e-9
"""Absolute. Quantiles of the beta distribution are found iteratively to about 1e-12."""
MI_BIAS = 0.04
"""Nats. Mean of twelve estimates of sampling sd 0.04 (n = 400), so 0.012, plus a bias of at most 0.02."""
ENERGY = 1e-4
"""eV/atom. The network runs in float32, whose sums differ with batching by some 1e-6 of 10 eV."""
SINGLE_PRECISION_ENERGY = 1e-5
"""Of the largest force or stress. CHGNet's float32 gradients, summed in another order: some 1e-6 was seen."""
RELAXED_ENERGY = 2e-3
"""eV/atom. Two starts relax to one minimum up to forces of 0.02 eV/angstrom."""
FORCE_BY_DIFFERENCES = 1e-4
"""eV/angstrom. Energies of some ten eV in float64, at places 2e-5 angstrom apart: their rounding is some 1e-9 of that,
and the third derivative, of some 1e5, adds h^2 / 6 of itself."""
COSINE_AT_TRUTH = 1e-6
"""Relative. Patterns of the same crystal in float64 by two ways, the target through the simulator."""

# Figures' own computations
DEMONSTRATED_GRADIENT = 1e-5
"""Relative to the largest. Central differences with the chapter's steps (1e-5 and 1e-6 angstrom or degree): rounding,
1e-16 over the step, times the pattern's maximum over its largest slope."""
COARSE_GRID = 1e-2
"""Of the maximum. How many fine bins a blur averages is rounded, at the narrowest blur by 2 % of its width."""

# Refinement against a pattern
CELL_FROM_PATTERN = 1e-4
"""Relative. The pattern's file keeps six digits of an angle; the fit stops where its sum of squares stands still."""

# Patterns of nanocrystals
FINITE_SIZE = 1e-8
"""Relative to the maximum; the project's claim. The closed form subtracts numbers that are up to some hundred times
their difference; the sum that it is held against is exact to rounding."""
FINITE_SIZE_SLOPE = 1e-6
"""Relative to the largest. Central differences over 1e-5 1/angstrom: the third derivative, over the slope up to some
1e4, adds h^2 / 6 of itself, rounding 1e-13 over the step."""
SAME_RESIDUAL = 1e-6
"""Absolute; the project's claim. Two programs for one list of lines, both in float64: 1e-25 was seen."""
PAIR_SUM = 1e-5
"""Relative. Distances are put into bins of 0.01 angstrom with their means: an error of (Q 0.01)^2 / 72 at most; the
other program's numbers have seven digits, its form factors' coefficients six."""
SAME_LINES = 1e-12
"""Relative. Bragg's law in float64 by two formulas."""

# Solution
MESH = 1e-5
"""Relative to the maximum, against a sum of peaks. The spline widens a peak by a variance that the Gaussian gives back;
what is left is of fourth order in the step: 6e-6 was seen at 5.4 nodes a standard deviation."""
MESH_SLOPE = 2e-5
"""Relative to the largest of a column. Central differences over 1e-4 of a strain or angstrom: form factors are lines
between 2048 nodes, whose kinks the differences straddle, and the spline's third derivative jumps at its nodes."""
PEAKS_OF_PYMATGEN = 1e-6
"""Relative to the strongest. Form factors are lines between 2048 nodes of Q, 1e-7 off."""
LIBRARY_ROUNDING_ANGSTROM = 2e-3
"""Coordinates are kept to 1/131040 of an edge, up to 4e-4 angstrom in the longest cells, and cells in float32."""
ORTHONORMAL = 1e-9
"""Absolute. Products of unit vectors in float64; cells with rounded angles add some 1e-10."""
