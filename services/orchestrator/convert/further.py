"""What stage 1 gives the patient beyond the record, for the treatments and their safety."""

from __future__ import annotations

from collections.abc import Sequence

from medmesh.common.v1.concept_pb2 import CodedConcept
from medmesh.common.v1.concept_pb2 import Concept as ConceptMessage
from medmesh.language.v1 import language_pb2
from services.clinical.code_systems import RXNORM, SNOMED
from services.orchestrator import evidence
from services.orchestrator.case import CONFIDENT_MENTION, Case
from services.orchestrator.convert.case import CHEMICAL, concepts, entities, mention_of
from services.orchestrator.fanout import Answers, Further
from services.orchestrator.knowledge import Knowledge

MAXIMUM_COUNT = 100
"""RankTreatments takes no more further conditions, allergies or medications."""
MAXIMUM_TEXT_LENGTH = 512


def further(answers: Answers, case: Case, knowledge: Knowledge) -> Further:
    """The conditions that note and models give with confidence, and the allergies and drugs of the note.

    `case` is what was read from `answers`.
    """
    return Further(_conditions(answers, case, knowledge), _allergies(answers), _medications(answers))


def _conditions(answers: Answers, case: Case, knowledge: Knowledge) -> Sequence[CodedConcept]:
    found = [
        ConceptMessage(system=one.system, code=one.code, display=one.display)
        for one in evidence.further_conditions(case, knowledge)
    ]
    for entity, reference in entities(answers):
        mention = mention_of(entity, reference)
        if mention is not None and mention.is_confident and not knowledge.named(mention.codes, mention.text):
            # SNOMED CT where it is known: the records that the treatments were learned from speak it.
            found += sorted(concepts(entity), key=lambda concept: concept.system != SNOMED)[:1]
    distinct = {(concept.system, concept.code): CodedConcept(codings=[concept]) for concept in found}
    return list(distinct.values())[:MAXIMUM_COUNT]


def _allergies(answers: Answers) -> Sequence[CodedConcept]:
    # A drug that the terminology does not know goes by its name: the check says what it could not check.
    found = {
        entity.text.lower(): CodedConcept(codings=[entity.concept])
        if entity.HasField("concept")
        else CodedConcept(text=entity.text[:MAXIMUM_TEXT_LENGTH])
        for entity, _ in entities(answers)
        if entity.assertion == language_pb2.ASSERTION_ALLERGY
    }
    return list(found.values())[:MAXIMUM_COUNT]


def _medications(answers: Answers) -> Sequence[CodedConcept]:
    # By code alone: a chemical without one may be no drug at all.
    found = {
        entity.concept.code: CodedConcept(codings=[entity.concept])
        for entity, _ in entities(answers)
        if entity.type == CHEMICAL
        and entity.assertion == language_pb2.ASSERTION_PRESENT
        and entity.concept.system == RXNORM
        and entity.confidence >= CONFIDENT_MENTION
    }
    return list(found.values())[:MAXIMUM_COUNT]
