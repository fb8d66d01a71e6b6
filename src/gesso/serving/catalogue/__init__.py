"""The recipes of a server: their cards as JSON, and their networks."""
