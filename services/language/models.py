"""What this service expects of the models in `triton_repo/` that it uses."""

from __future__ import annotations

import numpy as np

from services.chassis.models.inference import ModelSpec, Tensor
from services.language.tokenization import PREPROCESSING_VERSION

LABELS = ("O", "B-Disease", "I-Disease", "B-Chemical", "I-Chemical")
"""The columns of `probabilities`, as in `labels.txt`."""

EMBEDDING_DIMENSIONS = 384

_TOKENS = (Tensor("input_ids", np.int64, (-1,)), Tensor("attention_mask", np.int64, (-1,)))

CLINICAL_NER = ModelSpec(
    name="clinical_ner",
    inputs=_TOKENS,
    outputs=(Tensor("probabilities", np.float32, (-1, len(LABELS))),),
    preprocessing_version=PREPROCESSING_VERSION,
)

NOTE_EMBEDDING = ModelSpec(
    name="note_embedding",
    inputs=_TOKENS,
    outputs=(Tensor("embedding", np.float32, (EMBEDDING_DIMENSIONS,)),),
    preprocessing_version=PREPROCESSING_VERSION,
    required=False,
)

SPECS = (CLINICAL_NER, NOTE_EMBEDDING)
