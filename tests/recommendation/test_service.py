# Long because: every rpc of the service is tried here on the one running server.
"""The service as a client sees it: a real server on a free port."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime

import grpc
import numpy as np
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from google.rpc.status_pb2 import Status

from medmesh.common.v1 import catalog_pb2, catalog_pb2_grpc, concept_pb2
from medmesh.common.v1 import patient_pb2 as patient
from medmesh.recommendation.v1 import recommendation_pb2 as pb
from medmesh.recommendation.v1 import recommendation_pb2_grpc
from services.chassis.errors import Overloaded
from services.chassis.rpc.server import running_server
from services.recommendation import convert
from services.recommendation.__main__ import SERVICE
from services.recommendation.models import ICU_OUTCOME, PATIENT_ENCODER, TREATMENT_RANKER
from services.recommendation.ranking import MODEL
from services.recommendation.settings import RecommendationSettings
from services.recommendation.similarity import REPRESENTATION_SIZE, ReferencePopulation
from tests.clinical.test_fhir import CANARY, GOLDEN
from tests.recommendation.conftest import MODELS

TIMEOUT = 20
SNOMED, ICD10CM = "http://snomed.info/sct", "http://hl7.org/fhir/sid/icd-10-cm"
GOLDEN_INPUT = patient.PatientInput(fhir_bundle=GOLDEN.read_bytes())


def concept(code="44054006", display="Diabetes", system=SNOMED):
    return concept_pb2.Concept(system=system, code=code, display=display)


def typed(**fields):
    fields.setdefault("conditions", [patient.Condition(concept=concept(), active=True)])
    return patient.PatientInput(record=patient.PatientRecord(age_years=60, **fields))


def coded(codings, text=""):
    return concept_pb2.CodedConcept(codings=codings, text=text)


async def refused(call):
    """Status, reason and field of a refused call, and all that was sent about it."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    error = caught.value
    status = Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"])
    info, bad = ErrorInfo(), BadRequest()
    for detail in status.details:
        detail.Unpack(info) if detail.Is(ErrorInfo.DESCRIPTOR) else detail.Unpack(bad)
    field = bad.field_violations[0].field if bad.field_violations else ""
    return error.code(), info.reason, field, f"{error.details()}{status}"


async def test_a_bundle_reads_into_the_typed_record(served):
    answer = await served.stub.ReadRecord(pb.ReadRecordRequest(patient=GOLDEN_INPUT), timeout=TIMEOUT)
    record = answer.record
    assert (record.age_years, record.gender) == (61, patient.ADMINISTRATIVE_GENDER_FEMALE)
    assert [item.concept.code for item in record.conditions] == ["38341003", "36971009", ""]
    assert record.conditions[2].concept.display == "feels unwell"
    assert [item.system for item in record.conditions[0].code.codings] == [SNOMED, ICD10CM]
    assert [item.place for item in record.allergies] == ["Bundle.entry[8].resource"] * 2
    assert record.conditions[0].active is True
    assert record.conditions[1].onset_time.ToDatetime(UTC) == datetime(2019, 2, 1, tzinfo=UTC)
    assert record.medications[0].reason.code == "38341003"
    assert not record.medications[1].HasField("reason")
    assert [item.reason for item in answer.notices] == [
        "RESOURCE_WITHOUT_PATIENT",
        "RESOURCES_NOT_USABLE",
        "RESOURCES_SKIPPED",
    ]


async def test_a_typed_record_reads_as_it_is(served):
    first = await served.stub.ReadRecord(pb.ReadRecordRequest(patient=GOLDEN_INPUT), timeout=TIMEOUT)
    again = pb.ReadRecordRequest(patient=patient.PatientInput(record=first.record))
    assert (await served.stub.ReadRecord(again, timeout=TIMEOUT)).record == first.record


async def test_a_typed_record_is_read_under_canonical_codes_and_in_used_units(served):
    """Codes by OID, a name alone, an eGFR in mL/s: a typed record is read as a bundle is."""
    snomed = concept(system="urn:oid:2.16.840.1.113883.6.96")
    egfr = concept("33914-3", "", "urn:oid:2.16.840.1.113883.6.1")
    record = typed(
        conditions=[patient.Condition(concept=snomed)],
        allergies=[patient.Allergy(concept=concept_pb2.Concept(display="Penicillin"))],
        observations=[patient.Observation(concept=egfr, value=0.5, unit="mL/s")],
    )
    answer = await served.stub.ReadRecord(pb.ReadRecordRequest(patient=record), timeout=TIMEOUT)
    assert answer.record.conditions[0].concept.system == SNOMED
    assert answer.record.allergies[0].concept.display == "Penicillin"
    assert not answer.record.allergies[0].concept.code
    assert answer.record.allergies[0].place == "patient.record.allergies[0]"
    assert (answer.record.observations[0].value, answer.record.observations[0].unit) == (
        30.0,
        "mL/min/{1.73_m2}",
    )


