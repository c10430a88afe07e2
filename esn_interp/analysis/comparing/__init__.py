"""Where neurons lie, and whether they are the same ones: layers, overlap, transfer, few clips."""
