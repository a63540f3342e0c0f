"""Crystals from a pattern and a formula: prototypes, searches, candidates and their report."""
