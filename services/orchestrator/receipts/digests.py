"""Digests of a case's inputs and of the parts of its answer, keyed with the receipt's salt. They block.

An input's digest is HMAC-SHA-256 of exactly the bytes that were sent, so that anything can compute it that
has those bytes and the salt. A part of the answer is digested as canonical JSON: names as in the .proto, keys
sorted, no spaces, numbers rounded, what is drawn or measured in time left out.
"""

from __future__ import annotations

import functools
import hmac
import json
from collections.abc import Callable, Iterable
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from medmesh.common.v1 import patient_pb2
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from medmesh.orchestrator.v1.receipt_pb2 import InputDigest, StatementSubject

ALGORITHM = "hmac-sha256"
"""Key of in-toto's DigestSet: says that the digests are keyed."""
DECIMALS = 3
"""Numbers of the answer are rounded to this many decimals before they are digested."""
DEFAULT_TREATMENT_COUNT = 10
UNDIGESTED = frozenset(
    {
        # Compared by themselves, or not at all: the same weights on another server are the same model.
        "provenance",
        "digests",
        # Drawn from the findings, and only where asked for.
        "heat_map",
        "overlay_png",
        "mask_png",
        "explanation",
        # A copy of the image in another archive may have another one.
        "sop_instance_uid",
    }
)
"""Fields of the answer that do not count, by name."""


def input_digests(case: pb.DiagnosticCase, salt: bytes) -> list[InputDigest]:
    """Digests of what the case holds. An image that is not in the message itself has none here."""
    found = [
        _input(InputDigest.KIND_IMAGE_FILE, _files(image, salt), index)
        for index, image in enumerate(case.images)
        if all(source.WhichOneof("source") == "content" for source in image.sources)
    ]
    if case.note:
        found.append(_input(InputDigest.KIND_NOTE, keyed(case.note.encode(), salt)))
    if case.HasField("patient"):
        found.append(_input(InputDigest.KIND_RECORD, keyed(_record_bytes(case.patient), salt)))
    options: dict[str, Any] = {
        "images": [
            {"body_part": image.options.body_part, "models": sorted(image.options.models)}
            for image in case.images
        ],
        "max_treatment_count": case.max_treatment_count or DEFAULT_TREATMENT_COUNT,
    }
    if case.HasField("draft_report"):
        options["draft_report"] = plain(case.draft_report)
    found.append(_input(InputDigest.KIND_OPTIONS, keyed(_canonical(options), salt)))
    return found


def read_digests(diagnosis: pb.Diagnosis, known: Iterable[InputDigest]) -> list[InputDigest]:
    """The image digests that the imaging service gave beside those that are `known`."""
    with_file = {one.image_index for one in known if one.kind == InputDigest.KIND_IMAGE_FILE}
    found = []
    for image in diagnosis.images:
        digests = image.analysis.digests
        if digests.file_hmac_sha256 and image.index not in with_file:
            found.append(_input(InputDigest.KIND_IMAGE_FILE, digests.file_hmac_sha256, image.index))
        if digests.content_hmac_sha256:
            found.append(_input(InputDigest.KIND_IMAGE_CONTENT, digests.content_hmac_sha256, image.index))
    return found


def output_digests(diagnosis: pb.Diagnosis, salt: bytes) -> list[StatementSubject]:
    """Digests of the parts that the answer has: `images/0`, …, `note`, `treatments`, `report`, ….

    The last is `assessment`.
    """
    parts: dict[str, Any] = {f"images/{one.index}": plain(one.analysis) for one in diagnosis.images}
    if diagnosis.HasField("note"):
        parts["note"] = plain(diagnosis.note)
    if diagnosis.HasField("treatments"):
        parts["treatments"] = plain(diagnosis.treatments)
    if diagnosis.HasField("report"):
        parts["report"] = plain(diagnosis.report)
    parts["assessment"] = {
        "completeness": diagnosis.completeness,
        "assessments": [plain(one) for one in diagnosis.assessments],
        "disagreements": [plain(one) for one in diagnosis.disagreements],
        "review_required": diagnosis.review_required,
    }
    return [
        StatementSubject(name=name, digest={ALGORITHM: keyed(_canonical(part), salt)})
        for name, part in parts.items()
    ]


def keyed(content: bytes, salt: bytes) -> str:
    """Lower-case hexadecimal HMAC-SHA-256 of `content` under `salt`."""
    return hmac.digest(salt, content, "sha256").hex()


def plain(message: Message) -> dict[str, Any]:
    """What of a message is digested, as JSON has it; enums by number."""
    found = {}
    for field, value in message.ListFields():
        as_plain = _of_field(field)
        if as_plain is not None:
            found[field.name] = as_plain(value)
    return found


@functools.cache
def _of_field(field: FieldDescriptor) -> Callable[[Any], Any] | None:
    """What makes a field's value plain; None: it is not digested. Worked out once a field."""
    if field.name in UNDIGESTED:
        return None
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        of_value = _of_type(field.message_type.fields_by_name["value"])
        return lambda values: {str(key): of_value(one) for key, one in values.items()}
    of_one = _of_type(field)
    return (lambda values: [of_one(one) for one in values]) if field.is_repeated else of_one


def _of_type(field: FieldDescriptor) -> Callable[[Any], Any]:
    match field.type:
        case FieldDescriptor.TYPE_MESSAGE:
            return plain
        case FieldDescriptor.TYPE_FLOAT | FieldDescriptor.TYPE_DOUBLE:
            return lambda number: round(number, DECIMALS) + 0.0  # + 0.0: -0.0 and 0.0 are the same number
        case FieldDescriptor.TYPE_BYTES:
            return bytes.hex
    return lambda value: value


def _files(image: pb.CaseImage, salt: bytes) -> str:
    state = hmac.new(salt, digestmod="sha256")
    for source in image.sources:
        state.update(source.content)  # one copy at a time
    return state.hexdigest()


def _record_bytes(patient: patient_pb2.PatientInput) -> bytes:
    if patient.WhichOneof("form") == "fhir_bundle":
        return patient.fhir_bundle
    return patient.record.SerializeToString(deterministic=True)


def _input(kind: InputDigest.Kind, digest: str, image_index: int | None = None) -> InputDigest:
    return InputDigest(kind=kind, image_index=image_index, hmac_sha256=digest)


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
