"""Receipts as the orchestrator makes them, of an answer that a test chooses."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from medmesh.orchestrator.v1.receipt_pb2 import EvidenceReceipt, ReceiptStatement
from services.orchestrator.receipts.digests import input_digests
from services.orchestrator.receipts.signing import Signer
from services.orchestrator.receipts.statement import fusion_digest, statement_of
from tests.orchestrator.answers import analysis, entity, full_case, note
from tests.orchestrator.cases import CHEST, KNOWLEDGE

SALT = "5a" * 32
FUSION = fusion_digest(KNOWLEDGE, [CHEST])
KEY = Ed25519PrivateKey.generate()
PUBLIC_KEY = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def diagnosis(probability: float = 0.85, **fields) -> pb.Diagnosis:
    return pb.Diagnosis(
        completeness=pb.COMPLETENESS_COMPLETE,
        images=[pb.AnalyzedImage(index=0, analysis=analysis(probability))],
        note=note(entity("233604007")),
        assessments=[pb.ConditionAssessment(probability=probability)],
        **fields,
    )


def statement(
    case: pb.DiagnosticCase | None = None,
    answer: pb.Diagnosis | None = None,
    salt: str = SALT,
    fusion_sha256: str = FUSION,
) -> ReceiptStatement:
    inputs = input_digests(case if case is not None else full_case(), bytes.fromhex(salt))
    return statement_of(answer if answer is not None else diagnosis(), inputs, salt, fusion_sha256)


def sealed(*args, **fields) -> EvidenceReceipt:
    return Signer().seal(statement(*args, **fields))
