"""What the fake services answer, and what is asked of the orchestrator: short ways to make the messages."""

from __future__ import annotations

import hmac
from typing import Any

from medmesh.common.v1 import answer_pb2, concept_pb2, patient_pb2, quantity_pb2
from medmesh.imaging.v1 import imaging_pb2
from medmesh.language.v1 import language_pb2, report_pb2
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from medmesh.recommendation.v1 import recommendation_pb2
from services.clinical.code_systems import SNOMED
from tests.orchestrator.cards import card

CARDS = {model: card(model) for model in ("chest_xray", "head_ct")}
"""The cards that the fake imaging service hands out."""


def provenance(model: str) -> answer_pb2.Provenance:
    return answer_pb2.Provenance(
        model_name=model,
        model_version="1",
        weights_sha256=CARDS[model].weights_sha256 if model in CARDS else f"{model}-weights",
        card_version=CARDS[model].version if model in CARDS else "1.0.0",
        model_sha256=f"{model}-folder",
        preprocessing_version=f"{model}/1",
        runtime="fake 1.0",
        intended_use="For tests only.",
    )


def result(bacterial: float = 0.85, viral: float = 0.1, **fields: Any) -> imaging_pb2.ImageModelResult:
    labels = {"bacterial_pneumonia": bacterial, "viral_pneumonia": viral, "normal": 1 - bacterial - viral}
    findings = [imaging_pb2.Finding(label=label, probability=p) for label, p in labels.items()]
    return imaging_pb2.ImageModelResult(
        **{
            "findings": findings,
            "exclusive": True,
            "calibrated": True,
            "gate_decision": imaging_pb2.GATE_DECISION_ACCEPTED,
            "provenance": provenance("chest_xray"),
            **fields,
        }
    )


def analysis(bacterial: float = 0.85, viral: float = 0.1, **fields: Any) -> imaging_pb2.ImageAnalysis:
    return imaging_pb2.ImageAnalysis(results=[result(bacterial, viral, **fields)])


def answered(found: imaging_pb2.ImageAnalysis) -> Any:
    """What the fake imaging service answers: the analysis, with digests under the request's key."""

    def answer(request: imaging_pb2.AnalyzeImageRequest) -> imaging_pb2.AnalyzeImageResponse:
        response = imaging_pb2.AnalyzeImageResponse(analysis=found)
        key = request.options.digest_key
        content = b"".join(source.content for source in request.sources)
        if key:
            response.analysis.digests.file_hmac_sha256 = hmac.digest(key, content, "sha256").hex()
            pixels = content.removeprefix(b"header ")
            response.analysis.digests.content_hmac_sha256 = hmac.digest(key, pixels, "sha256").hex()
        return response

    return answer


def entity(
    code: str, assertion: int = language_pb2.ASSERTION_PRESENT, text: str = "", **fields: Any
) -> language_pb2.Entity:
    return language_pb2.Entity(
        **{
            "text": text,
            "type": "DISEASE",
            "confidence": 0.95,
            "assertion": assertion,
            "concept": concept_pb2.Concept(system=SNOMED, code=code),
            **fields,
        }
    )


def note(*entities: language_pb2.Entity) -> language_pb2.NoteAnalysis:
    """What one model read: each entity at a place of its own."""
    return language_pb2.NoteAnalysis(
        results=[language_pb2.NoteModelResult(entities=entities, provenance=provenance("clinical_ner"))],
        mentions=[
            language_pb2.Mention(type=one.type, entities=[language_pb2.EntityReference(entity_index=index)])
            for index, one in enumerate(entities)
        ],
    )


def read(found: language_pb2.NoteAnalysis) -> language_pb2.AnalyzeNoteResponse:
    return language_pb2.AnalyzeNoteResponse(analysis=found)


def record(*codes: str, age_years: int = 4) -> recommendation_pb2.RecordReading:
    conditions = [
        patient_pb2.Condition(
            code=concept_pb2.CodedConcept(codings=[concept_pb2.Concept(system=SNOMED, code=code)]),
            clinical_status=patient_pb2.CLINICAL_STATUS_ACTIVE,
            place=f"Bundle.entry[{index + 1}].resource",
        )
        for index, code in enumerate(codes)
    ]
    return recommendation_pb2.RecordReading(
        record=patient_pb2.PatientRecord(age=quantity_pb2.PatientAge(years=age_years), conditions=conditions),
        notices=[answer_pb2.Notice(reason="RESOURCES_SKIPPED", message="Some resources were skipped.")],
    )


def reading(found: recommendation_pb2.RecordReading) -> recommendation_pb2.ReadRecordResponse:
    return recommendation_pb2.ReadRecordResponse(reading=found)


def image(*contents: bytes, **options: Any) -> pb.CaseImage:
    """An image of these files."""
    return pb.CaseImage(
        sources=[imaging_pb2.ImageSource(content=content) for content in contents],
        options=imaging_pb2.ImageOptions(**options),
    )


def full_case(image_count: int = 1) -> pb.DiagnosticCase:
    """Images, a note and a record."""
    return pb.DiagnosticCase(
        images=[image(b"image %d" % index) for index in range(image_count)],
        note="Pneumonia.",
        patient=patient_pb2.PatientInput(fhir_bundle=b"{}"),
    )


def drafted(*texts: str, **fields: Any) -> report_pb2.Draft:
    """What the fake language service drafts: sentences that rest on the first item."""
    mark = "AI draft, to be reviewed"
    return report_pb2.Draft(
        text="\n".join([mark, *texts]),
        mark=mark,
        sentences=[
            report_pb2.DraftSentence(
                section=report_pb2.REPORT_SECTION_FINDINGS,
                text=text,
                origin=report_pb2.SENTENCE_ORIGIN_WRITTEN,
                support=[report_pb2.SentenceSupport(item_index=0)],
            )
            for text in texts
        ],
        provenance=provenance("report_writer"),
        **fields,
    )
