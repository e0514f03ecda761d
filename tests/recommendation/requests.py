"""Records as a client sends them, and what the service answers."""

from __future__ import annotations

from medmesh.common.v1 import concept_pb2, quantity_pb2
from medmesh.common.v1 import patient_pb2 as patient
from medmesh.recommendation.v1 import recommendation_pb2 as pb
from services.clinical.code_systems import SNOMED
from tests.clinical.test_fhir import GOLDEN

TIMEOUT = 20
GOLDEN_INPUT = patient.PatientInput(fhir_bundle=GOLDEN.read_bytes())
ACTIVE = patient.CLINICAL_STATUS_ACTIVE


def concept(code="44054006", display="Diabetes", system=SNOMED):
    return concept_pb2.Concept(system=system, code=code, display=display)


def coded(*codings, text=""):
    return concept_pb2.CodedConcept(codings=codings or ([] if text else [concept()]), text=text)


def on(text):
    return quantity_pb2.PartialDate(value=text)


def typed(**fields):
    fields.setdefault("conditions", [patient.Condition(code=coded(), clinical_status=ACTIVE)])
    fields.setdefault("age", quantity_pb2.PatientAge(years=60))
    return patient.PatientInput(record=patient.PatientRecord(**fields))


async def reading(served, form):
    answer = await served.stub.ReadRecord(pb.ReadRecordRequest(patient=form), timeout=TIMEOUT)
    return answer.reading


async def ranking(served, form, **fields):
    request = pb.RankTreatmentsRequest(patient=form, **fields)
    return (await served.stub.RankTreatments(request, timeout=TIMEOUT)).ranking
