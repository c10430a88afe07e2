"""A speech model as we see it: asked, read and edited at its gates."""
