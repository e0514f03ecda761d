"""A note becomes entities that lie where they are written, however long the note is."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from services.chassis.errors import InvalidInput, ModelFailed, ModelUnavailable
from services.clinical.concepts import Concept
from services.language.chinese.reader import ChineseReader
from services.language.entities import Assertion, EntityType, Origin
from services.language.linking import default_linker
from services.language.note_entities import EntityReader
from services.language.note_reading import NoteReader
from services.language.recovery import CONFIDENCE
from services.language.tasks import TOKEN_CLASSIFICATION
from tests.fakes import real_card, write_model_repository
from tests.language.conftest import TAGGER, VOCABULARY_SIZE

ASTHMA = Concept("http://hl7.org/fhir/sid/icd-10-cm", "J45.909", "Unspecified asthma, uncomplicated")
SNOMED = Concept("http://snomed.info/sct", "195967001", "Asthma")


class OneConcept:
    """Links asthma and nothing else."""

    def names_drug(self, surface):
        return surface == "PCN"

    def codes(self, surface, entity_type):
        return (ASTHMA, SNOMED) if (surface.lower(), entity_type) == ("asthma", EntityType.DISEASE) else ()


class Annotator:
    """AnalyzeNote's way with one tagger."""

    def __init__(self, reader, tagger):
        self.reader, self.tagger = reader, tagger

    async def annotate(self, note):
        [result] = (await self.reader.read(note, [self.tagger])).results
        return list(result.entities)


@pytest.fixture
def annotator(tagger, terms):
    return Annotator(NoteReader(EntityReader(OneConcept(), terms)), tagger)


async def test_the_confidence_is_scaled_as_the_card_says(catalog, repository, annotator):
    note = "Known asthma, on salbutamol."
    before = await annotator.annotate(note)
    card = real_card(TAGGER)
    for curve in card.serving.token_classification.calibration.curves:
        curve.offset -= 1
    write_model_repository(repository, [card])
    catalog.switch([catalog.build(catalog.read()[TAGGER])])
    after = await Annotator(annotator.reader, catalog.only(TOKEN_CLASSIFICATION)).annotate(note)
    assert [e.span for e in before] == [e.span for e in after]
    assert all(b.confidence > a.confidence > 0 for b, a in zip(before, after, strict=True))


async def test_a_note_of_two_sentences(annotator):
    note = "No evidence of pneumonia. Known asthma, on salbutamol."
    entities = await annotator.annotate(note)
    assert [(e.text, e.span.type, e.assertion, e.concept) for e in entities] == [
        ("pneumonia", EntityType.DISEASE, Assertion.ABSENT, None),
        ("asthma", EntityType.DISEASE, Assertion.PRESENT, ASTHMA),
        ("salbutamol", EntityType.CHEMICAL, Assertion.PRESENT, None),
    ]
    assert [e.equivalents for e in entities] == [(), (SNOMED,), ()]
    assert [note[e.span.start : e.span.end] for e in entities] == [e.text for e in entities]
    assert all(0.5 < e.confidence <= 1 for e in entities)
    negation = entities[0].triggers[0]
    assert note[negation.start : negation.end] in "No evidence of"


@pytest.mark.parametrize("before", ["🙂🙂 ", "e\u0301te\u0301: ", "👩🏽‍⚕️ says:\r\n", "病院。"])
async def test_offsets_count_code_points(annotator, before):
    note = f"{before}Asthma."
    [entity] = await annotator.annotate(note)
    assert entity.span.start == note.index("Asthma")
    assert note[entity.span.start : entity.span.end] == "Asthma"


async def test_every_mention_in_a_long_note_is_found_once(annotator, inference):
    note = "".join(f"Line {number}: cough and fever after aspirin. " for number in range(700))
    entities = await annotator.annotate(note)
    expected = [i for i in range(len(note)) if note.startswith(("cough", "fever", "aspirin"), i)]
    assert [entity.span.start for entity in entities] == expected
    assert len(inference.calls) > 10
    assert all(arrays["input_ids"].shape[0] <= 8 for _, arrays in inference.calls)


async def test_an_entity_does_not_reach_over_a_new_line_of_a_list(annotator):
    joined = await annotator.annotate("Has diabetes\nmellitus.")
    assert [entity.text for entity in joined] == ["diabetes\nmellitus"]
    apart = await annotator.annotate("- Diabetes\n- Mellitus")
    assert [entity.text for entity in apart] == ["Diabetes"]


