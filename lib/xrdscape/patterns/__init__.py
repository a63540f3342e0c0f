"""Measured patterns: reading them, and estimating what lies under their peaks."""
