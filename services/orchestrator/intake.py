"""Checks of a case that its fields' own limits cannot express; before anything is asked."""

from __future__ import annotations

from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from services.chassis.errors import InvalidInput, Reason, Violation

MAXIMUM_IMAGES_BYTES = 64 * 1024 * 1024
"""Of all images together, so that one alone may be as large as the imaging service takes it."""


def check(case: pb.DiagnosticCase, request_bytes: int) -> None:
    """Raises InvalidInput with all that is wrong, by the fields' paths from the request on.

    `request_bytes` is the size of the request as it came.
    """
    violations = []
    if not (case.images or case.note or case.HasField("patient")):
        violations.append(
            Violation(Reason.INPUT_MISSING, "case", "needs at least one of images, note and patient")
        )
    for image_index, image in enumerate(case.images):
        for index, source in enumerate(image.sources):
            if source.WhichOneof("source") is None:
                field = f"case.images[{image_index}].sources[{index}]"
                violations.append(Violation(Reason.INPUT_MISSING, field, "holds no image"))
    asked = {
        pb.Branch.KIND_IMAGE: bool(case.images),
        pb.Branch.KIND_NOTE: bool(case.note),
        pb.Branch.KIND_RECORD: case.HasField("patient"),
        pb.Branch.KIND_TREATMENTS: case.HasField("patient"),
        pb.Branch.KIND_REPORT: case.HasField("draft_report"),
    }
    for index, kind in enumerate(case.required_branches):
        if not asked.get(kind):
            field = f"case.required_branches[{index}]"
            description = "is no branch that the case asks for"
            violations.append(Violation(Reason.INPUT_INCONSISTENT, field, description))
    # To read a content is to copy it, and to ask protobuf for a size is to encode it.
    if request_bytes > MAXIMUM_IMAGES_BYTES and _image_bytes(case) > MAXIMUM_IMAGES_BYTES:
        limit = f"{MAXIMUM_IMAGES_BYTES / 2**20:g} MiB"
        violations.append(
            Violation(Reason.INPUT_TOO_LARGE, "case.images", f"are larger than {limit} together")
        )
    if violations:
        raise InvalidInput.of(violations)


def _image_bytes(case: pb.DiagnosticCase) -> int:
    return sum(len(source.content) for image in case.images for source in image.sources)
