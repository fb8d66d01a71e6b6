"""What one does with a recipe: train, fit, generate, measure, replay, each readable top to bottom."""
