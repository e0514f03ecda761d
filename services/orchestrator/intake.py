"""Checks a case before anything is asked: what is missing or too large is refused here, by field."""

from __future__ import annotations

from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from services.chassis.errors import InvalidInput, Reason

MAXIMUM_IMAGE_COUNT = 4
MAXIMUM_IMAGES_BYTES = 64 * 1024 * 1024
"""Of all images together, so that one alone may be as large as the imaging service takes it."""
MAXIMUM_NOTE_LENGTH = 200_000
MAXIMUM_BUNDLE_BYTES = 8 * 1024 * 1024
MAXIMUM_TREATMENT_COUNT = 100


def check(case: pb.DiagnosticCase) -> None:
    """Raises InvalidInput, with the field's path from the request on."""
    if not (case.images or case.note or case.HasField("patient")):
        raise InvalidInput(Reason.INPUT_MISSING, "case", "needs at least one of images, note and patient")
    _check_images(case)
    if len(case.note) > MAXIMUM_NOTE_LENGTH:
        raise InvalidInput(
            Reason.INPUT_TOO_LARGE, "case.note", f"is longer than {MAXIMUM_NOTE_LENGTH} code points"
        )
    if case.HasField("patient"):
        if case.patient.WhichOneof("form") is None:
            raise InvalidInput(Reason.INPUT_MISSING, "case.patient", "needs a record or a FHIR bundle")
        if len(case.patient.fhir_bundle) > MAXIMUM_BUNDLE_BYTES:
            raise InvalidInput(
                Reason.INPUT_TOO_LARGE,
                "case.patient.fhir_bundle",
                f"is larger than {MAXIMUM_BUNDLE_BYTES / 2**20:g} MiB",
            )
    if not 0 <= case.max_treatment_count <= MAXIMUM_TREATMENT_COUNT:
        raise InvalidInput(
            Reason.INPUT_OUT_OF_RANGE,
            "case.max_treatment_count",
            f"must lie between 0 and {MAXIMUM_TREATMENT_COUNT}",
        )


def _check_images(case: pb.DiagnosticCase) -> None:
    if len(case.images) > MAXIMUM_IMAGE_COUNT:
        raise InvalidInput(
            Reason.INPUT_TOO_LARGE, "case.images", f"holds more than {MAXIMUM_IMAGE_COUNT} images"
        )
    for index, image in enumerate(case.images):
        field = f"case.images[{index}].image"
        if not image.image:
            raise InvalidInput(Reason.INPUT_MISSING, field, "is empty")
        if len(image.image) > MAXIMUM_IMAGES_BYTES:
            raise InvalidInput(
                Reason.INPUT_TOO_LARGE, field, f"is larger than {MAXIMUM_IMAGES_BYTES / 2**20:g} MiB"
            )
    if sum(len(image.image) for image in case.images) > MAXIMUM_IMAGES_BYTES:
        raise InvalidInput(
            Reason.INPUT_TOO_LARGE,
            "case.images",
            f"are larger than {MAXIMUM_IMAGES_BYTES / 2**20:g} MiB together",
        )
