"""How the lists, the weights and the figures of de-identification are made."""
