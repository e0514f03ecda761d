"""Evaluation of the concept linker on labelled mentions."""
