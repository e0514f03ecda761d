"""Drafts: what may be said, what a model writes of it, and what of that stands."""
