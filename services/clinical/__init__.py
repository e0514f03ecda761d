"""Clinical knowledge that several services share: tables with their sources, and their pure readers."""
