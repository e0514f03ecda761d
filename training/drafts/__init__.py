"""How well drafts keep to their evidence: measured, not trained."""
