"""From a crystal to its powder pattern, differentiable in lattice and coordinates."""
