"""Reading FHIR R4 bundles."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from services.chassis.errors import InvalidInput, Reason
from services.clinical import fhir
from services.clinical.code_systems import ICD10CM, LOINC, RXNORM, SNOMED
from services.clinical.concepts import CodedConcept, Concept
from services.clinical.dates import Age, PartialDate
from services.clinical.fhir.remarks import Remark
from services.clinical.record import (
    Allergy,
    Condition,
    Medication,
    Observation,
    PatientRecord,
    Procedure,
    Quantity,
)
from services.clinical.statuses import (
    ClinicalStatus,
    Gender,
    MedicationIntent,
    MedicationSource,
    MedicationStatus,
    Verification,
)

GOLDEN = Path(__file__).parent / "data" / "bundle.json"
CANARY = "Zyx-Canary-1969"


@pytest.fixture
def bundle():
    return json.loads(GOLDEN.read_text(encoding="utf-8"))


def read(bundle) -> fhir.ReadBundle:
    return fhir.read_bundle(json.dumps(bundle).encode())


def refused(bundle) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        read(bundle)
    return caught.value


def of_kind(bundle, kind, index=0):
    return [e["resource"] for e in bundle["entry"] if e.get("resource", {}).get("resourceType") == kind][
        index
    ]


def test_golden_bundle_reads_as_written():
    """Every form of reference, date, status and coding of data/bundle.json ends where it belongs."""
    hypertension = CodedConcept(
        (Concept(SNOMED, "38341003", "Hypertension"), Concept(ICD10CM, "I10", "Essential hypertension"))
    )
    seven = PartialDate.parse("2020-05-06T07:00:00Z")
    result = fhir.read_bundle(GOLDEN.read_bytes())
    assert result.record == PatientRecord(
        age=Age(61),  # born on 20 July 1958; the last entry is of 6 May 2020
        gender=Gender.FEMALE,
        conditions=(
            Condition(
                hypertension,
                onset=PartialDate.parse("2001-03-05T08:00:00+01:00"),
                clinical_status=ClinicalStatus.ACTIVE,
                verification=Verification.CONFIRMED,
            ),
            Condition(
                CodedConcept.of(SNOMED, "36971009", "Sinusitis (disorder)"),
                onset=PartialDate.parse("2019-02"),
                abatement=PartialDate.parse("2019-03-01"),
                clinical_status=ClinicalStatus.RESOLVED,
            ),
            Condition(CodedConcept(text="feels unwell")),
        ),
        medications=(
            Medication(
                CodedConcept.of(RXNORM, "316049", "Hydrochlorothiazide 25 MG"),
                MedicationSource.REQUEST,
                MedicationStatus.ACTIVE,
                MedicationIntent.ORDER,
                authored=PartialDate.parse("2018-11-30"),
                reason=hypertension,
            ),
            Medication(
                CodedConcept.of(RXNORM, "308192", "Amoxicillin 500 MG Oral Tablet"),
                MedicationSource.STATEMENT,
                MedicationStatus.COMPLETED,
                authored=PartialDate.parse("2019-02-02"),
            ),
        ),
        procedures=(
            Procedure(
                CodedConcept.of(SNOMED, "73761001", "Colonoscopy"), PartialDate.parse("2015-06-15T10:00:00Z")
            ),
            Procedure(
                CodedConcept.of(SNOMED, "443402002", "Lifestyle education"), PartialDate.parse("2016-01-02")
            ),
        ),
        allergies=(
            Allergy(CodedConcept(text="some pills"), ClinicalStatus.ACTIVE),
            Allergy(CodedConcept.of(RXNORM, "7984", "penicillin V"), ClinicalStatus.ACTIVE),
        ),
        observations=(
            Observation(
                CodedConcept.of(LOINC, "8480-6", "Systolic blood pressure"), Quantity(151.0, "mm[Hg]"), seven
            ),
            Observation(
                CodedConcept.of(LOINC, "8462-4", "Diastolic blood pressure"), Quantity(92.5, "mmHg"), seven
            ),
        ),
    )
    assert [(item.reason, item.places) for item in result.notices] == [
        ("RESOURCE_WITHOUT_PATIENT", ("Bundle.entry[12].resource",)),
        # refuted, proposed
        ("RESOURCES_NOT_USABLE", ("Bundle.entry[3].resource", "Bundle.entry[7].resource")),
        ("RESOURCES_SKIPPED", ("Bundle.entry[13].resource",)),  # an encounter
    ]


def test_kinds_that_are_not_read_are_named_if_they_are_of_fhir(bundle):
    for kind in ("Claim", CANARY, "Immunization"):
        bundle["entry"].append({"resource": {"resourceType": kind}})
    [notice] = [item for item in read(bundle).notices if item.reason == "RESOURCES_SKIPPED"]
    assert notice.message == (
        "Resources of kinds that are not read (Claim, Encounter, Immunization, others): 4."
    )


def test_every_remark_is_documented():
    rows = (Path(__file__).parents[2] / "docs" / "errors.md").read_text(encoding="utf-8").splitlines()
    documented = {row.split("`")[1]: "Asks for review." in row for row in rows if row.startswith("| `")}
    assert {remark.name: remark.value.review for remark in Remark}.items() <= documented.items()


@pytest.mark.parametrize(
    ("content", "reason", "field"),
    [
        (b"", Reason.INPUT_MISSING, ""),
        (b"not json", Reason.INPUT_MALFORMED, ""),
        (b'{"resourceType": "Bundle"', Reason.INPUT_MALFORMED, ""),
        (b'{"resourceType": "Bundle", "total": NaN}', Reason.INPUT_MALFORMED, ""),
        (b'\xff\xfe{"resourceType": "Bundle"}', Reason.INPUT_MALFORMED, ""),
        (b'{"resourceType": "Bundle", "total": ' + b"9" * 5000 + b"}", Reason.INPUT_MALFORMED, ""),
        (b'{"resourceType": "Bundle", "resourceType": "Patient"}', Reason.INPUT_MALFORMED, ""),
        (b"[" * 65 + b"]" * 65, Reason.INPUT_MALFORMED, ""),
        (b"[" * 1_000_000, Reason.INPUT_MALFORMED, ""),
        (b" " * (fhir.MAX_BUNDLE_BYTES + 1), Reason.INPUT_TOO_LARGE, ""),
        (b"[]", Reason.INPUT_MALFORMED, "resourceType"),
        (b'{"resourceType": "Patient"}', Reason.INPUT_MALFORMED, "resourceType"),
        (b'{"resourceType": "Bundle"}', Reason.INPUT_INCONSISTENT, "entry"),
        (b'{"resourceType": "Bundle", "entry": {}}', Reason.INPUT_MALFORMED, "entry"),
        (b'{"resourceType": "Bundle", "entry": [1]}', Reason.INPUT_MALFORMED, "entry[0]"),
        (
            b'{"resourceType": "Bundle", "entry": [{"resource": []}]}',
            Reason.INPUT_MALFORMED,
            "entry[0].resource",
        ),
        (
            b'{"resourceType": "Bundle", "entry": [{"resource": {}}]}',
            Reason.INPUT_MALFORMED,
            "entry[0].resource.resourceType",
        ),
        (
            b'{"resourceType": "Bundle", "entry": [' + b"{}," * fhir.MAX_ENTRIES + b"{}]}",
            Reason.INPUT_TOO_LARGE,
            "entry",
        ),
    ],
)
def test_what_is_no_bundle_is_refused(content, reason, field):
    with pytest.raises(InvalidInput) as caught:
        fhir.read_bundle(content)
    assert (caught.value.reason, caught.value.field) == (reason, field)


def test_brackets_in_strings_do_not_nest(bundle):
    bundle["meta"]["tag"][0]["display"] = '\\" [[[' * 100
    assert read(bundle).record.age_years == 61


def test_two_patients_are_refused(bundle):
    bundle["entry"].append({"resource": {"resourceType": "Patient", "id": "p2"}})
    error = refused(bundle)
    assert (error.reason, error.field) == (Reason.INPUT_INCONSISTENT, "entry[15].resource")


@pytest.mark.parametrize(
    "kind",
    [
        "Condition",
        "MedicationRequest",
        "MedicationStatement",
        "Procedure",
        "CarePlan",
        "AllergyIntolerance",
        "Observation",
    ],
)
def test_a_resource_of_another_patient_is_refused(bundle, kind):
    owner = "patient" if kind == "AllergyIntolerance" else "subject"
    of_kind(bundle, kind)[owner] = {"reference": f"Patient/{CANARY}"}
    error = refused(bundle)
    assert error.reason is Reason.INPUT_INCONSISTENT
    assert error.field.endswith(f".resource.{owner}")
    assert CANARY not in str(error)


def test_a_resource_of_nobody_is_refused(bundle):
    del of_kind(bundle, "Condition")["subject"]
    error = refused(bundle)
    assert (error.reason, error.field) == (Reason.INPUT_INCONSISTENT, "entry[1].resource.subject")


@pytest.mark.parametrize("reference", ["#missing", "Medication/1", "urn:uuid:0", "Patient/p1"])
def test_a_medication_that_is_not_there_costs_its_entry_alone(bundle, reference):
    of_kind(bundle, "MedicationRequest")["medicationReference"] = {"reference": reference}
    result = read(bundle)
    assert [item.concept.preferred.code for item in result.record.medications] == ["308192"]
    [notice] = [item for item in result.notices if item.reason == "MEDICATION_NOT_UNDERSTOOD"]
    assert notice.review_required
    assert notice.places == ("Bundle.entry[5].resource",)


@pytest.mark.parametrize(
    "reference", ["Condition/elsewhere", "urn:uuid:33333333-3333-4333-8333-333333333333"]
)
def test_a_reason_that_is_not_there_is_left_out(bundle, reference):
    request = of_kind(bundle, "MedicationRequest")
    request["reasonReference"] = [{"reference": reference}]
    assert read(bundle).record.medications[0].reason is None


@pytest.mark.parametrize(
    ("kind", "change", "reason", "field"),
    [
        ("Patient", {"birthDate": "1958-02-30"}, Reason.INPUT_MALFORMED, "birthDate"),
        ("Patient", {"birthDate": CANARY}, Reason.INPUT_MALFORMED, "birthDate"),
        ("Patient", {"birthDate": "2030-01-01"}, Reason.INPUT_INCONSISTENT, "birthDate"),
        ("Patient", {"birthDate": "1858-01-01"}, Reason.INPUT_OUT_OF_RANGE, "birthDate"),
        ("Patient", {"gender": CANARY}, Reason.INPUT_MALFORMED, "gender"),
        ("Patient", {"gender": 1}, Reason.INPUT_MALFORMED, "gender"),
        ("Condition", {"code": CANARY}, Reason.INPUT_MALFORMED, "code"),
        ("Condition", {"code": {"coding": CANARY}}, Reason.INPUT_MALFORMED, "code.coding"),
        ("Condition", {"code": {"coding": [CANARY]}}, Reason.INPUT_MALFORMED, "code.coding[0]"),
        (
            "Condition",
            {"code": {"coding": [{"system": "http://snomed.info/sct", "code": 1}]}},
            Reason.INPUT_MALFORMED,
            "code.coding[0].code",
        ),
        ("Condition", {"onsetDateTime": CANARY}, Reason.INPUT_MALFORMED, "onsetDateTime"),
        ("Condition", {"clinicalStatus": 1}, Reason.INPUT_MALFORMED, "clinicalStatus"),
        ("MedicationRequest", {"doNotPerform": "yes"}, Reason.INPUT_MALFORMED, "doNotPerform"),
        ("Observation", {"component": {}}, Reason.INPUT_MALFORMED, "component"),
        (
            "Observation",
            {"valueQuantity": {"value": CANARY}},
            Reason.INPUT_MALFORMED,
            "valueQuantity.value",
        ),
        ("Observation", {"valueQuantity": {"value": 1e301}}, Reason.INPUT_MALFORMED, "valueQuantity.value"),
        ("Observation", {"valueQuantity": {"value": True}}, Reason.INPUT_MALFORMED, "valueQuantity.value"),
    ],
)
def test_a_wrong_value_is_refused_by_its_path_without_being_quoted(bundle, kind, change, reason, field):
    of_kind(bundle, kind).update(change)
    error = refused(bundle)
    assert error.reason is reason
    assert error.field.endswith(f"].resource.{field}")
    assert CANARY not in str(error)


def test_too_many_allergies_are_refused(bundle):
    one = {"resource": of_kind(bundle, "AllergyIntolerance")}
    bundle["entry"] += [copy.deepcopy(one) for _ in range(500)]
    assert refused(bundle).reason is Reason.INPUT_TOO_LARGE


@pytest.mark.parametrize("status", ["cancelled", "entered-in-error", "draft"])
def test_a_withdrawn_order_is_left_out(bundle, status):
    of_kind(bundle, "MedicationRequest")["status"] = status
    assert [item.concept.preferred.code for item in read(bundle).record.medications] == ["308192"]


@pytest.mark.parametrize("status", ["inactive", "resolved"])
def test_an_allergy_that_ended_is_left_out(bundle, status):
    of_kind(bundle, "AllergyIntolerance")["clinicalStatus"]["coding"][0]["code"] = status
    assert read(bundle).record.allergies == ()


def test_a_record_without_dates_has_no_age(bundle):
    bundle["entry"] = bundle["entry"][:1]
    assert read(bundle).record == PatientRecord(gender=Gender.FEMALE)


def test_real_bundles_read(shared_data):
    """Whole bundles of Synthea, as a hospital's server hands them over."""
    files = sorted((shared_data / "fhir").glob("*.json"))
    assert files
    for file in files:
        bundle = json.loads(file.read_bytes())
        record = fhir.read_bundle(file.read_bytes()).record
        kinds = [entry["resource"]["resourceType"] for entry in bundle["entry"]]
        assert len(record.conditions) == kinds.count("Condition")
        assert len(record.medications) == kinds.count("MedicationRequest")
        assert len(record.procedures) == kinds.count("Procedure") + kinds.count("CarePlan")
        assert record.age_years is not None
        assert record.gender in {Gender.MALE, Gender.FEMALE}
        assert len(record.observations) > 20
