"""What the paper claims, the rule that tests each claim, and what our results say to it."""
