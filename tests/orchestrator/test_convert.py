"""What of the services' messages counts as evidence."""

from __future__ import annotations

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from medmesh.common.v1 import concept_pb2, patient_pb2
from medmesh.imaging.v1 import imaging_pb2
from medmesh.language.v1 import language_pb2
from services.orchestrator import convert
from services.orchestrator.catalogue import SNOMED
from services.orchestrator.evidence import Assertion, Case
from services.orchestrator.fanout import Answers, Outcome, Service
from services.orchestrator.fusion import Modality
from tests.orchestrator.cards import FIGURES, catalogue_of
from tests.orchestrator.cases import ASTHMA, PNEUMONIA
from tests.orchestrator.conftest import analysis, entity, note, record


def answers(image=None, text=None, patient=None) -> Answers:
    return Answers(
        (Outcome("imaging", Service.IMAGING, answer=image),),
        Outcome("language", Service.LANGUAGE, answer=text),
        Outcome("record", Service.RECORD, answer=patient),
    )


def case(**branches) -> Case:
    return convert.case_from(answers(**branches))


def condition(**fields) -> patient_pb2.Condition:
    return patient_pb2.Condition(concept=concept_pb2.Concept(system=SNOMED, code=ASTHMA), **fields)


@pytest.mark.parametrize(
    ("fields", "active"),
    [
        ({}, True),
        ({"active": True}, True),
        ({"active": False}, False),
        ({"abatement_time": Timestamp(seconds=1)}, False),
        ({"active": True, "abatement_time": Timestamp(seconds=1)}, True),
    ],
)
def test_a_condition_is_active_until_it_has_ended(fields, active):
    """As the contract says of `Condition.active`."""
    read = record()
    read.record.conditions.append(condition(**fields))
    assert [one.active for one in case(patient=read).recorded] == [active]


def test_a_condition_of_the_record_is_known_by_all_its_codings_and_by_its_words():
    """F077 and its like: ICD-10 beside a local code, a display with SNOMED CT's tag, words alone."""
    who = concept_pb2.Concept(system="http://hl7.org/fhir/sid/icd-10", code="J18.9")
    local = concept_pb2.Concept(system="urn:local", code="A1", display="Pneumonia (disorder)")
    read = record()
    read.record.conditions.add(concept=local, code=concept_pb2.CodedConcept(codings=[local, who]))
    read.record.conditions.add(concept=local)
    read.record.conditions.add(code=concept_pb2.CodedConcept(text="Lobar pneumonia"))
    for one in case(patient=read).recorded:
        assert [c.key for c in catalogue_of(FIGURES).named(one.codes, *one.texts)] == ["pneumonia"]


@pytest.mark.parametrize(
    ("status", "tentative"),
    [("UNSPECIFIED", False), ("CONFIRMED", False), ("PROVISIONAL", True), ("DIFFERENTIAL", True)],
)
def test_a_condition_is_tentative_as_its_verification_says(status, tentative):
    """F104, F106."""
    read = record()
    read.record.conditions.append(condition(verification_status=f"VERIFICATION_STATUS_{status}"))
    assert [one.tentative for one in case(patient=read).recorded] == [tentative]


def test_chemicals_and_undecided_assertions_are_no_evidence():
    chemical, undecided = entity(PNEUMONIA), entity(PNEUMONIA, language_pb2.ASSERTION_UNSPECIFIED)
    chemical.type = language_pb2.ENTITY_TYPE_CHEMICAL
    assert case(text=note(chemical, undecided)).mentions == ()


def test_every_assertion_of_the_contract_is_understood():
    stated = [number for number in language_pb2.Assertion.values() if number]
    mentions = case(text=note(*(entity(PNEUMONIA, number) for number in stated))).mentions
    assert [mention.assertion for mention in mentions] == list(Assertion)


def test_a_mention_has_the_codes_of_every_system():
    named = entity("J18.9")
    named.concept.system = "http://hl7.org/fhir/sid/icd-10-cm"
    named.equivalent_concepts.add(system=SNOMED, code=PNEUMONIA)
    (mention,) = case(text=note(named)).mentions
    assert mention.codes == (("http://hl7.org/fhir/sid/icd-10-cm", "J18.9"), (SNOMED, PNEUMONIA))


def test_an_entity_without_a_code_is_known_by_its_words():
    words = language_pb2.Entity(
        text="Pneumonia", type=language_pb2.ENTITY_TYPE_DISEASE, assertion=language_pb2.ASSERTION_PRESENT
    )
    (mention,) = case(text=note(words)).mentions
    assert [c.key for c in catalogue_of(FIGURES).named(mention.codes, mention.text)] == ["pneumonia"]


def test_without_a_gate_an_image_counts():
    assert case(image=analysis()).images[0].accepted
    assert not case(image=analysis(gate=imaging_pb2.ImageGate(accepted=False))).images[0].accepted


def test_the_age_is_unknown_unless_stated():
    assert case(patient=record(age_years=0)).age_years == 0
    read = record()
    read.record.ClearField("age_years")
    assert case(patient=read).age_years is None
    assert case().age_years is None


def test_the_modalities_of_failed_branches_are_missing():
    assert convert.missing_modalities(answers(image=analysis())) == {Modality.NOTE, Modality.RECORD}


def test_no_more_conditions_go_on_than_the_treatments_take():
    many = note(*(entity(str(number)) for number in range(300)))
    assert len(convert.further(answers(text=many), catalogue_of(FIGURES)).conditions) == 100
