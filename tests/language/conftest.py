"""The tokenizer that is served, and a tagger below the inference seam that knows a handful of names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.chassis.models.inference import Arrays
from services.language.models import LABELS, SPECS
from services.language.tokenization import VOCABULARY_SIZE, NoteTokenizer
from tests.fakes import FakeInference

REPOSITORY = Path(__file__).parents[2] / "triton_repo"
DISEASES = ("pneumonia", "asthma", "fever", "cough", "naïve", "diabetes")
CHEMICALS = ("salbutamol", "aspirin", "paracetamol")


@pytest.fixture(scope="session")
def tokenizer() -> NoteTokenizer:
    return NoteTokenizer.from_file(REPOSITORY / "clinical_ner" / "tokenizer.json")


@pytest.fixture
def inference(tokenizer) -> FakeInference:
    return fake_inference(tokenizer)


def fake_inference(tokenizer: NoteTokenizer) -> FakeInference:
    """`clinical_ner` labels every piece of the names above B, `mellitus` I-Disease, all with 0.96.

    The embedding of a text is the unit vector of its pieces' counts modulo 384.
    """
    labels = dict.fromkeys(_pieces(tokenizer, DISEASES), LABELS.index("B-Disease"))
    labels |= dict.fromkeys(_pieces(tokenizer, CHEMICALS), LABELS.index("B-Chemical"))
    labels |= dict.fromkeys(_pieces(tokenizer, ("mellitus",)), LABELS.index("I-Disease"))

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

    return FakeInference({"clinical_ner": tag, "note_embedding": embed}, SPECS)


def _pieces(tokenizer: NoteTokenizer, names: tuple[str, ...]) -> list[int]:
    return [int(piece) for name in names for piece in tokenizer.encode(name).pieces]