async def test_both_forms_of_a_record_rank_alike(served):
    read = await served.stub.ReadRecord(pb.ReadRecordRequest(patient=GOLDEN_INPUT), timeout=TIMEOUT)
    by_bundle, by_record = [
        await served.stub.RankTreatments(pb.RankTreatmentsRequest(patient=form), timeout=TIMEOUT)
        for form in (GOLDEN_INPUT, patient.PatientInput(record=read.record))
    ]
    assert by_bundle.recommendations == by_record.recommendations
    assert len(by_bundle.recommendations) == convert.DEFAULT_RESULTS


async def test_ranking_explains_itself_and_says_where_it_comes_from(served):
    request = pb.RankTreatmentsRequest(
        patient=typed(
            allergies=[
                patient.Allergy(
                    concept=concept("6809", "Metformin", "http://www.nlm.nih.gov/research/umls/rxnorm")
                )
            ]
        ),
        further_conditions=[concept("233604007", "Pneumonia"), concept("1", "Nobody knows")],
        max_result_count=3,
    )
    answer = await served.stub.RankTreatments(request, timeout=TIMEOUT)
    assert len(answer.recommendations) == 3
    metformin = next(item for item in answer.recommendations if "Metformin" in item.treatment.display)
    assert metformin.kind == pb.TREATMENT_KIND_MEDICATION
    assert metformin.drivers[0].concept == concept()
    assert metformin.drivers[0].contribution == pytest.approx(
        metformin.score - metformin.drivers[0].score_without
    )
    assert metformin.contraindicated
    assert metformin.alerts[0].kind == pb.SafetyAlert.KIND_ALLERGY
    assert metformin.alerts[0].severity == pb.SafetyAlert.SEVERITY_CONTRAINDICATED
    assert metformin.alerts[0].trigger.display == "Metformin"
    assert [item.display for item in answer.known_conditions] == ["Diabetes", "Pneumonia"]
    assert [item.display for item in answer.unknown_conditions] == ["Nobody knows"]
    assert answer.provenance.model_name == TREATMENT_RANKER.name
    assert len(answer.provenance.weights_sha256) == 64
    assert "not" in answer.provenance.intended_use
    assert len(served.inference.calls) == 1


