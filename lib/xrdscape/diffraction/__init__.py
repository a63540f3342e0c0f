"""The powder pattern of a crystal, differentiable in lattice and coordinates."""
