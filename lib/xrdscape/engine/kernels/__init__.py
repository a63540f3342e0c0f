"""The compiled inner loops of the engine; each has a plain torch twin that defines it."""
