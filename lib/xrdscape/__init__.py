"""Recovering crystal structures from powder X-ray diffraction by differentiable simulation."""

__version__ = "0.1.0"