async def test_the_terminology_knows_the_shorthand_of_the_wards_better_than_abstracts_do(
    inference, tokenizer, reader, tagger
):
    tag = inference.functions[TAGGER]
    shorthand = {int(piece) for name in ("HTN", "ABG") for piece in tokenizer.encode(name).ids}

    def chemicals(arrays):
        probabilities = tag(arrays)["probabilities"]
        for place, piece in np.ndenumerate(arrays["input_ids"] % VOCABULARY_SIZE):
            if int(piece) in shorthand:
                probabilities[place] = [0.01, 0.01, 0.01, 0.96, 0.01]
        return {"probabilities": probabilities}

    inference.functions[TAGGER] = chemicals
    entities = await Annotator(reader, tagger).annotate("ABG: HTN, asthma.\nOn ABG aspirin.")
    assert [(entity.text, entity.span.type) for entity in entities] == [
        ("HTN", EntityType.DISEASE),
        ("asthma", EntityType.DISEASE),
        ("ABG", EntityType.CHEMICAL),
        ("aspirin", EntityType.CHEMICAL),
    ]
    assert entities[0].concept is not None
    assert [entity.origin for entity in entities] == [Origin.TERMINOLOGY, *[Origin.MODEL] * 3]


async def test_who_typed_a_drug_that_the_tagger_takes_for_a_disease_is_said(
    inference, tokenizer, reader, tagger
):
    tag = inference.functions[TAGGER]
    shorthand = set(tokenizer.encode("PCN").ids.tolist())

    def diseases(arrays):
        probabilities = tag(arrays)["probabilities"]
        for place, piece in np.ndenumerate(arrays["input_ids"] % VOCABULARY_SIZE):
            if int(piece) in shorthand:
                probabilities[place] = [0.01, 0.96, 0.01, 0.01, 0.01]
        return {"probabilities": probabilities}

    inference.functions[TAGGER] = diseases
    [entity] = await Annotator(reader, tagger).annotate("Given PCN.")
    assert (entity.text, entity.span.type) == ("PCN", EntityType.CHEMICAL)
    assert entity.origin is Origin.MODEL_RETYPED


async def test_a_term_that_the_tagger_missed_is_found_and_says_where_it_comes_from(annotator):
    note = "No pneumonia.\n- Pneumothorax, e\u0301: night  sweats."
    entities = await annotator.annotate(note)
    assert [(e.text, e.assertion, e.origin) for e in entities] == [
        ("pneumonia", Assertion.ABSENT, Origin.MODEL),
        ("Pneumothorax", Assertion.PRESENT, Origin.TERMINOLOGY),
        ("night  sweats", Assertion.PRESENT, Origin.TERMINOLOGY),
    ]
    assert [e.confidence for e in entities[1:]] == [CONFIDENCE] * 2
    assert [note[e.span.start : e.span.end] for e in entities] == [e.text for e in entities]


async def test_a_text_without_words_for_the_model_has_no_entities(annotator):
    assert await annotator.annotate("\u200b.") == []


async def test_bad_notes_never_reach_the_model(annotator, inference):
    with pytest.raises(InvalidInput):
        await annotator.annotate("fever\x00")
    assert inference.calls == []


async def test_a_failing_model_raises_its_own_error(annotator, inference):
    inference.stop(TAGGER)
    with pytest.raises(ModelUnavailable):
        await annotator.annotate("Fever. " * 2000)


async def test_numbers_that_are_not_finite_are_no_answer(annotator, inference):
    tag = inference.functions[TAGGER]
    inference.functions[TAGGER] = lambda arrays: {"probabilities": tag(arrays)["probabilities"] * np.nan}
    with pytest.raises(ModelFailed):
        await annotator.annotate("Fever.")


async def test_cancelling_a_request_cancels_its_calls(annotator, inference):
    inference.hold(TAGGER)
    task = asyncio.create_task(annotator.annotate("Fever. " * 2000))
    await inference.entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert inference.cancelled


async def test_chinese_is_read_by_rules_beside_the_models_and_counts_as_a_mention(tagger, terms):
    reader = NoteReader(EntityReader(OneConcept(), terms), ChineseReader(default_linker()))
    note = "The patient has asthma.\n\u65e0\u80ba\u708e\u3002\nKeine Pneumonie, kein Fieber."  # no pneumonia
    reading = await reader.read(note, [tagger])
    by_model, by_rules = reading.results
    assert [entity.text for entity in by_model.entities] == ["asthma"]
    assert [(e.text, e.assertion) for e in by_rules.entities] == [("\u80ba\u708e", Assertion.ABSENT)]
    assert by_rules.provenance.weights_sha256
    assert [mention.entities for mention in reading.mentions] == [((0, 0),), ((1, 0),)]
    assert {n.reason: n.places for n in by_rules.notices} == {"CHINESE_READ_BY_RULES": ("line 2",)}
    assert {n.reason: n.places for n in reading.notices} == {"LANGUAGE_NOT_SUPPORTED": ("line 3",)}
    assert "Only Chinese and English are read" in reading.notices[0].message
    [alone] = (await reader.read(note, [tagger], with_rules=False)).results
    assert [entity.text for entity in alone.entities] == ["asthma"]
