"""How the model `note_embedding` is made: all-MiniLM-L6-v2, exported and compared with its reference."""
