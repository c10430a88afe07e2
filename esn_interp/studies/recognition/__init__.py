"""The study of recognition: every model on every corpus."""
