"""Families of generative models: training phases, loss and sampler of each."""
