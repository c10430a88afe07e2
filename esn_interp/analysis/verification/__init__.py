"""Whether a model does here what it does by itself."""
