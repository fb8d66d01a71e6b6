"""Networks: plain nn.Modules that depend on no condition or family."""
