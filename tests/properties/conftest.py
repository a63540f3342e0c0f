"""Profiles of the property-based tests: a few examples, the same in every run; many new ones on request.

`HYPOTHESIS_PROFILE=thorough pytest tests/properties` looks further.
"""

import os

from hypothesis import HealthCheck, settings

settings.register_profile("quick", derandomize=True, deadline=None, max_examples=50)
# Examples of this suite are whole crystals and patterns: making one takes as long as testing it.
settings.register_profile(
    "thorough",
    deadline=None,
    max_examples=500,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
