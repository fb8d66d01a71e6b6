"""Metrics of quality, and of how well outputs follow the user's input."""
