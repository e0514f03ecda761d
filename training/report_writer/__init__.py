"""The model that writes: findings from evidence, impressions from findings, summaries of notes."""
