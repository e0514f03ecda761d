"""The service as a client sees it: a real server on a free port."""

from __future__ import annotations

import json

import grpc
import pytest

from medmesh.common.v1 import concept_pb2, quantity_pb2
from medmesh.common.v1 import patient_pb2 as patient
from medmesh.recommendation.v1 import recommendation_pb2 as pb
from services.chassis.errors import Overloaded
from services.clinical.code_systems import ICD10CM, RXNORM, SNOMED
from services.recommendation import convert
from tests.clinical.test_fhir import CANARY, GOLDEN
from tests.recommendation.conftest import RANKER
from tests.recommendation.refusals import refused
from tests.recommendation.requests import (
    ACTIVE,
    GOLDEN_INPUT,
    TIMEOUT,
    coded,
    concept,
    on,
    ranking,
    reading,
    typed,
)


async def test_a_bundle_reads_into_the_typed_record(served):
    answer = await reading(served, GOLDEN_INPUT)
    record = answer.record
    assert (record.age.years, record.gender) == (61, patient.ADMINISTRATIVE_GENDER_FEMALE)
    assert [[item.code for item in one.code.codings] for one in record.conditions] == [
        ["38341003", "I10"],
        ["36971009"],
        [],
    ]
    assert record.conditions[2].code.text == "feels unwell"
    assert [item.system for item in record.conditions[0].code.codings] == [SNOMED, ICD10CM]
    assert [item.place for item in record.allergies] == ["Bundle.entry[8].resource"] * 2
    assert record.conditions[0].clinical_status == ACTIVE
    assert record.conditions[0].onset == on("2001-03-05T08:00:00+01:00")
    assert record.conditions[1].onset == on("2019-02")
    assert record.conditions[1].abated_on == on("2019-03-01")
    assert record.medications[0].source == patient.MEDICATION_SOURCE_REQUEST
    assert record.medications[0].status == patient.MEDICATION_STATUS_ACTIVE
    assert record.medications[0].intent == patient.MEDICATION_INTENT_ORDER
    assert record.medications[0].reason.codings[0].code == "38341003"
    assert not record.medications[1].HasField("reason")
    assert record.observations[0].quantity == quantity_pb2.Quantity(value=151, unit="mm[Hg]")
    assert [item.reason for item in answer.notices] == [
        "RESOURCE_WITHOUT_PATIENT",
        "RESOURCES_NOT_USABLE",
        "RESOURCES_SKIPPED",
    ]


async def test_a_typed_record_reads_as_it_is(served):
    first = await reading(served, GOLDEN_INPUT)
    assert (await reading(served, patient.PatientInput(record=first.record))).record == first.record


async def test_a_typed_record_is_read_under_canonical_codes_and_in_used_units(served):
    """Codes by OID, a name alone, an eGFR in mL/s: a typed record is read as a bundle is."""
    snomed = coded(concept(system="urn:oid:2.16.840.1.113883.6.96"))
    egfr = coded(concept("33914-3", "", "urn:oid:2.16.840.1.113883.6.1"))
    form = typed(
        conditions=[patient.Condition(code=snomed)],
        allergies=[patient.Allergy(code=coded(text="Penicillin"))],
        observations=[patient.Observation(code=egfr, quantity=quantity_pb2.Quantity(value=0.5, unit="mL/s"))],
    )
    record = (await reading(served, form)).record
    assert record.conditions[0].code.codings[0].system == SNOMED
    assert record.allergies[0].code == coded(text="Penicillin")
    assert record.allergies[0].place == "patient.record.allergies[0]"
    assert record.observations[0].quantity == quantity_pb2.Quantity(value=30.0, unit="mL/min/{1.73_m2}")


async def test_what_fhirs_statuses_call_no_fact_is_left_out_of_a_typed_record(served):
    """As of a bundle, with its place; what is over stays, and is over."""
    form = typed(
        conditions=[
            patient.Condition(code=coded(), verification_status=patient.VERIFICATION_STATUS_ENTERED_IN_ERROR),
            patient.Condition(code=coded(), abated=True),
        ],
        allergies=[patient.Allergy(code=coded(), clinical_status=patient.CLINICAL_STATUS_RESOLVED)],
        medications=[
            patient.Medication(code=coded(), status=patient.MEDICATION_STATUS_NOT_TAKEN),
            patient.Medication(
                code=coded(),
                source=patient.MEDICATION_SOURCE_REQUEST,
                status=patient.MEDICATION_STATUS_ACTIVE,
                intent=patient.MEDICATION_INTENT_PLAN,
            ),
            patient.Medication(code=coded(), intent=patient.MEDICATION_INTENT_PLAN, reported=True),
        ],
    )
    answer = await reading(served, form)
    assert [item.place for item in answer.record.conditions] == ["patient.record.conditions[1]"]
    assert answer.record.conditions[0].abated
    assert not answer.record.allergies
    assert [item.place for item in answer.record.medications] == ["patient.record.medications[2]"]
    assert {item.reason: list(item.places) for item in answer.notices} == {
        "RESOURCES_NOT_USABLE": [
            "patient.record.conditions[0]",
            "patient.record.medications[0]",
            "patient.record.allergies[0]",
        ],
        "MEDICATION_PLANNED": ["patient.record.medications[1]"],
    }


