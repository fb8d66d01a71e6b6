"""The web page, drawn from the cards."""