@pytest.mark.parametrize(
    ("request_fields", "reason", "field"),
    [
        ({}, "INPUT_MISSING", "patient"),
        ({"patient": patient.PatientInput()}, "INPUT_MISSING", "patient"),
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
        ({"patient": typed(), "max_result_count": 101}, "INPUT_OUT_OF_RANGE", "max_result_count"),
        ({"patient": typed(), "max_result_count": -1}, "INPUT_OUT_OF_RANGE", "max_result_count"),
        (
            {"patient": typed(), "further_conditions": [concept()] * 101},
            "INPUT_TOO_LARGE",
            "further_conditions",
        ),
        (
            {"patient": typed(), "further_conditions": [concept(), concept_pb2.Concept(system=CANARY)]},
            "INPUT_MISSING",
            "further_conditions[1].code",
        ),
        (
            {"patient": typed(), "further_allergies": [concept()] * 101},
            "INPUT_TOO_LARGE",
            "further_allergies",
        ),
        (
            {"patient": typed(), "further_allergies": [concept_pb2.Concept()]},
            "INPUT_MISSING",
            "further_allergies[0].system",
        ),
        (
            {"patient": typed(), "further_allergies": [concept_pb2.Concept(system=CANARY, display="x")]},
            "INPUT_MISSING",
            "further_allergies[0].code",
        ),
        (
            {"patient": typed(), "further_allergies": [concept_pb2.Concept(display=CANARY * 100)]},
            "INPUT_TOO_LARGE",
            "further_allergies[0].display",
        ),
        (
            {"patient": typed(conditions=[patient.Condition()])},
            "INPUT_MISSING",
            "patient.record.conditions[0].concept.system",
        ),
        (
            {"patient": typed(conditions=[patient.Condition(concept=concept("9" * 65))])},
            "INPUT_TOO_LARGE",
            "patient.record.conditions[0].concept.code",
        ),
        (
            {"patient": typed(allergies=[patient.Allergy(concept=concept(display="x" * 513))])},
            "INPUT_TOO_LARGE",
            "patient.record.allergies[0].concept.display",
        ),
        (
            {"patient": typed(allergies=[patient.Allergy(concept=concept())] * 501)},
            "INPUT_TOO_LARGE",
            "patient.record.allergies",
        ),
        (
            {"patient": typed(observations=[patient.Observation(concept=concept(), value=float("nan"))])},
            "INPUT_OUT_OF_RANGE",
            "patient.record.observations[0].value",
        ),
        (
            {"patient": typed(observations=[patient.Observation(concept=concept(), unit="x" * 65)])},
            "INPUT_TOO_LARGE",
            "patient.record.observations[0].unit",
        ),
        (
            {
                "patient": typed(
                    procedures=[
                        patient.Procedure(concept=concept(), performed_time=Timestamp(seconds=1 << 60))
                    ]
                )
            },
            "INPUT_OUT_OF_RANGE",
            "patient.record.procedures[0].performed_time",
        ),
        (
            {"patient": typed(allergies=[patient.Allergy(concept=concept(), place=f"Bundle.{CANARY}")])},
            "INPUT_MALFORMED",
            "patient.record.allergies[0].place",
        ),
        (
            {"patient": typed(allergies=[patient.Allergy(code=concept_pb2.CodedConcept())])},
            "INPUT_MISSING",
            "patient.record.allergies[0].code",
        ),
        (
            {"patient": typed(allergies=[patient.Allergy(code=coded([concept()] * 21))])},
            "INPUT_TOO_LARGE",
            "patient.record.allergies[0].code.codings",
        ),
        (
            {"patient": typed(allergies=[patient.Allergy(code=coded([concept()], text="x" * 513))])},
            "INPUT_TOO_LARGE",
            "patient.record.allergies[0].code.text",
        ),
        (
            {"patient": typed(findings=[patient.Finding(code=coded([concept()]))])},
            "INPUT_MISSING",
            "patient.record.findings[0].value",
        ),
        (
            {"patient": patient.PatientInput(record=patient.PatientRecord(age_years=131))},
            "INPUT_OUT_OF_RANGE",
            "patient.record.age_years",
        ),
    ],
)
async def test_bad_input_is_refused_by_its_field_and_the_server_goes_on(
    served, request_fields, reason, field
):
    call = served.stub.RankTreatments(pb.RankTreatmentsRequest(**request_fields), timeout=TIMEOUT)
    code, found, named, everything = await refused(call)
    assert (code, found, named) == (grpc.StatusCode.INVALID_ARGUMENT, reason, field)
    assert CANARY not in everything
    assert not served.inference.calls
    good = pb.RankTreatmentsRequest(patient=typed())
    assert (await served.stub.RankTreatments(good, timeout=TIMEOUT)).recommendations


@pytest.mark.parametrize(
    ("allergy", "contraindicated", "unread"),
    [
        (concept("7984", "Penicillin V", "http://www.nlm.nih.gov/research/umls/rxnorm"), True, False),
        (concept("91936005", ""), True, False),
        (concept_pb2.Concept(display="PCN"), True, False),
        (concept_pb2.Concept(display="peanuts"), False, False),
        (concept_pb2.Concept(display=CANARY), False, True),
        (concept("99999999", "", "http://www.nlm.nih.gov/research/umls/rxnorm"), False, True),
    ],
)
async def test_further_allergies_are_checked_like_those_of_the_record(
    served, allergy, contraindicated, unread
):
    throat = [patient.Condition(concept=concept("43878008", "Streptococcal sore throat"), active=True)]
    request = pb.RankTreatmentsRequest(patient=typed(conditions=throat), further_allergies=[allergy])
    answer = await served.stub.RankTreatments(request, timeout=TIMEOUT)
    penicillin = next(item for item in answer.recommendations if "Penicillin" in item.treatment.display)
    assert penicillin.contraindicated == contraindicated
    if contraindicated:
        assert penicillin.alerts[0].trigger == allergy
    found = [item for item in answer.notices if item.reason == "ALLERGY_NOT_CHECKED"]
    assert [list(item.places) for item in found] == ([["further_allergies[0]"]] if unread else [])
    assert all(item.review_required for item in found)
    assert CANARY not in str(answer.notices)


async def test_a_later_contracts_gender_counts_as_not_stated(served):
    record = patient.PatientRecord.FromString(
        patient.PatientRecord(age_years=5).SerializeToString() + b"\x10\x63"
    )
    request = pb.ReadRecordRequest(patient=patient.PatientInput(record=record))
    answer = await served.stub.ReadRecord(request, timeout=TIMEOUT)
    assert answer.record.gender == patient.ADMINISTRATIVE_GENDER_UNSPECIFIED


