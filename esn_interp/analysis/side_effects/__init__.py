"""What an edit costs elsewhere."""
