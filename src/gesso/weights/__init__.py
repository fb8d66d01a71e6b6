"""Saved numbers: safetensors with a card and a hash; nothing is ever unpickled."""
