"""What of the services' messages counts as evidence."""

from __future__ import annotations

import dataclasses

import pytest

from medmesh.common.v1 import concept_pb2, patient_pb2, quantity_pb2
from medmesh.imaging.v1 import imaging_pb2
from medmesh.language.v1 import language_pb2
from services.clinical.code_systems import SNOMED
from services.orchestrator.case import Assertion, Case, Standing
from services.orchestrator.convert.case import case_from, missing_sources
from services.orchestrator.convert.further import further
from services.orchestrator.declared import Declaration
from services.orchestrator.diagnosis import CaseReader
from services.orchestrator.fanout import Answers, BranchKind, BranchResult
from services.orchestrator.fusion import Source
from services.orchestrator.references import NoteEntity
from tests.orchestrator.answers import analysis, entity, note, provenance, record
from tests.orchestrator.cases import ASTHMA, CHEST, KNOWLEDGE, PNEUMONIA


class Cards:
    """Cards that are known by model name."""

    def __init__(self, *known: Declaration) -> None:
        self.known = {one.model: one for one in known}

    def of_answer(self, provenance) -> Declaration | None:
        return self.known.get(provenance.model_name)


def answers(image=None, text=None, patient=None) -> Answers:
    return Answers(
        (BranchResult(BranchKind.IMAGE, 0, answer=image),),
        BranchResult(BranchKind.NOTE, answer=text),
        BranchResult(BranchKind.RECORD, answer=patient),
    )


def case(*known: Declaration, **branches) -> Case:
    return case_from(answers(**branches), Cards(*known or (CHEST,)))


def condition(**fields) -> patient_pb2.Condition:
    asthma = concept_pb2.Concept(system=SNOMED, code=ASTHMA)
    return patient_pb2.Condition(code=concept_pb2.CodedConcept(codings=[asthma]), **fields)


ENDED = quantity_pb2.PartialDate(value="2019")


@pytest.mark.parametrize(
    ("fields", "active"),
    [
        ({}, True),
        ({"clinical_status": patient_pb2.CLINICAL_STATUS_ACTIVE}, True),
        ({"clinical_status": patient_pb2.CLINICAL_STATUS_RELAPSE}, True),
        ({"clinical_status": patient_pb2.CLINICAL_STATUS_REMISSION}, False),
        ({"clinical_status": patient_pb2.CLINICAL_STATUS_RESOLVED}, False),
        ({"abated_on": ENDED}, False),
        ({"abated": True}, False),
        ({"abated": False}, True),
        ({"clinical_status": patient_pb2.CLINICAL_STATUS_ACTIVE, "abated_on": ENDED}, True),
        ({"verification_status": patient_pb2.VERIFICATION_STATUS_REFUTED}, False),
        ({"verification_status": patient_pb2.VERIFICATION_STATUS_ENTERED_IN_ERROR}, False),
    ],
)
def test_a_condition_is_active_until_it_has_ended(fields, active):
    """As the contract says of `Condition`."""
    read = record()
    read.record.conditions.append(condition(**fields))
    assert [one.active for one in case(patient=read).recorded] == [active]


def test_a_condition_of_the_record_is_known_by_all_its_codings_and_by_its_words():
    """ICD-10 beside a local code, a display with SNOMED CT's tag, words alone."""
    who = concept_pb2.Concept(system="http://hl7.org/fhir/sid/icd-10", code="J18.9")
    local = concept_pb2.Concept(system="urn:local", code="A1", display="Pneumonia (disorder)")
    read = record()
    read.record.conditions.add(code=concept_pb2.CodedConcept(codings=[local, who]))
    read.record.conditions.add(code=concept_pb2.CodedConcept(codings=[local]))
    read.record.conditions.add(code=concept_pb2.CodedConcept(text="Lobar pneumonia"))
    for one in case(patient=read).recorded:
        assert [c.key for c in KNOWLEDGE.named(one.codes, *one.texts)] == ["pneumonia"]


@pytest.mark.parametrize(
    ("status", "tentative"),
    [("UNSPECIFIED", False), ("CONFIRMED", False), ("PROVISIONAL", True), ("DIFFERENTIAL", True)],
)
def test_a_condition_is_tentative_as_its_verification_says(status, tentative):
    read = record()
    read.record.conditions.append(condition(verification_status=f"VERIFICATION_STATUS_{status}"))
    assert [one.tentative for one in case(patient=read).recorded] == [tentative]


def test_chemicals_and_undecided_assertions_are_no_evidence():
    chemical, undecided = entity(PNEUMONIA), entity(PNEUMONIA, language_pb2.ASSERTION_UNSPECIFIED)
    chemical.type = "CHEMICAL"
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
    words = language_pb2.Entity(text="Pneumonia", type="DISEASE", assertion=language_pb2.ASSERTION_PRESENT)
    (mention,) = case(text=note(words)).mentions
    assert [c.key for c in KNOWLEDGE.named(mention.codes, mention.text)] == ["pneumonia"]