async def test_without_its_model_ranking_is_unavailable_and_reading_goes_on(served):
    served.inference.stop(MODEL)
    call = served.stub.RankTreatments(pb.RankTreatmentsRequest(patient=typed()), timeout=TIMEOUT)
    code, reason, _, _ = await refused(call)
    assert (code, reason) == (grpc.StatusCode.UNAVAILABLE, "MODEL_UNAVAILABLE")
    assert (await served.stub.ReadRecord(pb.ReadRecordRequest(patient=typed()), timeout=TIMEOUT)).record


async def test_a_full_queue_is_told(served):
    served.inference.fail(MODEL, Overloaded())
    call = served.stub.RankTreatments(pb.RankTreatmentsRequest(patient=typed()), timeout=TIMEOUT)
    assert (await refused(call))[:2] == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")


async def test_the_committed_models_are_served_with_their_cards(served):
    stub = catalog_pb2_grpc.ModelCatalogServiceStub(served.channel)
    models = (await stub.ListModels(catalog_pb2.ListModelsRequest(), timeout=TIMEOUT)).models
    assert {(item.name, item.ready, item.reason) for item in models} == {
        (spec.name, True, "") for spec in (ICU_OUTCOME, PATIENT_ENCODER, TREATMENT_RANKER)
    }
    for name in (TREATMENT_RANKER.name, PATIENT_ENCODER.name):
        answer = await stub.GetModelCard(catalog_pb2.GetModelCardRequest(name=name), timeout=TIMEOUT)
        assert any("modules that people wrote by hand" in item for item in answer.card.limitations)
        assert all(item.ci_low <= item.value <= item.ci_high for item in answer.card.metrics)


def test_the_card_states_what_was_aimed_at():
    """At least half as good again as popularity, and not below EASE, on the same patients; whole
    intervals.
    """
    card = json.loads((MODELS / "treatment_ranker" / "metadata.json").read_text(encoding="utf-8"))
    figures = {item["name"]: item for item in card["metrics"] if not item.get("subgroup")}
    for figure in ("recall_at_5", "ndcg_at_10"):
        for view in ("whole", "decision"):
            assert figures[f"{figure}_{view}_over_popularity"]["ci_low"] > 0.5
            assert figures[f"{figure}_{view}_minus_ease"]["ci_low"] > 0
            assert figures[f"{figure}_{view}_minus_ease_with_side"]["value"] > 0


async def test_similar_patients_share_conditions(served):
    request = pb.FindSimilarPatientsRequest(patient=GOLDEN_INPUT, max_result_count=5)
    answer = await served.stub.FindSimilarPatients(request, timeout=TIMEOUT)
    similarities = [item.similarity for item in answer.patients]
    assert len(answer.patients) == 5
    assert similarities == sorted(similarities, reverse=True)
    assert 0.3 < similarities[0] <= 1
    assert all(item.reference_id.startswith("synthetic-") for item in answer.patients)
    assert any(shared.code == "38341003" for item in answer.patients for shared in item.shared_conditions)
    assert answer.provenance.model_name == PATIENT_ENCODER.name


async def test_without_the_optional_models_the_others_go_on(tmp_path, inference):
    shutil.copytree(MODELS / TREATMENT_RANKER.name, tmp_path / TREATMENT_RANKER.name)
    settings = RecommendationSettings(listen="127.0.0.1:0", model_repository=tmp_path)
    async with (
        running_server(SERVICE, settings, inference=inference) as running,
        grpc.aio.insecure_channel(running.address) as channel,
    ):
        stub = recommendation_pb2_grpc.RecommendationServiceStub(channel)
        ranked = await stub.RankTreatments(pb.RankTreatmentsRequest(patient=GOLDEN_INPUT), timeout=TIMEOUT)
        assert ranked.recommendations
        for call in (
            stub.FindSimilarPatients(pb.FindSimilarPatientsRequest(patient=GOLDEN_INPUT), timeout=TIMEOUT),
            stub.PredictOutcome(pb.PredictOutcomeRequest(stay=stay()), timeout=TIMEOUT),
        ):
            assert (await refused(call))[:2] == (grpc.StatusCode.UNAVAILABLE, "MODEL_UNAVAILABLE")


async def test_a_representation_that_is_none_is_no_answer(served):
    def broken(inputs):
        return {
            "representation": np.zeros((1, REPRESENTATION_SIZE), np.float32),
            "reconstruction": np.zeros_like(inputs["features"]),
        }

    served.inference.functions[PATIENT_ENCODER.name] = broken
    call = served.stub.FindSimilarPatients(pb.FindSimilarPatientsRequest(patient=typed()), timeout=TIMEOUT)
    assert (await refused(call))[:2] == (grpc.StatusCode.INTERNAL, "MODEL_FAILED")


