"""Silencing each emotion's neurons: what is lost of it, and of the others."""
