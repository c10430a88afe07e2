"""Whether the neurons add up, or stand in for each other."""
