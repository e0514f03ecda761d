"""Logs, spans and metrics, without a word of what a request holds."""
