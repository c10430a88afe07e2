"""Whether sets hold the same neurons."""
