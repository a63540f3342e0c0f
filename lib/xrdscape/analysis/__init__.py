"""What came out: matches, distances, statistics, landscapes."""
