"""Where the codes of the mesh's tables come from, and whether they still stand there."""
