"""The study's experiment in small, on a crystal of the user's own."""
