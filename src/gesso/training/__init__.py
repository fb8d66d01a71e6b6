"""The one loop that trains every recipe: batches, players, average, checkpoints, log."""