def test_the_reference_population_survives_its_file(tmp_path):
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(7, REPRESENTATION_SIZE)).astype(np.float16).astype(np.float32)
    population = ReferencePopulation(tuple(f"p{i}" for i in range(7)), rows, rng.random((7, 13)) < 0.5)
    population.save(tmp_path / "reference.npz")
    read = ReferencePopulation.load(tmp_path / "reference.npz")
    assert read.ids == population.ids
    np.testing.assert_array_equal(read.representations, population.representations)
    np.testing.assert_array_equal(read.conditions, population.conditions)


def stay(**fields):
    fields.setdefault("measurements", [measurement(hour=hour) for hour in (0, 1, 30)])
    return pb.IcuStay(age_years=70, unit=pb.ICU_UNIT_MEDICAL, **fields)


def measurement(variable=pb.ICU_VARIABLE_HEART_RATE, hour=1.0, value=90.0):
    return pb.IcuMeasurement(variable=variable, hour=hour, value=value)


async def test_an_outcome_names_what_drives_it(served):
    wild = measurement(pb.ICU_VARIABLE_SODIUM, 2.0, 1e6)
    lactate = measurement(pb.ICU_VARIABLE_LACTATE, 2.0, 4.0)
    measurements = [*stay().measurements, lactate, wild]
    request = pb.PredictOutcomeRequest(stay=stay(measurements=measurements))
    answer = await served.stub.PredictOutcome(request, timeout=TIMEOUT)
    assert {item.variable for item in answer.variables} == {
        pb.ICU_VARIABLE_HEART_RATE,
        pb.ICU_VARIABLE_LACTATE,
    }
    # The stand-in's risk rises with what is measured, and the heart rate was measured more often.
    assert answer.variables[0].variable == pb.ICU_VARIABLE_HEART_RATE
    assert answer.variables[0].probability_without < answer.death_probability
    assert [(item.start_hour, item.end_hour) for item in answer.periods] == [(0, 6), (30, 36)]
    assert list(answer.prediction_set.labels) == ["survived"]
    assert answer.prediction_set.coverage == pytest.approx(0.9)
    assert not answer.abstained
    assert [item.reason for item in answer.notices] == ["IMPLAUSIBLE_VALUES_SKIPPED"]
    assert answer.provenance.model_name == ICU_OUTCOME.name


@pytest.mark.parametrize(
    ("message", "reason", "field"),
    [
        (pb.IcuStay(), "INPUT_MISSING", "stay.measurements"),
        (stay(measurements=[measurement()] * 20_001), "INPUT_TOO_LARGE", "stay.measurements"),
        (stay(measurements=[measurement(variable=0)]), "INPUT_MISSING", "stay.measurements[0].variable"),
        (stay(measurements=[measurement(hour=49)]), "INPUT_OUT_OF_RANGE", "stay.measurements[0].hour"),
        (
            stay(measurements=[measurement(hour=float("nan"))]),
            "INPUT_OUT_OF_RANGE",
            "stay.measurements[0].hour",
        ),
        (
            stay(measurements=[measurement(value=float("inf"))]),
            "INPUT_OUT_OF_RANGE",
            "stay.measurements[0].value",
        ),
        (stay(height_cm=float("nan")), "INPUT_OUT_OF_RANGE", "stay.height_cm"),
        (pb.IcuStay(age_years=14, measurements=[measurement()]), "INPUT_OUT_OF_RANGE", "stay.age_years"),
    ],
)
async def test_a_bad_stay_is_refused_by_its_field(served, message, reason, field):
    call = served.stub.PredictOutcome(pb.PredictOutcomeRequest(stay=message), timeout=TIMEOUT)
    assert (await refused(call))[:3] == (grpc.StatusCode.INVALID_ARGUMENT, reason, field)


async def test_real_bundles_are_answered(served, shared_data):
    files = sorted((shared_data / "fhir").glob("*.json"))
    assert files
    for file in files:
        form = patient.PatientInput(fhir_bundle=file.read_bytes())
        ranked = await served.stub.RankTreatments(pb.RankTreatmentsRequest(patient=form), timeout=TIMEOUT)
        similar = await served.stub.FindSimilarPatients(
            pb.FindSimilarPatientsRequest(patient=form), timeout=TIMEOUT
        )
        assert len(ranked.recommendations) == len(similar.patients) == 10