GATE = {
    "UNSPECIFIED": Standing.NOT_JUDGED,
    "NOT_ASKED": Standing.NOT_JUDGED,
    "NOT_JUDGED": Standing.NOT_JUDGED,
    "ACCEPTED": Standing.COUNTS,
    "REJECTED": Standing.REJECTED,
}


@pytest.mark.parametrize(("decision", "standing"), GATE.items())
def test_a_model_that_asks_for_a_gate_counts_when_one_has_accepted_the_image(decision, standing):
    found = analysis(gate_decision=f"GATE_DECISION_{decision}")
    assert [one.standing for one in case(image=found).readings] == [standing]


@pytest.mark.parametrize("decision", ["NOT_ASKED", "ACCEPTED"])
def test_a_model_that_asks_for_none_counts_without_one(decision):
    ungated = dataclasses.replace(CHEST, needs_gate=False)
    found = analysis(gate_decision=f"GATE_DECISION_{decision}")
    assert [one.standing for one in case(ungated, image=found).readings] == [Standing.COUNTS]


def test_probabilities_that_are_not_calibrated_do_not_count():
    assert case(image=analysis(calibrated=False)).readings[0].standing is Standing.UNCALIBRATED


@pytest.mark.parametrize(
    ("calibrated", "standing"), [(True, Standing.COUNTS), (False, Standing.UNCALIBRATED)]
)
def test_labels_of_a_note_count_where_their_probabilities_are_calibrated(calibrated, standing):
    labels = [language_pb2.TextLabel(name=name, probability=0.5) for name in CHEST.labels]
    result = language_pb2.NoteModelResult(
        provenance=provenance("chest_xray"), labels=labels, calibrated=calibrated
    )
    found = language_pb2.NoteAnalysis(results=[result])
    assert [one.standing for one in case(text=found).readings] == [standing]


def test_an_answer_of_which_no_card_is_known_or_with_other_labels_does_not_count():
    unknown = analysis(provenance=provenance("another"))
    others = analysis(findings=[imaging_pb2.Finding(label="normal", probability=1.0)])
    for found in (unknown, others):
        (reading,) = case(image=found).readings
        assert reading.standing is Standing.UNKNOWN
        assert reading.declaration is None


def test_every_model_on_an_image_is_read_and_masks_are_not():
    found = analysis()
    found.results.add(provenance=provenance("second"), findings=found.results[0].findings)
    found.results.add(provenance=provenance("masks"), masks=[imaging_pb2.SegmentationMask(label="lung")])
    assert [one.model for one in case(image=found).readings] == ["chest_xray", "second"]


def test_the_answer_to_a_series_is_told_from_one_to_an_image():
    found = analysis()
    assert not case(image=found).readings[0].is_series
    found.series.slice_count = 30
    found.results[0].calibrated = False  # as for every series: what it is worth, the card says
    (reading,) = case(image=found).readings
    assert reading.is_series
    assert reading.standing is Standing.COUNTS


def test_what_two_models_found_at_one_place_of_the_note_is_one_mention():
    found = note(entity(PNEUMONIA))
    found.results.add(provenance=provenance("second"), entities=[entity(PNEUMONIA)])
    found.mentions[0].entities.add(result_index=1, entity_index=0)
    (mention,) = case(text=found).mentions
    assert mention.reference == NoteEntity("clinical_ner", 0)


def test_a_recorded_condition_says_where_it_stands():
    read = record(ASTHMA)
    read.record.conditions.append(condition())
    places = [one.reference.place for one in case(patient=read).recorded]
    assert places == ["Bundle.entry[1].resource", "patient.record.conditions[1]"]


@pytest.mark.parametrize(
    ("age", "years"),
    [
        ({"years": 0}, 0),
        ({"years": 62}, 62),
        ({"months": 11}, 0),
        ({"months": 23}, 1),
        ({"days": 27}, 0),
        ({"days": 800}, 2),
        ({}, None),
    ],
)
def test_the_age_is_in_completed_years_and_unknown_unless_stated(age, years):
    read = record()
    read.record.age.CopyFrom(quantity_pb2.PatientAge(**age))
    assert case(patient=read).age_years == years
    assert case().age_years is None


def test_the_sources_of_failed_branches_are_missing():
    assert missing_sources(answers(image=analysis())) == {Source.NOTE, Source.RECORD}


def test_no_more_conditions_go_on_than_the_treatments_take():
    many = answers(text=note(*(entity(str(number)) for number in range(300))))
    assert len(further(many, case_from(many, Cards()), KNOWLEDGE).conditions) == 100


def test_a_case_is_read_once_and_again_where_a_card_has_come_meanwhile():
    cards, brought = Cards(CHEST), answers(image=analysis())
    reader = CaseReader(cards)
    before = reader.of(brought)
    assert before == case_from(brought, cards)
    assert reader.of(brought) is before
    cards.known.clear()
    assert before.readings[0].declaration is not None
    assert reader.of(brought).readings[0].declaration is None
