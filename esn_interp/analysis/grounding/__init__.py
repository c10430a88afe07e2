"""What drives the neurons, sound or words: gates exchanged between runs."""
