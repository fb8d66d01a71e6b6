"""Tensors to tensors: plain nn.Modules that know no condition and no family."""
