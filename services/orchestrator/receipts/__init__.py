"""Evidence receipts: what was computed from what, signed and chained into an append-only log."""
