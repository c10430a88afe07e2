"""What every page is made of: templates, styles, drawn figures, players."""
