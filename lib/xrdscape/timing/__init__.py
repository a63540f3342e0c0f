"""Measurements of how exact and how fast the engine is."""
