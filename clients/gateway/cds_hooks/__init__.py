"""CDS Hooks 2.0 on the HTTP door (docs/cds-hooks.md; cds-hooks.hl7.org/2.0)."""
