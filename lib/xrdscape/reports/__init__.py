"""Reports to a user as files."""
