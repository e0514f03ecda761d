"""How the tagger of identifiers is trained and exported."""
