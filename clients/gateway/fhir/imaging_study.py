"""The study that an image belongs to, by the identifiers in its own DICOM header."""

from __future__ import annotations

import io
from typing import Any, Final

import pydicom
from pydicom.errors import InvalidDicomError
from pydicom.uid import DeflatedExplicitVRLittleEndian

_IMAGE_TYPES: Final = ("image/", "application/dicom", "application/zip")
_TAGS: Final = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "Modality")
_DICOM: Final = "http://dicom.nema.org/resources/ontology/DCM"
_PREAMBLE: Final = slice(128, 132)


def is_image_type(content_type: str) -> bool:
    """Whether content of this type is taken as an image."""
    return content_type.startswith(_IMAGE_TYPES)


def imaging_study(content: bytes, subject: dict[str, Any]) -> dict[str, Any] | None:
    """The ImagingStudy of a DICOM file; None for other files, and where it lacks an identifier."""
    found = _identifiers(content)
    if found is None:
        return None
    instance = {
        "uid": found["SOPInstanceUID"],
        "sopClass": {"system": "urn:ietf:rfc:3986", "code": f"urn:oid:{found['SOPClassUID']}"},
    }
    series = {
        "uid": found["SeriesInstanceUID"],
        "modality": {"system": _DICOM, "code": found["Modality"]},
        "instance": [instance],
    }
    return {
        "resourceType": "ImagingStudy",
        "identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:{found['StudyInstanceUID']}"}],
        "status": "available",
        "subject": subject,
        "series": [series],
    }


def _identifiers(content: bytes) -> dict[str, str] | None:
    # pydicom would inflate a deflated file without a bound, so none that names that form is read.
    if content[_PREAMBLE] != b"DICM" or DeflatedExplicitVRLittleEndian.encode() in content:
        return None
    try:
        header = pydicom.dcmread(io.BytesIO(content), stop_before_pixels=True, specific_tags=list(_TAGS))
        found = {tag: str(header.get(tag) or "") for tag in _TAGS}
    except (InvalidDicomError, ValueError, KeyError, EOFError, AttributeError, NotImplementedError, OSError):
        return None  # imaging judges the file; here only its identifiers are wanted
    return found if all(found.values()) else None
