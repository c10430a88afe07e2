"""What listeners prefer."""
