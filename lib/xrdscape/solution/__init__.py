"""From a pattern and a formula to crystals: prototypes, searches, candidates and their report."""
