"""Claims of the paper, the rule that tests each of them, and what our results say to it."""
