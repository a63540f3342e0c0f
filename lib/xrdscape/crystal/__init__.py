"""Crystals: reading them, their cells, their symmetry, and random distortions of them."""
