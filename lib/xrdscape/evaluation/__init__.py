"""Whether a result is the reference crystal, how far it is from it, and how surely rates and correlations are known."""
