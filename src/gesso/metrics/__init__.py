"""Is it good, did it obey."""
