"""The one loop: step, optimiser, average, checkpoint, log."""
