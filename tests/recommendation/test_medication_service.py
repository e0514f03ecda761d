"""CheckMedications as a client sees it: a real server on a free port."""

from __future__ import annotations

import json

import grpc
import pytest

from medmesh.common.v1 import patient_pb2 as patient
from medmesh.common.v1 import quantity_pb2
from medmesh.recommendation.v1 import medication_check_pb2 as pb
from services.clinical.code_systems import LOINC, RXNORM
from tests.clinical.test_fhir import CANARY, GOLDEN
from tests.recommendation.refusals import refused
from tests.recommendation.requests import TIMEOUT, coded, concept, on, ranking, typed

CONTRAINDICATED = pb.MedicationAlert.SEVERITY_CONTRAINDICATED


def words(text, **dosage):
    ordered = pb.OrderedDosage(**dosage) if dosage else None
    return pb.DraftOrder(order=pb.MedicationOrder(code=coded(text=text), dosage=ordered))


def draft(**fields):
    request = {"resourceType": "MedicationRequest", "status": "draft", "intent": "order"} | fields
    return pb.DraftOrder(fhir_medication_request=json.dumps(request).encode())


async def check(served, form, *orders, **further):
    request = pb.CheckMedicationsRequest(patient=form, orders=orders, **further)
    return (await served.stub.CheckMedications(request, timeout=TIMEOUT)).check


def creatinine(value):
    return patient.Observation(
        code=coded(concept("2160-0", "Creatinine", LOINC)),
        quantity=quantity_pb2.Quantity(value=value, unit="mg/dL"),
        effective=on("2026-05-01"),
    )


async def test_an_order_meets_the_record_the_other_orders_and_what_the_caller_adds(served):
    form = typed(gender=patient.ADMINISTRATIVE_GENDER_MALE, observations=[creatinine(3.1)])
    answer = await check(
        served,
        form,
        words("metformin 500 mg"),
        draft(medicationCodeableConcept={"coding": [{"system": RXNORM, "code": "11289"}]}),
        further_medications=[coded(text="amiodarone 200 mg")],
        further_allergies=[coded(text="penicillin")],
    )
    metformin, warfarin = answer.orders
    [alert] = metformin.alerts
    assert (alert.kind, alert.severity) == (pb.MedicationAlert.KIND_KIDNEY, CONTRAINDICATED)
    assert alert.triggers[0].place == "patient.record.observations[0]"
    assert alert.remedy
    assert alert.priority == 12
    assert list(warfarin.recognised_drugs) == ["warfarin"]
    assert [one.place for one in warfarin.alerts[0].triggers] == ["further_medications[0]"]
    assert answer.kidney_function.method == pb.KidneyFunction.METHOD_CKD_EPI_2021
    assert answer.kidney_function.filtration_rate == pytest.approx(22, abs=1)
    assert answer.kidney_function.effective.value == "2026-05-01"
    assert len(answer.knowledge_digest) == 64


async def test_a_typed_dosage_is_checked(served):
    dose = quantity_pb2.Quantity(value=1500, unit="mg")
    answer = await check(served, typed(), words("acetaminophen", dose=dose, times_per_day=4))
    [alert] = answer.orders[0].alerts
    assert alert.kind == pb.MedicationAlert.KIND_DOSE
    assert "6000 mg" in alert.explanation


async def test_what_is_not_understood_is_said(served):
    answer = await check(
        served,
        typed(),
        words("foobarcin"),
        draft(
            medicationCodeableConcept={"text": "ibuprofen 400 mg"},
            dosageInstruction=[{"text": "as directed"}],
        ),
    )
    said = {notice.reason: list(notice.places) for notice in answer.notices}
    assert said == {"ORDER_NOT_UNDERSTOOD": ["orders[0]"], "DOSAGE_NOT_UNDERSTOOD": ["orders[1]"]}


@pytest.mark.parametrize(
    ("order", "field"),
    [
        (pb.DraftOrder(fhir_medication_request=CANARY.encode()), "orders[0].fhir_medication_request"),
        (draft(), "orders[0].fhir_medication_request.medicationCodeableConcept"),
        (draft(status=[CANARY]), "orders[0].fhir_medication_request.medicationCodeableConcept"),
        (pb.DraftOrder(), "orders[0].form"),
        (pb.DraftOrder(order=pb.MedicationOrder(code=coded(text=" "))), "orders[0].order.code"),
    ],
)
async def test_a_bad_order_is_refused_by_its_field_without_its_content(served, order, field):
    request = pb.CheckMedicationsRequest(patient=typed(), orders=[order])
    code, _, found, everything = await refused(served.stub.CheckMedications(request, timeout=TIMEOUT))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert found.startswith(field.removesuffix(".form"))
    assert CANARY not in everything


async def test_a_phenotype_in_words_of_a_bundle_counts(served):
    entries = [
        {"resourceType": "Patient", "id": "p", "gender": "male", "birthDate": "1970-01-01"},
        {
            "resourceType": "Observation",
            "status": "final",
            "subject": {"reference": "Patient/p"},
            "code": {"coding": [{"system": "http://loinc.org", "code": "79714-2"}]},
            "valueString": "Poor metabolizer (*2/*2)",
        },
    ]
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": one} for one in entries],
    }
    form = patient.PatientInput(fhir_bundle=json.dumps(bundle).encode())
    answer = await check(served, form, words("clopidogrel 75 mg"))
    [alert] = answer.orders[0].alerts
    assert alert.kind == pb.MedicationAlert.KIND_GENE
    assert alert.triggers[0].place == "Bundle.entry[1].resource"


async def test_a_bundle_and_its_notices_are_read_as_everywhere(served):
    form = patient.PatientInput(fhir_bundle=GOLDEN.read_bytes())
    answer = await check(served, form, words("ibuprofen 400 mg"))
    assert {"RESOURCES_SKIPPED"} <= {notice.reason for notice in answer.notices}


async def test_further_medications_reach_the_alerts_of_a_ranking(served):
    alone = await ranking(served, typed(), max_treatment_count=100)
    beside = await ranking(
        served, typed(), max_treatment_count=100, further_medications=[coded(text="phenelzine 15 mg")]
    )

    def interacting(answer):
        return {
            alert.trigger.place
            for one in answer.treatments
            for alert in one.alerts
            if alert.kind == alert.KIND_INTERACTION
        }

    assert interacting(alone) == set()
    assert interacting(beside) == {"further_medications[0]"}
    assert [one.score for one in alone.treatments] == [one.score for one in beside.treatments]
