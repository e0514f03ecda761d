"""FHIR R4 bundles as patient records: tolerant of servers' habits, strict where patients could be mixed up.

docs/reading-records.md says what is read of which resource, and what becomes of the rest.
"""

from services.clinical.fhir.reader import MAX_BUNDLE_BYTES, MAX_ENTRIES, ReadBundle, read_bundle

__all__ = ["MAX_BUNDLE_BYTES", "MAX_ENTRIES", "ReadBundle", "read_bundle"]
