"""Evaluation of results: match with the reference, distance from it, and rates and correlations with intervals."""
