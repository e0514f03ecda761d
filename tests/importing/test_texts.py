"""Imported models of text, run by the language service's own code, give what transformers gives on the same
text: with their own tokenizers, cased and uncased WordPiece, BPE and Unigram.
"""

from __future__ import annotations

import json

import numpy as np
import pytest

NEEDED = "is not here: make test-training"
torch = pytest.importorskip("torch", reason=f"torch {NEEDED}")
transformers = pytest.importorskip("transformers", reason=f"transformers {NEEDED}")

from services.language.tasks.text_classification import TextClassifier  # noqa: E402 - torch decides whether there is anything to import
from services.language.tasks.text_embedding import TextEmbedder  # noqa: E402 - as above
from services.language.tasks.token_classification import TokenClassifier  # noqa: E402 - as above
from tests.importing import checkpoints  # noqa: E402 - as above
from tests.language import tokenizers_made  # noqa: E402 - as above
from training.importing import Refused  # noqa: E402 - as above
from training.importing.huggingface import sentence_encoder, text_classifier, token_classifier  # noqa: E402 - as above
from training.importing.huggingface.tokenizers import tokenizer_json  # noqa: E402 - as above
from training.importing.importer import run  # noqa: E402 - as above
from training.language_models import exported_model  # noqa: E402 - as above

TEXTS = ("Known Asthma, on salbutamol 2.5 mg; denies fever.", "Fièvre élevée — état général altéré.", "COPD")


def silent(_):
    """Nobody listens."""


@pytest.fixture
def served(order, repository):
    """The model that a source becomes, as the service has it."""

    def make(source):
        run(order("imported"), source, silent)
        return exported_model(repository / "imported")

    return make


def of_transformers(folder, kind, text):
    """The network's answer to one text, tokenized by transformers."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = getattr(transformers, kind).from_pretrained(folder).eval()
    inputs = tokenizer(text, return_tensors="pt", truncation=True)
    with torch.inference_mode():
        return inputs, model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])


def written(made, name, folder, *, slow, **settings):
    """Puts a tokenizer into a checkpoint's folder, in one form or the other."""
    (folder / "tokenizer.json").unlink()
    checkpoints.slow_files(folder, made, name, **settings)
    if not slow:
        made.save(str(folder / "tokenizer.json"))
    return folder


@pytest.mark.parametrize(
    ("kind", "family", "name", "slow", "settings"),
    [
        ("cased_wordpiece", "bert", "BertTokenizer", True, {"do_lower_case": False}),
        ("uncased_wordpiece", "distilbert", "BertTokenizer", True, {"do_lower_case": True}),
        ("byte_level_bpe", "roberta", "RobertaTokenizer", True, {}),
        ("cased_wordpiece", "bert", "BertTokenizer", False, {"do_lower_case": False}),
        ("byte_level_bpe", "roberta", "RobertaTokenizer", False, {}),
        ("sentencepiece", "roberta", "PreTrainedTokenizerFast", False, {"pad_token": "<pad>"}),
    ],
)
async def test_a_sentence_is_embedded_as_by_its_source(kind, family, name, slow, settings, tmp_path, served):
    """To 1e-4."""
    folder = checkpoints.encoder(tmp_path / family, family)
    written(getattr(tokenizers_made, kind)(), name, folder, slow=slow, **settings)
    embedder = TextEmbedder(served(sentence_encoder.SentenceEncoder(folder)))
    embedded = await embedder.embed(TEXTS, [False] * len(TEXTS))
    for text, point in zip(TEXTS, embedded.values, strict=True):
        _, answer = of_transformers(folder, "AutoModel", text)
        mean = answer.last_hidden_state[0].numpy().mean(axis=0)
        np.testing.assert_allclose(point, mean / np.linalg.norm(mean), atol=1e-4)


async def test_a_text_is_classified_as_by_its_source(tmp_path, served):
    folder = checkpoints.text_classifier(tmp_path / "bert")
    written(tokenizers_made.cased_wordpiece(), "BertTokenizer", folder, slow=False)
    classifier = TextClassifier(served(text_classifier.TextClassifier(folder)))
    for text in TEXTS[::2]:
        classified = await classifier.classify(text)
        _, answer = of_transformers(folder, "AutoModelForSequenceClassification", text)
        expected = torch.softmax(answer.logits[0], dim=-1).numpy()
        assert [label.label.name for label in classified.labels] == ["normal", "urgent", "pneumonia"]
        np.testing.assert_allclose([label.probability for label in classified.labels], expected, atol=1e-4)


async def test_words_are_tagged_as_by_the_first_piece_of_the_source(tmp_path, served):
    folder = checkpoints.tagger(tmp_path / "bert")
    written(tokenizers_made.uncased_wordpiece(), "BertTokenizer", folder, slow=False)
    tagger = TokenClassifier(served(token_classifier.TokenClassifier(folder)))
    tagged = (await tagger.tag(TEXTS[0])).tagged
    inputs, answer = of_transformers(folder, "AutoModelForTokenClassification", TEXTS[0])
    words = inputs.word_ids()
    firsts = [words.index(word) for word in range(max(w for w in words if w is not None) + 1)]
    expected = torch.log_softmax(answer.logits[0], dim=-1).numpy()[firsts]
    np.testing.assert_allclose(tagged.log_probabilities, expected, atol=1e-4)


def test_prompts_become_prefixes(tmp_path):
    folder = checkpoints.encoder(tmp_path / "bert")
    prompts = {"prompts": {"query": "query: ", "document": "passage: "}}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    preparation = sentence_encoder.SentenceEncoder(folder).known["serving"]["text_embedding"]["preprocessing"]
    assert (preparation["query_prefix"], preparation["passage_prefix"]) == ("query: ", "passage: ")


def test_a_tokenizer_that_cannot_be_made_is_refused(tmp_path):
    with pytest.raises(Refused, match=r"has no tokenizer\.json, nor files"):
        tokenizer_json(tmp_path)


def test_a_network_of_one_number_is_no_classifier(tmp_path):
    folder = checkpoints.text_classifier(tmp_path / "bert", problem_type="regression")
    with pytest.raises(Refused, match="regression"):
        text_classifier.TextClassifier(folder)


@pytest.mark.parametrize(
    ("labels", "scheme", "stems"),
    [
        (["O", "B-a", "I-a"], "IOB2", ["a"]),
        (["S-a", "B-a", "I-a", "E-a", "O"], "BIOES", ["a"]),
        (["O", "Disease", "Chemical"], "IO", ["Disease", "Chemical"]),
    ],
)
def test_the_scheme_is_that_of_the_labels(labels, scheme, stems):
    assert token_classifier.scheme(labels) == f"TAGGING_SCHEME_{scheme}"
    assert token_classifier.stems(labels) == stems


@pytest.mark.parametrize("labels", [["O", "B-a", "L-a", "U-a"], ["B-a", "I-a"]])
def test_another_scheme_is_refused(labels):
    with pytest.raises(Refused, match=r"BILOU|no label is O"):
        token_classifier.scheme(labels)
