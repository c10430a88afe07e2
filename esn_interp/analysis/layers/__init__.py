"""Where in the network the neurons lie."""
