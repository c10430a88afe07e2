"""Gradient times gate: what every gate does for an answer, in one backward pass."""
