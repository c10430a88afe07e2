"""Colours, scales and the look of every figure; knows no result."""
