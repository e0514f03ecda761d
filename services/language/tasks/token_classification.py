"""Token classification: a text to what a tagger says of its words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medmesh.common.v1.answer_pb2 import Provenance
from medmesh.common.v1.serving_pb2 import TokenClassification
from services.chassis.models.activation import activated
from services.chassis.models.served import ServedModel
from services.chassis.observability import telemetry
from services.chassis.off_loop import off_loop
from services.language.confidence import Confidence
from services.language.consistency import LEAST_PROBABILITY
from services.language.decoding import FloatArray, assemble, word_log_probabilities
from services.language.languages import Languages
from services.language.note_entities import Tagged
from services.language.tagging import Columns
from services.language.tasks.model import TextModel
from services.language.tokenization import Encoding
from services.language.windows import windows

SHORT_CHARACTERS = 1_000
"""A text of fewer characters is cut into tokens at once: so many take a millisecond."""
SHORT_COUNT = 500
"""The scores of fewer words are put together at once: so many take a millisecond."""


@dataclass(frozen=True)
class TaggedText:
    """What a tagger says of a text, and where that comes from."""

    tagged: Tagged
    provenance: Provenance


class TokenClassifier:
    """One tagger, built from its card. Raises ValueError, which names the field, where the card does not
    hold.
    """

    def __init__(self, model: ServedModel) -> None:
        task = model.serving.token_classification
        self.name = model.name
        self.reads = Languages.from_tags(task.languages)
        self.is_calibrated = task.HasField("calibration")
        self._text = TextModel(model, task.preprocessing)
        self._columns = Columns(task)
        self.types = frozenset(declared.type for declared in task.entity_types)
        """The types of entity that it finds, as its answers name them."""
        self._scores, self._activation = task.scores_tensor, task.activation
        self._of_first_piece = (
            task.piece_aggregation == TokenClassification.PieceAggregation.PIECE_AGGREGATION_FIRST
        )
        self._confidence = Confidence.from_card(task)
        given = task.HasField("min_probability")
        if given and not 0 <= task.min_probability <= 1:
            raise ValueError("min_probability: is not a probability")
        self._least_probability = task.min_probability if given else LEAST_PROBABILITY

    async def tag(self, text: str) -> TaggedText:
        """What it says of each word of `text`, however long; raises what `TextModel.run` raises."""
        with telemetry.span("tokenize"):
            encoding = await off_loop(len(text) < SHORT_CHARACTERS, None, self._text.tokenizer.encode, text)
        cuts = list(windows(encoding.word_of, self._text.room, self._text.stride_tokens))
        # Of a text without tokens the model is asked all the same: the answer says which version it was.
        parts = [encoding.ids[cut.start : cut.end] for cut in cuts] or [encoding.ids]
        rows = await self._text.run(parts, self._scores)
        scores = assemble(cuts, rows.values[: len(cuts)], len(encoding), self._text.tokenizer.before_count)
        is_short = len(encoding.words) < SHORT_COUNT
        tagged = Tagged(
            words=encoding.words,
            log_probabilities=await off_loop(is_short, None, self._of_words, encoding, scores),
            columns=self._columns.names,
            reads=self.reads,
            confidence=self._confidence,
            least_probability=self._least_probability,
        )
        return TaggedText(tagged, rows.provenance)

    def _of_words(self, encoding: Encoding, scores: FloatArray) -> FloatArray:
        if not encoding.words:
            return np.zeros((0, len(self._columns.names)), dtype=np.float32)
        bounds = [
            (word.first, word.first + 1 if self._of_first_piece else word.last) for word in encoding.words
        ]
        logs = word_log_probabilities(activated(scores, self._activation), bounds)
        return self._columns.of(logs)
