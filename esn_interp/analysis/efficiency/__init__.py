"""How many clips it takes to find the neurons."""
