"""Why neurons? What a direction in the stream, a probe, or simply asking for it does, at the same side cost."""
