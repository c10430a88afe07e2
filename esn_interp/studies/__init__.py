"""Whole protocols, from one config to a folder with a report."""
