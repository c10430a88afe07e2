"""Turning neurons up: what changes with the strength."""
