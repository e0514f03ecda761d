"""Requests at fault: refused by their field, without quoting it, and the server goes on."""

from __future__ import annotations

import json

import grpc
import pytest

from medmesh.common.v1 import concept_pb2, options_pb2, quantity_pb2
from medmesh.common.v1 import patient_pb2 as patient
from medmesh.recommendation.v1 import recommendation_pb2 as pb
from services.chassis.rpc.incoming import LONG_BYTES
from services.clinical import limits
from services.clinical.dates import MAX_AGE_YEARS
from services.clinical.fhir.bundle import MAX_BUNDLE_BYTES
from tests.clinical.test_fhir import CANARY
from tests.recommendation.conftest import ENCODER
from tests.recommendation.refusals import refused
from tests.recommendation.requests import (
    TIMEOUT,
    coded,
    concept,
    on,
    ranking,
    typed,
)

BAD_INPUT = [
    ({}, "INPUT_MISSING", "patient"),
    ({"patient": patient.PatientInput()}, "INPUT_MISSING", "patient.form"),
    ({"patient": patient.PatientInput(fhir_bundle=b"")}, "INPUT_MISSING", "patient.fhir_bundle"),
    (
        {"patient": patient.PatientInput(fhir_bundle=CANARY.encode())},
        "INPUT_MALFORMED",
        "patient.fhir_bundle",
    ),
    (
        {"patient": patient.PatientInput(fhir_bundle=json.dumps({"resourceType": CANARY}).encode())},
        "INPUT_MALFORMED",
        "patient.fhir_bundle.resourceType",
    ),
    ({"patient": typed(), "max_treatment_count": 101}, "INPUT_OUT_OF_RANGE", "max_treatment_count"),
    ({"patient": typed(), "max_treatment_count": 0}, "INPUT_OUT_OF_RANGE", "max_treatment_count"),
    ({"patient": typed(), "further_conditions": [coded()] * 101}, "INPUT_TOO_LARGE", "further_conditions"),
    (
        {"patient": typed(), "further_conditions": [coded(), coded(concept_pb2.Concept(system=CANARY))]},
        "INPUT_MISSING",
        "further_conditions[1].codings[0].code",
    ),
    ({"patient": typed(), "further_allergies": [coded()] * 101}, "INPUT_TOO_LARGE", "further_allergies"),
    (
        {"patient": typed(), "further_allergies": [concept_pb2.CodedConcept()]},
        "INPUT_MISSING",
        "further_allergies[0]",
    ),
    (
        {"patient": typed(), "further_allergies": [coded(text=CANARY * 100)]},
        "INPUT_TOO_LARGE",
        "further_allergies[0].text",
    ),
    ({"patient": typed(), "model": CANARY}, "MODEL_UNKNOWN", ""),
    ({"patient": typed(), "model": ENCODER}, "MODEL_UNKNOWN", ""),
    (
        {"patient": typed(conditions=[patient.Condition()])},
        "INPUT_MISSING",
        "patient.record.conditions[0].code",
    ),
    (
        {"patient": typed(conditions=[patient.Condition(code=coded(concept("9" * 65)))])},
        "INPUT_TOO_LARGE",
        "patient.record.conditions[0].code.codings[0].code",
    ),
    (
        {"patient": typed(conditions=[patient.Condition(code=coded(), onset=on("2019-02-30"))])},
        "INPUT_OUT_OF_RANGE",
        "patient.record.conditions[0].onset.value",
    ),
    (
        {"patient": typed(conditions=[patient.Condition(code=coded(), abated_on=on(CANARY))])},
        "INPUT_MALFORMED",
        "patient.record.conditions[0].abated_on.value",
    ),
    (
        {"patient": typed(allergies=[patient.Allergy(code=coded(concept(display="x" * 513)))])},
        "INPUT_TOO_LARGE",
        "patient.record.allergies[0].code.codings[0].display",
    ),
    (
        {"patient": typed(allergies=[patient.Allergy(code=coded())] * 501)},
        "INPUT_TOO_LARGE",
        "patient.record.allergies",
    ),
    (
        {
            "patient": typed(
                observations=[
                    patient.Observation(code=coded(), quantity=quantity_pb2.Quantity(value=float("nan")))
                ]
            )
        },
        "INPUT_OUT_OF_RANGE",
        "patient.record.observations[0].quantity.value",
    ),
    (
        {
            "patient": typed(
                observations=[patient.Observation(code=coded(), quantity=quantity_pb2.Quantity(unit="%"))]
            )
        },
        "INPUT_MISSING",
        "patient.record.observations[0].quantity.value",
    ),
    (
        {"patient": typed(observations=[patient.Observation(code=coded())])},
        "INPUT_MISSING",
        "patient.record.observations[0].value",
    ),
    (
        {
            "patient": typed(
                observations=[patient.Observation(code=coded(), coded=concept_pb2.CodedConcept(text=" "))]
            )
        },
        "INPUT_MISSING",
        "patient.record.observations[0].coded",
    ),
    (
        {"patient": typed(allergies=[patient.Allergy(code=coded(), place=f"Bundle.{CANARY}")])},
        "INPUT_MALFORMED",
        "patient.record.allergies[0].place",
    ),
    (
        {"patient": typed(allergies=[patient.Allergy(code=concept_pb2.CodedConcept())])},
        "INPUT_MISSING",
        "patient.record.allergies[0].code",
    ),
    (
        {"patient": typed(allergies=[patient.Allergy(code=coded(*[concept()] * 21))])},
        "INPUT_TOO_LARGE",
        "patient.record.allergies[0].code.codings",
    ),
    (
        {"patient": typed(age=quantity_pb2.PatientAge(years=131))},
        "INPUT_OUT_OF_RANGE",
        "patient.record.age.years",
    ),
    (
        {"patient": typed(age=quantity_pb2.PatientAge(days=-1))},
        "INPUT_OUT_OF_RANGE",
        "patient.record.age.days",
    ),
]


