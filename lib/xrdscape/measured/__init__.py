"""Measured patterns: reading them, and refining a starting crystal against one."""
