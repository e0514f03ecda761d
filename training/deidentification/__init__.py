"""How the lists and the figures of de-identification are made."""
