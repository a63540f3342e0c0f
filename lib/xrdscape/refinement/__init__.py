"""Refining a starting crystal against a pattern."""
