"""What several models found at one place counts once; what one model found at two places counts twice."""

from __future__ import annotations

from dataclasses import replace

from services.clinical.concepts import Concept
from services.language.entities import Assertion, Entity, Span
from services.language.mentions import mentions

ASTHMA = Concept("http://snomed.info/sct", "195967001", "Asthma")


def entity(start, end, kind="DISEASE", confidence=0.9, concept=None):
    return Entity(Span(start, end, kind), "x" * (end - start), confidence, Assertion.PRESENT, (), concept)


def found(*results):
    return [(m.type, m.start, m.end, m.entities) for m in mentions(results)]


def test_of_one_model_every_entity_is_a_mention():
    assert found([entity(0, 5), entity(7, 9, "CHEMICAL"), entity(9, 12)]) == [
        ("DISEASE", 0, 5, ((0, 0),)),
        ("CHEMICAL", 7, 9, ((0, 1),)),
        ("DISEASE", 9, 12, ((0, 2),)),
    ]


def test_overlapping_entities_of_one_type_are_one_mention_and_neighbours_are_not():
    assert found([entity(0, 5), entity(20, 25)], [entity(3, 10), entity(25, 30)]) == [
        ("DISEASE", 0, 10, ((0, 0), (1, 0))),
        ("DISEASE", 20, 25, ((0, 1),)),
        ("DISEASE", 25, 30, ((1, 1),)),
    ]


def test_entities_of_different_types_are_never_one_mention():
    assert [m[0] for m in found([entity(0, 5)], [entity(0, 5, "ANATOMY")])] == ["ANATOMY", "DISEASE"]


def test_two_entities_of_one_model_stay_two_though_another_model_spans_both():
    """The long one joins the one that it shares more with."""
    assert found([entity(0, 10), entity(15, 35)], [entity(0, 35)]) == [
        ("DISEASE", 0, 10, ((0, 0),)),
        ("DISEASE", 0, 35, ((0, 1), (1, 0))),
    ]
    assert [m[3] for m in found([entity(0, 35)], [entity(0, 10), entity(15, 35)])] == [
        ((0, 0), (1, 0)),
        ((1, 1),),
    ]


def test_the_one_with_a_concept_speaks_before_the_more_confident():
    [one] = mentions([[entity(0, 5, confidence=0.99)], [entity(0, 5, confidence=0.5, concept=ASTHMA)]])
    assert one.entities == ((1, 0), (0, 0))
    [one] = mentions([[entity(0, 5, confidence=0.5)], [entity(0, 5, confidence=0.99)]])
    assert one.entities == ((1, 0), (0, 0))
    [one] = mentions([[entity(0, 5)], [entity(0, 5)]])
    assert one.entities == ((0, 0), (1, 0))


def test_an_allergy_is_never_lost_to_a_surer_entity():
    sure = entity(0, 5, "CHEMICAL", 0.99, ASTHMA)
    allergy = replace(entity(0, 8, "CHEMICAL", 0.5), assertion=Assertion.ALLERGY)
    [one] = mentions([[sure], [allergy]])
    assert one.entities == ((1, 0), (0, 0))


def test_a_note_without_entities_has_none():
    assert mentions([[], []]) == []
