"""Every tolerance of the test suite, each with the reason for its size."""

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
FLOAT32_PATTERN = 1e-4
"""Relative to the maximum. The interpolation from the coarse grid promises this; rounding alone gives 2e-5:
x - centre near 90 deg keeps 24 bits of 90, an error of 4e-6 deg on a flank as steep as 3 / deg."""
FLOAT32_GRADIENT = 1e-3
"""Relative to the largest. As above, but sums of terms of both signs over the whole grid, which cancel in
part."""
KERNEL = 1e-11
"""Relative to the largest, float64. The kernel's exponential is good to 1e-13 and its Gaussian ends below
1e-16 of its height; the sums run in another order than the reference's."""
KERNEL_FLOAT32 = 1e-4
"""Relative to the largest, float32, against float64. Narrow peaks: a rounding error of the centre, 4e-6 deg,
against a width of 0.05 deg; wide peaks: what the interpolation from the coarse grid promises."""
INTERPOLATED_GRADIENT = 5e-3
"""Relative to the largest. Interpolation is good to 1e-4 for values; the derivative of a peak loses a factor of
some ten more, and the tests' functional oscillates faster (0.17 deg) than any pattern does."""
GRADCHECK = {"eps": 1e-6, "atol": 1e-6, "rtol": 1e-4}
"""For patterns scaled to maximum 1. Central differences of step 1e-6 (angstrom, degree, fraction) are off by
1e-6^2 times the third derivative (up to 1e5 for h x near 10) and by rounding, 1e-16 / 1e-6."""
JUMP = 1e-3
"""Relative to the maximum. What a single reflection at the edge adds to the pattern is above this when it
enters at once, and far below it when it enters through a taper, for a change of the cell by 1e-5."""
RECOVERED = 2e-5
"""Relative. How near a float32 descent comes to the true lattice: float32 keeps 6e-8, and near the truth the
cosine, 1 minus a number times the square of the strain, goes flat in float32 for strains below 1e-5."""

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
RELAXED_ENERGY = 2e-3
"""eV/atom. Two starts relax to one minimum up to forces of 0.02 eV/angstrom."""

# Figures' own computations
DEMONSTRATED_GRADIENT = 1e-5
"""Relative to the largest. Central differences with the chapter's steps (1e-5 and 1e-6 angstrom or degree): rounding,
1e-16 over the step, times the pattern's maximum over its largest slope."""
