"""What steering does to generated speech."""
