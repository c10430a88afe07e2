"""What is one neuron: when does it fire, what does it write, and what does the answer lose without it?"""
