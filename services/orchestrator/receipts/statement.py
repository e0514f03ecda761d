"""Makes the in-toto statement of an answer: what it was computed from, without patient data. It blocks."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Sequence

from google.protobuf.timestamp_pb2 import Timestamp

from medmesh.common.v1.answer_pb2 import Provenance
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from medmesh.orchestrator.v1.receipt_pb2 import DiagnosisReceipt, InputDigest, ReceiptStatement
from medmesh.receipt import PREDICATE_TYPE, STATEMENT_TYPE
from services.orchestrator import fusion
from services.orchestrator.declared import Declaration
from services.orchestrator.knowledge import Knowledge
from services.orchestrator.receipts.digests import output_digests, read_digests

SALT_BYTES = 32


def new_salt() -> str:
    """A random salt, hexadecimal."""
    return secrets.token_hex(SALT_BYTES)


def statement_of(
    diagnosis: pb.Diagnosis, inputs: Sequence[InputDigest], salt: str, fusion_sha256: str
) -> ReceiptStatement:
    """The statement of an answer, not yet in the chain. `inputs` are digested under the same salt."""
    now = Timestamp()
    now.GetCurrentTime()
    return ReceiptStatement(
        type=STATEMENT_TYPE,
        subject=output_digests(diagnosis, bytes.fromhex(salt)),
        predicate_type=PREDICATE_TYPE,
        predicate=DiagnosisReceipt(
            receipt_id=secrets.token_hex(16),
            create_time=now,
            salt=salt,
            inputs=[*inputs, *read_digests(diagnosis, inputs)],
            models=_distinct(_provenances(diagnosis)),
            fusion_sha256=fusion_sha256,
            partial=diagnosis.completeness == pb.COMPLETENESS_PARTIAL,
        ),
    )


def fusion_digest(knowledge: Knowledge, declarations: Iterable[Declaration]) -> str:
    """Digest of all that decides what evidence is worth: arithmetic, knowledge, and what the cards of the
    models that took part declare.
    """
    declared = sorted({_canonical(one) for one in declarations if one.evidence})
    content = json.dumps([fusion.VERSION, knowledge.sha256, declared], separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


def _canonical(one: Declaration) -> str:
    evidence = [
        [
            piece.condition.code,
            sorted(piece.labels),
            piece.auroc,
            piece.share,
            piece.positive_count,
            piece.negative_count,
            piece.outside_factor,
            piece.within,
            piece.holds_for_series,
        ]
        for piece in one.evidence
    ]
    ages = [one.youngest, one.oldest]
    return json.dumps([one.model, list(one.labels), sorted(one.normal), one.exclusive, ages, evidence])


def _provenances(diagnosis: pb.Diagnosis) -> Iterable[Provenance]:
    for image in diagnosis.images:
        yield from (result.provenance for result in image.analysis.results)
        yield from (gate.provenance for gate in image.analysis.gates if gate.HasField("provenance"))
    if diagnosis.HasField("note"):
        yield from (result.provenance for result in diagnosis.note.results)
    if diagnosis.HasField("treatments"):
        yield diagnosis.treatments.provenance
    if diagnosis.report.draft.HasField("provenance"):
        yield diagnosis.report.draft.provenance


def _distinct(provenances: Iterable[Provenance]) -> list[Provenance]:
    seen = {provenance.SerializeToString(deterministic=True): provenance for provenance in provenances}
    return list(seen.values())
