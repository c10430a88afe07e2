"""How fast the package is, always as a ratio to the plain model, measured side by side in one run."""
