"""The way from a pattern to the crystals that explain it: objectives, parameters, steps, blurs and searches."""
