"""The detector of burned-in text: its export, and how well it finds what is drawn into images."""
