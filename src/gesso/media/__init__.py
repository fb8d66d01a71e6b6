"""Reading and writing of pictures, palettes and layered files: within a budget, atomic, and conversion to tensors."""
