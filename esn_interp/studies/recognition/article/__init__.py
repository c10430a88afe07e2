"""The page about one model on one corpus, told from beginning to end."""
