"""The compiled inner loops of descents; each has a plain torch twin that defines it."""
