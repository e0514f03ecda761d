"""Evidence receipts: the digests of a diagnosis, their hash chain, and the comparison behind a replay.

A receipt says what was computed from what without holding any of it. Needs protobuf and the standard library
only, so that a client can check a receipt by itself:

    differences = compare(receipt, case, diagnosis)   # what a second computation does differently
    faults = verify_chain(path.read_text().splitlines())

What is digested is canonical JSON (protobuf's JSON names as in the .proto, keys sorted, no spaces). Digests
of inputs and outputs are HMAC-SHA256 keyed with the receipt's own salt, so equal contents of two requests do
not show. The salt is in the receipt: whoever holds a receipt can test a guess of its contents, so receipts
are kept as confidential as the log they come from.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from google.protobuf.json_format import MessageToDict, Parse, ParseError
from google.protobuf.message import Message

from medmesh.common.v1 import answer_pb2, patient_pb2
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb

DECIMALS = 3
"""Numbers of the output are rounded to this many decimals before they are digested."""
UNDIGESTED = frozenset({"provenance", "heat_map", "overlay_png"})
"""Fields of the output that do not count: the models are compared by name, and pictures are drawn from the
findings."""


@dataclass(frozen=True)
class Difference:
    """One thing that a second computation does differently."""

    kind: str
    """`input`, `model`, `fusion` or `output`."""
    name: str
    """Which, e.g. `note`, `chest_xray`, `imaging[0]`."""
    recorded: str
    """What the receipt says: a digest or a version; empty when it has none."""
    recomputed: str
    """What the second computation gives; empty when it has none."""


@dataclass(frozen=True)
class ChainFault:
    """One place where a log of receipts is not what was written."""

    line: int
    """Line number, from 1."""
    problem: str
    """What is wrong, in one sentence."""


def input_digests(case: pb.DiagnosticCase, salt: str) -> list[pb.Digest]:
    """Digests of a case: `image[0]`, …, `note`, `patient`, `options`, those that it has.

    `options` is what can change the findings: body parts and the number of treatments, not which pictures are
    drawn.
    """
    parts = [(f"image[{index}]", image.image) for index, image in enumerate(case.images)]
    if case.note:
        parts.append(("note", case.note.encode()))
    if case.HasField("patient"):
        parts.append(("patient", _patient_bytes(case.patient)))
    options = {
        "body_parts": [image.options.body_part for image in case.images],
        "max_treatment_count": case.max_treatment_count or 10,
    }
    parts.append(("options", _canonical(options)))
    return [_digest(name, content, salt) for name, content in parts]


def output_digests(diagnosis: pb.Diagnosis, salt: str) -> list[pb.Digest]:
    """Digests of an answer: `imaging[0]`, …, `language`, `recommendation`, `assessment`, those that it
    has.
    """
    parts: list[tuple[str, Any]] = [
        (f"imaging[{image.index}]", _plain(image.analysis)) for image in diagnosis.images
    ]
    if diagnosis.HasField("note"):
        parts.append(("language", _plain(diagnosis.note)))
    if diagnosis.HasField("treatments"):
        parts.append(("recommendation", _plain(diagnosis.treatments)))
    assessment = pb.Diagnosis(
        completeness=diagnosis.completeness,
        assessments=diagnosis.assessments,
        disagreements=diagnosis.disagreements,
        review_required=diagnosis.review_required,
    )
    parts.append(("assessment", _plain(assessment)))
    return [_digest(name, _canonical(content), salt) for name, content in parts]


def record_digest(receipt: pb.EvidenceReceipt) -> str:
    """Digest of a receipt with `record_sha256` empty."""
    bare = pb.EvidenceReceipt()
    bare.CopyFrom(receipt)
    bare.record_sha256 = ""
    return hashlib.sha256(to_line(bare).encode()).hexdigest()


def to_line(receipt: pb.EvidenceReceipt) -> str:
    """A receipt as one line of the log, without the line end."""
    return _canonical(MessageToDict(receipt, preserving_proto_field_name=True)).decode()


def from_line(line: str) -> pb.EvidenceReceipt:
    """The receipt of one line of the log, or of a file that holds one. ValueError when it is none."""
    try:
        receipt = Parse(line, pb.EvidenceReceipt())
        bytes.fromhex(receipt.salt)
    except (ParseError, ValueError) as error:
        raise ValueError("not an evidence receipt") from error
    if not receipt.salt:
        raise ValueError("not an evidence receipt")
    return receipt


def verify_chain(lines: Iterable[str]) -> list[ChainFault]:
    """What is wrong with a log of receipts; empty when every record is as written and follows the one before
    it.

    Finds changed, inserted, removed and reordered records. That records were cut off at the end shows only
    against a receipt that was handed out: it is then not in the log.
    """
    faults = []
    previous = ""
    for number, line in enumerate(lines, start=1):
        try:
            receipt = from_line(line)
        except ValueError:
            faults.append(
                ChainFault(number, "The line is not a receipt: it was torn while being written, or changed.")
            )
            continue
        if record_digest(receipt) != receipt.record_sha256:
            faults.append(ChainFault(number, "The record does not match its own digest: it was changed."))
        if receipt.previous_sha256 != previous:
            faults.append(
                ChainFault(
                    number, "The record does not follow the one before it: records were removed or moved."
                )
            )
        previous = receipt.record_sha256
    return faults


def compare(
    receipt: pb.EvidenceReceipt, case: pb.DiagnosticCase, diagnosis: pb.Diagnosis
) -> list[Difference]:
    """What `diagnosis`, computed again from `case`, does differently from what `receipt` records."""
    return [
        *_compare_digests("input", receipt.inputs, input_digests(case, receipt.salt)),
        *_compare_models(receipt, diagnosis.receipt),
        *_compare_fusion(receipt, diagnosis.receipt),
        *_compare_digests("output", receipt.outputs, output_digests(diagnosis, receipt.salt)),
    ]


def _compare_digests(
    kind: str, recorded: Iterable[pb.Digest], recomputed: Iterable[pb.Digest]
) -> list[Difference]:
    before = {digest.name: digest.sha256 for digest in recorded}
    after = {digest.name: digest.sha256 for digest in recomputed}
    names = [*before, *(name for name in after if name not in before)]
    return [
        Difference(kind, name, before.get(name, ""), after.get(name, ""))
        for name in names
        if before.get(name) != after.get(name)
    ]


def _compare_models(recorded: pb.EvidenceReceipt, recomputed: pb.EvidenceReceipt) -> list[Difference]:
    before = {model.model_name: _identity(model) for model in recorded.models}
    after = {model.model_name: _identity(model) for model in recomputed.models}
    names = [*before, *(name for name in after if name not in before)]
    return [
        Difference("model", name, before.get(name, ""), after.get(name, ""))
        for name in names
        if before.get(name) != after.get(name)
    ]


def _compare_fusion(recorded: pb.EvidenceReceipt, recomputed: pb.EvidenceReceipt) -> list[Difference]:
    if recorded.fusion_sha256 == recomputed.fusion_sha256:
        return []
    return [Difference("fusion", "catalogue", recorded.fusion_sha256, recomputed.fusion_sha256)]


def _identity(model: answer_pb2.Provenance) -> str:
    # Not the runtime: the same weights on another server are the same model, and a number that it changes
    # shows itself.
    return (
        f"version {model.model_version}, weights {model.weights_sha256}, "
        f"preprocessing {model.preprocessing_version}"
    )


def _patient_bytes(patient: patient_pb2.PatientInput) -> bytes:
    if patient.WhichOneof("form") == "fhir_bundle":
        return patient.fhir_bundle
    return _canonical(MessageToDict(patient.record, preserving_proto_field_name=True))


def _plain(message: Message) -> Any:
    return _rounded(MessageToDict(message, preserving_proto_field_name=True))


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, DECIMALS) + 0.0  # + 0.0: -0.0 and 0.0 are the same number
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items() if key not in UNDIGESTED}
    return value


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _digest(name: str, content: bytes, salt: str) -> pb.Digest:
    keyed = hmac.new(bytes.fromhex(salt), name.encode() + b"\0" + content, hashlib.sha256)
    return pb.Digest(name=name, sha256=keyed.hexdigest())
