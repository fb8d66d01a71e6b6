"""What must hold, without a network: the pieces of a page, fills, what a dot means, palettes."""
