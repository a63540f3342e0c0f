"""The compiled inner loops of the simulator; each has a plain torch twin that defines it."""
