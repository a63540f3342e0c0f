"""From a pattern to be explained to the crystals that explain it: objectives, parameters, steps, blurs and searches."""
