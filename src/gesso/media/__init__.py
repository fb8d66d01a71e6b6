"""What goes in and out: pictures read within a budget, written whole or not at all, and handed to tensors."""
