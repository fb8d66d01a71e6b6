"""Weights files: safetensors with a card and a hash. Nothing is unpickled."""