async def test_an_infants_age_is_told_in_months_or_days(served):
    bundle = json.loads(GOLDEN.read_text(encoding="utf-8"))
    for birth, age in (
        ("2020-04-20", quantity_pb2.PatientAge(days=16)),
        ("2019-02-10", quantity_pb2.PatientAge(months=14)),
        ("2018-05-06", quantity_pb2.PatientAge(years=2)),
        ("2019", quantity_pb2.PatientAge(years=1)),
    ):
        born = dict(bundle["entry"][0]["resource"], birthDate=birth)
        observation = next(e for e in bundle["entry"] if e["resource"]["resourceType"] == "Observation")
        young = dict(bundle, entry=[{**bundle["entry"][0], "resource": born}, observation])
        form = patient.PatientInput(fhir_bundle=json.dumps(young).encode())
        record = (await reading(served, form)).record
        assert record.age == age
        assert (await reading(served, patient.PatientInput(record=record))).record.age == age


async def test_both_forms_of_a_record_rank_alike(served):
    read = await reading(served, GOLDEN_INPUT)
    by_bundle, by_record = [
        await ranking(served, form) for form in (GOLDEN_INPUT, patient.PatientInput(record=read.record))
    ]
    assert by_bundle.treatments == by_record.treatments
    assert by_bundle.known_conditions == by_record.known_conditions
    assert len(by_bundle.treatments) == convert.DEFAULT_RESULTS


async def test_ranking_explains_itself_and_says_where_it_comes_from(served):
    answer = await ranking(
        served,
        typed(allergies=[patient.Allergy(code=coded(concept("6809", "Metformin", RXNORM)))]),
        further_conditions=[
            coded(concept("233604007", "Pneumonia")),
            coded(concept("1", "Nobody knows")),
        ],
        max_treatment_count=3,
        model=RANKER,
    )
    assert len(answer.treatments) == 3
    metformin = next(item for item in answer.treatments if "Metformin" in item.treatment.display)
    assert metformin.kind == pb.TREATMENT_KIND_MEDICATION
    assert metformin.drivers[0].entry == patient.RecordReference(
        place="patient.record.conditions[0]", concept=concept()
    )
    assert metformin.drivers[0].contribution == pytest.approx(
        metformin.score - metformin.drivers[0].score_without
    )
    assert metformin.contraindicated
    [alert] = metformin.alerts
    assert alert.kind == pb.SafetyAlert.KIND_ALLERGY
    assert alert.severity == pb.SafetyAlert.SEVERITY_CONTRAINDICATED
    assert alert.rule_id == "allergy_to_drug"
    assert alert.trigger.concept.display == "Metformin"
    assert alert.trigger.place == "patient.record.allergies[0]"
    assert [(item.place, item.concept.display) for item in answer.known_conditions] == [
        ("patient.record.conditions[0]", "Diabetes"),
        ("further_conditions[0]", "Pneumonia"),
    ]
    assert [item.place for item in answer.unknown_conditions] == ["further_conditions[1]"]
    assert answer.provenance.model_name == RANKER
    assert len(answer.provenance.weights_sha256) == 64
    assert "not" in answer.provenance.intended_use
    assert len(served.inference.calls) == 1


@pytest.mark.parametrize(
    ("allergy", "contraindicated", "unread"),
    [
        (coded(concept("7984", "Penicillin V", RXNORM)), True, False),
        (coded(concept("91936005", "")), True, False),
        (coded(text="PCN"), True, False),
        (coded(text="peanuts"), False, False),
        (coded(text=CANARY), False, True),
        (coded(concept("99999999", "", RXNORM)), False, True),
    ],
)
async def test_further_allergies_are_checked_like_those_of_the_record(
    served, allergy, contraindicated, unread
):
    sore = coded(concept("43878008", "Streptococcal sore throat"))
    throat = [patient.Condition(code=sore, clinical_status=ACTIVE)]
    answer = await ranking(served, typed(conditions=throat), further_allergies=[allergy])
    penicillin = next(item for item in answer.treatments if "Penicillin" in item.treatment.display)
    assert penicillin.contraindicated == contraindicated
    if contraindicated:
        expected = allergy.codings[0] if allergy.codings else concept_pb2.Concept(display=allergy.text)
        assert penicillin.alerts[0].trigger == patient.RecordReference(
            place="further_allergies[0]", concept=expected
        )
    found = [item for item in answer.notices if item.reason == "ALLERGY_NOT_CHECKED"]
    assert [list(item.places) for item in found] == ([["further_allergies[0]"]] if unread else [])
    assert all(item.review_required for item in found)
    assert CANARY not in str(answer.notices)


async def test_a_gender_that_the_contract_does_not_have_is_refused(served):
    record = patient.PatientRecord.FromString(b"\x10\x63")
    call = served.stub.ReadRecord(pb.ReadRecordRequest(patient=patient.PatientInput(record=record)))
    assert (await refused(call))[1:3] == ("INPUT_OUT_OF_RANGE", "patient.record.gender")


async def test_without_its_model_ranking_is_unavailable_and_reading_goes_on(served):
    served.inference.stop(RANKER)
    call = served.stub.RankTreatments(pb.RankTreatmentsRequest(patient=typed()), timeout=TIMEOUT)
    code, reason, _, _ = await refused(call)
    assert (code, reason) == (grpc.StatusCode.UNAVAILABLE, "MODEL_UNAVAILABLE")
    assert (await reading(served, typed())).record.conditions


async def test_a_full_queue_is_told(served):
    served.inference.fail(RANKER, Overloaded())
    call = served.stub.RankTreatments(pb.RankTreatmentsRequest(patient=typed()), timeout=TIMEOUT)
    assert (await refused(call))[:2] == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
