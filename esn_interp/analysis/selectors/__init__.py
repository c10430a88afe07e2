"""What each selector finds, side by side."""
