"""Chinese notes, read by a lexicon and rules."""
