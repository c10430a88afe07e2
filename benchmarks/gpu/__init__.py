"""Ratios at the size people use: the geometry of Qwen2.5-Omni-7B on one card, with random weights."""
