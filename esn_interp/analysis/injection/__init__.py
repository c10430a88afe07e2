"""Steering clips whose emotion is not told."""
