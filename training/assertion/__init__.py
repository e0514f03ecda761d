"""Evaluation of the assertion rules on labelled sentences."""
