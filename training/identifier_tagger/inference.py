"""Reads texts with the tagger as the service does: windows, words, columns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from services.language.decoding import FloatArray, assemble, word_log_probabilities
from services.language.deidentification.reading import Deidentifier
from services.language.deidentification.replacing import Options
from services.language.note_entities import Tagged
from services.language.tokenization import Int64Array, TextTokenizer
from services.language.typography import plain
from services.language.windows import windows
from training.deidentification.evaluate import Find
from training.identifier_tagger.corpus import LABELS, ROOM
from training.onnx_runtime import session

STRIDE = 48
Probabilities = Callable[[Int64Array, Int64Array], FloatArray]


def with_onnx(path: Path) -> Probabilities:
    """An exported model on one CPU thread."""
    model = session(path)
    return lambda ids, mask: model.run(["probabilities"], {"input_ids": ids, "attention_mask": mask})[0]


def beside_the_rules(probabilities: Probabilities, tokenizer: TextTokenizer) -> Find:
    """The rules, the lists and the tagger; what any of them finds goes."""
    deidentifier = Deidentifier()
    return lambda text: deidentifier.find([text], Options(), [tagged(text, probabilities, tokenizer)])[0]


def tagged(text: str, probabilities: Probabilities, tokenizer: TextTokenizer) -> Tagged:
    encoding = tokenizer.encode(plain(text))
    cuts = list(windows(encoding.word_of, ROOM, STRIDE))
    framed = [tokenizer.framed(encoding.ids[cut.start : cut.end], ROOM + 2) for cut in cuts]
    if not framed:
        return Tagged((), np.zeros((0, len(LABELS)), dtype=np.float32), LABELS)
    rows = probabilities(*(np.stack([parts[at] for parts in framed]) for at in (0, 1)))
    scores = assemble(cuts, list(rows), len(encoding))
    bounds = [(word.first, word.last) for word in encoding.words]
    return Tagged(encoding.words, word_log_probabilities(scores, bounds), LABELS)
