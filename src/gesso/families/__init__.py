"""How a family learns and makes: phases, loss and sample together."""
