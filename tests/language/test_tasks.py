"""Models of every kind of tokenizer, declared by a card alone: what they say, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from services.chassis.errors import ModelFailed, ModelUnavailable
from services.chassis.models.catalog import Catalog
from services.chassis.observability.telemetry import Telemetry
from services.language.entities import Assertion, EntityType
from services.language.tasks import TASKS, TEXT_CLASSIFICATION, TEXT_EMBEDDING, TOKEN_CLASSIFICATION
from tests.fakes import FakeInference
from tests.language.models_made import PREPROCESSING, add_model, tags_words
from tests.language.tokenizers_made import KINDS, byte_level_bpe, cased_wordpiece, sentencepiece

SCORES = 'scores_tensor: "scores" activation: ACTIVATION_SOFTMAX'
TAGS = f"""token_classification {{ {PREPROCESSING} {SCORES}
  labels: ["B-Drug", "O", "I-Drug", "B-Organ"]
  entity_types {{ label: "Drug" type: "CHEMICAL" }} entity_types {{ label: "Organ" type: "ANATOMY" }}
  piece_aggregation: PIECE_AGGREGATION_FIRST
}}"""
STANCE = f"""text_classification {{ {PREPROCESSING} {SCORES} exclusive: true
  labels {{ name: "calm" meaning: LABEL_MEANING_NORMAL }} labels {{ name: "urgent" }}
  conformal {{ coverage: 0.9 thresholds {{ max_improbability: 0.8 }} }}
}}"""


@pytest.fixture
def serve(tmp_path):
    """The catalog of what was added to the repository, each model run by a function."""

    def made(**functions):
        inference = FakeInference(functions)
        return Catalog("language", [tmp_path], TASKS, inference, Telemetry("language")), inference

    return made


@pytest.mark.parametrize("kind", KINDS)
async def test_a_tagger_with_any_tokenizer_finds_words_where_they_are_written(tmp_path, serve, reader, kind):
    add_model(tmp_path, "organs", KINDS[kind](), TAGS, (-1, 4))
    catalog, inference = serve(organs=tags_words(KINDS[kind](), 4, {"aspirin": 0, "chest": 3}, outside=1))
    note = "ﬁ 🙂 No chest pain; e\u0301 takes aspirin , " + "and was well , " * 40 + "no aspirin."
    [result] = (await reader.read(note, catalog.models(TOKEN_CLASSIFICATION))).results
    assert sum(len(inputs["input_ids"]) for _, inputs in inference.calls) > 2  # several windows
    chest, aspirin, again = result.entities
    assert [(e.text, str(e.span.type), e.assertion) for e in result.entities] == [
        ("chest", "ANATOMY", Assertion.ABSENT),
        ("aspirin", "CHEMICAL", Assertion.PRESENT),
        ("aspirin", "CHEMICAL", Assertion.ABSENT),
    ]
    places = [note.index("chest"), note.index("aspirin"), note.rindex("aspirin")]
    assert [e.span.start for e in (chest, aspirin, again)] == places
    assert chest.concept is None
    assert aspirin.concept == again.concept is not None


async def test_only_types_that_the_terminology_knows_are_completed_from_it(tmp_path, serve, reader):
    """A tagger of organs is none of diseases, whatever the terminology knows."""
    tokenizer = cased_wordpiece()
    organs = TAGS.replace('["B-Drug", "O", "I-Drug", "B-Organ"]', '["O", "B-Organ"]').replace(
        'entity_types { label: "Drug" type: "CHEMICAL" } ', ""
    )
    add_model(tmp_path, "organs", tokenizer, organs, (-1, 2))
    catalog, _ = serve(organs=tags_words(cased_wordpiece(), 2, {"chest": 1}))
    note = "Chest clear: chest without pneumothorax."
    [result] = (await reader.read(note, catalog.models(TOKEN_CLASSIFICATION))).results
    assert [(e.text, e.span.type) for e in result.entities] == [("chest", "ANATOMY")]
    assert not isinstance(result.entities[0].span.type, EntityType)


async def test_what_is_not_english_is_found_and_neither_linked_nor_asserted(tmp_path, serve, reader):
    """The rules read English: "Kein Asthma" must not become a statement that there is one."""
    tokenizer = cased_wordpiece()
    german = TAGS.replace("token_classification {", 'token_classification { languages: "de"')
    add_model(tmp_path, "drugs", tokenizer, german, (-1, 4))
    catalog, _ = serve(drugs=tags_words(cased_wordpiece(), 4, {"aspirin": 0}, outside=1))
    note = "Kein Asthma, nimmt kein aspirin und keine Tabletten.\nThe patient takes aspirin."
    reading = await reader.read(note, catalog.models(TOKEN_CLASSIFICATION))
    [result] = reading.results
    assert [(e.span.start, e.assertion, e.concept) for e in result.entities] == [
        (note.index("aspirin"), None, None)
    ]
    assert {n.reason: n.places for n in result.notices} == {"ASSERTIONS_NOT_READ": ("line 1",)}
    assert {n.reason: n.places for n in reading.notices} == {"LANGUAGE_NOT_SUPPORTED": ("line 2",)}
    assert "Only German is read" in reading.notices[0].message


def urgent(inputs):
    """Says `urgent` of every input, with a logit of 2 against 0."""
    return {"scores": np.array([[0, 2] for _ in inputs["input_ids"]], dtype=np.float32)}


async def test_a_classifier_reads_a_long_note_in_windows_that_count_by_their_tokens(tmp_path, serve, reader):
    add_model(tmp_path, "stance", byte_level_bpe(), STANCE, (2,))
    catalog, inference = serve(stance=urgent)
    note = "The patient has severe chest pain and was given aspirin. " * 20
    [result] = (await reader.read(note, catalog.models(TEXT_CLASSIFICATION))).results
    lengths = [int(row.sum()) for _, inputs in inference.calls for row in inputs["attention_mask"]]
    assert len(lengths) > 3
    assert max(lengths) <= 64
    calm, pressing = result.classified.labels
    assert pressing.probability == pytest.approx(1 / (1 + np.exp(-2.0)), abs=1e-6)
    assert calm.probability + pressing.probability == pytest.approx(1)
    assert (calm.found, pressing.found) == (False, True)
    assert result.classified.not_ruled_out == ("urgent",)
    assert result.classified.coverage == 0.9
    assert result.entities == ()


async def test_without_a_stride_only_the_beginning_counts_and_that_is_said(tmp_path, serve, reader):
    add_model(tmp_path, "stance", byte_level_bpe(), STANCE.replace("stride_token_count: 16", ""), (2,))
    catalog, inference = serve(stance=urgent)
    note = "The patient has severe chest pain. " * 20
    [result] = (await reader.read(note, catalog.models(TEXT_CLASSIFICATION))).results
    [(_, inputs)] = inference.calls
    assert inputs["input_ids"].shape == (1, 64)
    [notice] = result.notices
    assert (notice.reason, notice.model_name) == ("TEXT_TRUNCATED", "stance")
    assert "first 62 tokens" in notice.message
    short = await reader.read("Severe chest pain.", catalog.models(TEXT_CLASSIFICATION))
    assert short.results[0].notices == ()


async def test_a_classifier_is_not_shown_what_it_does_not_read(tmp_path, serve, reader):
    add_model(tmp_path, "stance", byte_level_bpe(), STANCE, (2,))
    catalog, inference = serve(stance=urgent)
    [classifier] = catalog.models(TEXT_CLASSIFICATION)
    english = "The patient has severe chest pain."
    await reader.read(english, [classifier])
    await reader.read(f"{english}\nKein Pneumothorax und keine Erguss, der Patient hat Fieber.", [classifier])
    alone, beside = (
        byte_level_bpe().decode(inputs["input_ids"][0].tolist()) for _, inputs in inference.calls
    )
    assert beside.split() == alone.split() == english.split()
    nothing = await reader.read("Kein Pneumothorax und kein Erguss, der Patient hat Fieber.", [classifier])
    [result] = nothing.results
    assert result.classified.labels == ()
    assert result.classified.not_ruled_out is None
    assert [n.reason for n in nothing.notices] == ["LANGUAGE_NOT_SUPPORTED"]


async def test_labels_that_do_not_exclude_each_other_have_thresholds_of_their_own(tmp_path, serve, reader):
    task = f"""text_classification {{ {PREPROCESSING} scores_tensor: "scores" activation: ACTIVATION_SIGMOID
      labels {{ name: "smoker" threshold: 0.2 }} labels {{ name: "drinker" }}
      window_aggregation: WINDOW_AGGREGATION_MAXIMUM
      calibration {{ curves {{ label: "drinker" rise: 1 fall: 1 offset: 1 }} }}
    }}"""
    add_model(tmp_path, "habits", sentencepiece(), task, (2,))
    logit = np.log(0.3 / 0.7)
    catalog, _ = serve(
        habits=lambda inputs: {"scores": np.full((len(inputs["input_ids"]), 2), logit, dtype=np.float32)}
    )
    [result] = (await reader.read("Smokes daily.", catalog.models(TEXT_CLASSIFICATION))).results
    smoker, drinker = result.classified.labels
    assert (smoker.probability, smoker.found) == (pytest.approx(0.3), True)
    assert drinker.probability == pytest.approx(1 / (1 + np.exp(-(logit + 1))))
    assert drinker.found is (drinker.probability >= 0.5)
    assert result.classified.not_ruled_out is None


EMBEDS = f'text_embedding {{ {PREPROCESSING} embedding_tensor: "scores" pooling: POOLING_MEAN }}'


async def test_points_are_pooled_over_the_tokens_and_have_unit_length(tmp_path, serve):
    prefixed = EMBEDS.replace(
        "preprocessing {", 'preprocessing { query_prefix: "query: " passage_prefix: "passage: "'
    )
    add_model(tmp_path, "meaning", sentencepiece(), prefixed.replace("stride_token_count: 16", ""), (-1, 3))

    def ids_and_garbage_behind(inputs):
        ids, mask = inputs["input_ids"], inputs["attention_mask"]
        return {
            "scores": np.where(mask[..., None] == 1, np.stack([ids, ids % 7, ids % 3], -1), 9e9).astype("f4")
        }

    catalog, _ = serve(meaning=ids_and_garbage_behind)
    embedder = catalog.only(TEXT_EMBEDDING)
    both = await embedder.embed(["chest pain", "chest pain", "pain " * 100], [False, True, False])
    library = sentencepiece()
    for point, text in zip(both.values, ["passage: chest pain", "query: chest pain"], strict=False):
        ids = np.array(library.encode(text).ids, dtype=np.float32)
        expected = np.stack([ids, ids % 7, ids % 3], -1).mean(axis=0)
        assert point == pytest.approx(expected / np.linalg.norm(expected), rel=1e-5)
    assert np.linalg.norm(both.values, axis=1) == pytest.approx(np.ones(3))
    assert both.truncated == (2,)
    assert 100 < both.read_ends[2] < 500  # of 62 tokens less those of the prefix
    assert both.read_ends[0] == len("chest pain")


async def test_the_first_token_can_be_the_point(tmp_path, serve):
    add_model(
        tmp_path, "meaning", cased_wordpiece(), EMBEDS.replace("POOLING_MEAN", "POOLING_FIRST"), (-1, 2)
    )
    catalog, _ = serve(
        meaning=lambda inputs: {
            "scores": np.stack([inputs["input_ids"], inputs["input_ids"] * 0], -1).astype("f4")
        }
    )
    found = await catalog.only(TEXT_EMBEDDING).embed(["fever"], [False])
    assert found.values.tolist() == [[1, 0]]  # [CLS] has the id 2, scaled to unit length


def ones(inputs):
    return {"scores": np.ones((*inputs["input_ids"].shape, 2), dtype=np.float32)}


async def test_token_types_are_sent_where_the_card_names_their_tensor(tmp_path, serve):
    task = EMBEDS.replace("preprocessing {", 'preprocessing { token_type_ids_tensor: "token_type_ids"')
    names = ("input_ids", "attention_mask", "token_type_ids")
    add_model(tmp_path, "meaning", cased_wordpiece(), task, (-1, 2), inputs=names)
    catalog, inference = serve(
        meaning=lambda inputs: {"scores": np.ones((*inputs["input_ids"].shape, 2), "f4")}
    )
    await catalog.only(TEXT_EMBEDDING).embed(["fever"], [False])
    [(_, inputs)] = inference.calls
    assert inputs["token_type_ids"].shape == inputs["input_ids"].shape
    assert not inputs["token_type_ids"].any()


async def test_a_graph_of_one_length_and_of_small_integers_gets_both(tmp_path, serve):
    add_model(tmp_path, "meaning", cased_wordpiece(), EMBEDS, (64, 2), length=64, dtype=np.int32)
    catalog, inference = serve(meaning=ones)
    found = await catalog.only(TEXT_EMBEDDING).embed(["fever", "cough " * 100], [False, False])
    [(_, inputs)] = inference.calls
    assert inputs["input_ids"].shape == (2, 64)
    assert inputs["input_ids"].dtype == inputs["attention_mask"].dtype == np.int32
    assert found.truncated == (1,)


async def test_a_point_that_the_graph_should_have_scaled_and_has_not_is_no_answer(tmp_path, serve):
    in_graph = EMBEDS.replace("POOLING_MEAN", "POOLING_IN_GRAPH")
    add_model(tmp_path, "meaning", cased_wordpiece(), in_graph, (2,))
    catalog, _ = serve(meaning=lambda inputs: {"scores": np.ones((len(inputs["input_ids"]), 2), "f4")})
    with pytest.raises(ModelFailed, match="unit length"):
        await catalog.only(TEXT_EMBEDDING).embed(["fever"], [False])


async def test_numbers_that_are_not_finite_are_no_answer(tmp_path, serve):
    add_model(tmp_path, "meaning", cased_wordpiece(), EMBEDS, (-1, 2))
    catalog, _ = serve(
        meaning=lambda inputs: {"scores": np.full((*inputs["input_ids"].shape, 2), np.nan, "f4")}
    )
    with pytest.raises(ModelFailed):
        await catalog.only(TEXT_EMBEDDING).embed(["fever"], [False])


@pytest.mark.parametrize(
    ("task", "output", "said"),
    [
        (TAGS.replace("stride_token_count: 16", "stride_token_count: 62"), (-1, 4), "max_token_count"),
        (TAGS.replace('label: "Organ"', 'label: "Bone"'), (-1, 4), "is not the stem of a label"),
        (f"{STANCE[:-1]} window_aggregation: WINDOW_AGGREGATION_MAXIMUM }}", (2,), "window_aggregation"),
        (STANCE.replace("thresholds {", 'thresholds { group: "old"'), (2,), "groups"),
        (STANCE.replace("thresholds {", 'thresholds { label: "calm"'), (2,), "none for urgent"),
        (
            EMBEDS.replace("processing {", 'processing { word_shape_version: "new/2"'),
            (-1, 2),
            "word_shape_version",
        ),
    ],
)
def test_a_card_that_does_not_hold_is_refused_with_the_field_named(tmp_path, serve, task, output, said):
    add_model(tmp_path, "odd", cased_wordpiece(), task, output)
    catalog, _ = serve(odd=lambda inputs: {})
    [entry] = catalog.entries()
    assert entry.served is None
    assert said in entry.refusal


def test_without_a_model_of_the_task_that_is_said(serve):
    catalog, _ = serve()
    with pytest.raises(ModelUnavailable, match="text_embedding"):
        catalog.only(TEXT_EMBEDDING)
