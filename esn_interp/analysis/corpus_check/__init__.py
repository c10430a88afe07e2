"""Whether a corpus can carry a study."""
