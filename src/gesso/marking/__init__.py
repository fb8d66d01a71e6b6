"""What outputs say of where they come from."""
