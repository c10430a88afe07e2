"""The study of the bundled model, with its report."""
