"""How neurons do it: grounding in the audio, and attribution."""
