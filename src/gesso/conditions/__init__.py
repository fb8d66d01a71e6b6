"""Conditions, the inputs that users give: one module per kind, with its value, parser, encoder, simulator and studio control."""
