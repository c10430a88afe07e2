"""From neuron sets to edited runs."""
