"""Writes the parts of `docs/` that say what the code says: `make docs`."""
