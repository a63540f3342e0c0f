"""Small computations that chapters show."""
