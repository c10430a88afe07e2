"""How toy-omni is built and trained."""
