"""How exact and how fast the engine is, measured."""