@pytest.mark.parametrize(("request_fields", "reason", "field"), BAD_INPUT)
async def test_bad_input_is_refused_by_its_field_and_the_server_goes_on(
    served, request_fields, reason, field
):
    call = served.stub.RankTreatments(pb.RankTreatmentsRequest(**request_fields), timeout=TIMEOUT)
    code, found, named, everything = await refused(call)
    unknown = reason == "MODEL_UNKNOWN"
    expected = grpc.StatusCode.NOT_FOUND if unknown else grpc.StatusCode.INVALID_ARGUMENT
    assert (code, found, named) == (expected, reason, field)
    assert CANARY not in everything
    assert not served.inference.calls
    assert (await ranking(served, typed())).treatments


async def test_a_long_record_is_held_to_the_limits_to_its_last_item(served):
    """Long ones are looked through beside the event loop."""
    good = patient.Observation(code=coded(), quantity=quantity_pb2.Quantity(value=1))
    bad = patient.Observation(code=coded(), quantity=quantity_pb2.Quantity(value=float("inf")))
    form = typed(observations=[*[good] * 9_999, bad])
    assert form.ByteSize() > LONG_BYTES
    call = served.stub.ReadRecord(pb.ReadRecordRequest(patient=form), timeout=TIMEOUT)
    assert (await refused(call))[1:3] == (
        "INPUT_OUT_OF_RANGE",
        "patient.record.observations[9999].quantity.value",
    )


def test_what_is_read_of_a_bundle_fits_the_contracts_limits():
    """The reader cuts and refuses by numbers of its own, so that a record that was read can be sent on."""
    stated = {
        field.name: field.GetOptions().Extensions[options_pb2.limits]
        for message in (
            patient.PatientRecord,
            patient.PatientInput,
            concept_pb2.CodedConcept,
            concept_pb2.Concept,
        )
        for field in message.DESCRIPTOR.fields
    }
    assert {name: stated[name].max_count for name in limits.MAX_ITEMS} == limits.MAX_ITEMS
    assert stated["fhir_bundle"].max_bytes == MAX_BUNDLE_BYTES
    assert stated["codings"].max_count == limits.MAX_CODINGS
    assert stated["text"].max_length == stated["display"].max_length == limits.MAX_DISPLAY
    assert (stated["system"].max_length, stated["code"].max_length) == (limits.MAX_SYSTEM, limits.MAX_CODE)
    years = quantity_pb2.PatientAge.DESCRIPTOR.fields_by_name["years"]
    assert years.GetOptions().Extensions[options_pb2.limits].max == MAX_AGE_YEARS
