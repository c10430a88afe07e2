"""Figures: each function takes a result, computes nothing, and returns a `plotly.graph_objects.Figure`."""
