"""Losses and energies around a crystal: slices, their minima and barriers, and what a blur does to them."""
