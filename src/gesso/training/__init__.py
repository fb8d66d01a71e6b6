"""The training loop of all recipes: batches, players, weight average, checkpoints and log."""
