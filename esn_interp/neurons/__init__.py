"""From gates to neurons: statistics, selectors, neuron sets."""
