"""The shipped models' cards and tokenizers, and a tagger below the inference seam that knows a few names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from services.chassis.models.catalog import Catalog
from services.chassis.models.inference import Arrays
from services.chassis.observability.telemetry import Telemetry
from services.language.linking import Linker, default_linker
from services.language.note_entities import EntityReader
from services.language.note_reading import NoteReader
from services.language.recovery import Terms, default_terms
from services.language.tasks import TASKS, TEXT_EMBEDDING, TOKEN_CLASSIFICATION
from services.language.tokenization import TextTokenizer
from tests.fakes import REAL_MODELS, FakeInference, real_card, write_model_repository

REPOSITORY = REAL_MODELS
TAGGER, EMBEDDER = "clinical_ner", "note_embedding"
LABELS = ("O", "B-DISEASE", "I-DISEASE", "B-CHEMICAL", "I-CHEMICAL")
"""The tagger's columns as the rules read them."""
VOCABULARY_SIZE = 30522
DISEASES = ("pneumonia", "asthma", "fever", "cough", "naïve", "diabetes")
CHEMICALS = ("salbutamol", "aspirin", "paracetamol")


@pytest.fixture(scope="session")
def tokenizer() -> TextTokenizer:
    """The embedding model's: plain ids."""
    return TextTokenizer.from_file(REPOSITORY / EMBEDDER / "tokenizer.json")


@pytest.fixture
def inference(tokenizer) -> FakeInference:
    """The tagger labels every piece of the names above B, `mellitus` I-Disease, all with 0.96.

    The embedding of a text is the unit vector of its pieces' counts modulo 384.
    """
    labels = dict.fromkeys(_pieces(tokenizer, DISEASES), 1)
    labels |= dict.fromkeys(_pieces(tokenizer, CHEMICALS), 3)
    labels |= dict.fromkeys(_pieces(tokenizer, ("mellitus",)), 2)

    def tag(inputs: Arrays) -> Mapping[str, Any]:
        ids = inputs["input_ids"] % VOCABULARY_SIZE
        probabilities = np.full((*ids.shape, len(LABELS)), 0.01, dtype=np.float32)
        for position, piece in np.ndenumerate(ids):
            probabilities[position][labels.get(int(piece), 0)] = 0.96
        return {"probabilities": probabilities}

    def embed(inputs: Arrays) -> Mapping[str, Any]:
        rows = np.zeros((len(inputs["input_ids"]), 384), dtype=np.float32)
        for row, (ids, mask) in enumerate(zip(inputs["input_ids"], inputs["attention_mask"], strict=True)):
            np.add.at(rows[row], ids[mask == 1] % 384, 1)
        return {"embedding": rows / np.linalg.norm(rows, axis=1, keepdims=True)}

    return FakeInference({TAGGER: tag, EMBEDDER: embed})


@pytest.fixture
def repository(tmp_path):
    """A model repository with the shipped cards and tokenizers, without weights."""
    return write_model_repository(tmp_path / "models", [real_card(TAGGER), real_card(EMBEDDER)])


@pytest.fixture
def catalog(repository, inference):
    """What the language service makes of the repository."""
    return Catalog("language", [repository], TASKS, inference, Telemetry("language"))


@pytest.fixture
def tagger(catalog):
    return catalog.only(TOKEN_CLASSIFICATION)


@pytest.fixture
def embedder(catalog):
    return catalog.only(TEXT_EMBEDDING)


@pytest.fixture(scope="session")
def terms() -> Terms:
    return default_terms()


@pytest.fixture(scope="session")
def linker() -> Linker:
    return default_linker()


@pytest.fixture(scope="session")
def reader(linker, terms) -> NoteReader:
    return NoteReader(EntityReader(linker, terms))


def _pieces(tokenizer: TextTokenizer, names: tuple[str, ...]) -> list[int]:
    return [int(piece) for name in names for piece in tokenizer.encode(name).ids]
