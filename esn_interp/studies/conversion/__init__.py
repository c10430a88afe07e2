"""The study of emotion control in generated speech."""
