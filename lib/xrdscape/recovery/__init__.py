"""From a distorted crystal back to the truth: noise, descent on the pattern, relaxation of the energy."""
