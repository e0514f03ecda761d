"""FHIR R4 on the HTTP door: `$diagnose`, and what a server says of itself (docs/fhir.md)."""
