"""The direct loop: the services' own tokens and windows, ONNX Runtime, and the likeliest labels of the words,
one note after the other on all cores, nothing sent anywhere.

`python -m clients.loadtest.peers.notes_alone FILE` as a worker (`worker.py`); the file holds a JSON list of
notes.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import onnxruntime

from clients.loadtest.peers.worker import Work, serve
from services.chassis.models.activation import activated
from services.chassis.models.card import read_card
from services.language.decoding import WordSpan, assemble, decode, word_log_probabilities
from services.language.tagging import Columns
from services.language.tokenization import TextTokenizer
from services.language.typography import plain
from services.language.windows import windows

MODEL = Path(__file__).resolve().parents[3] / "triton_repo" / "clinical_ner"
_TOGETHER = 2
"""Windows a run: fewer and more were slower."""


class NoteTagger:
    """The model on one session with a thread a core."""

    def __init__(self) -> None:
        card, problems = read_card(MODEL / "metadata.json")
        if card is None:
            raise ValueError(f"{MODEL}: {problems}")
        self._task = card.serving.token_classification
        self._columns = Columns(self._task)
        self._tokenizer = TextTokenizer.from_card(MODEL, self._task.preprocessing)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = os.cpu_count() or 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            str(MODEL / "1" / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, note: str) -> list[WordSpan]:
        """The entities as words."""
        encoding = self._tokenizer.encode(plain(note))
        given, frame = self._task.preprocessing, self._tokenizer.frame_count
        room = given.max_token_count - frame
        cuts = list(windows(encoding.word_of, room, given.stride_token_count))
        rows = []
        for at in range(0, len(cuts), _TOGETHER):
            parts = [encoding.ids[cut.start : cut.end] for cut in cuts[at : at + _TOGETHER]]
            length = max(map(len, parts)) + frame
            ids, mask, _ = map(
                np.stack, zip(*(self._tokenizer.framed(part, length) for part in parts), strict=True)
            )
            feed = {given.input_ids_tensor: ids, given.attention_mask_tensor: mask}
            rows += list(self._session.run([self._task.scores_tensor], feed)[0])
        scores = assemble(cuts, rows, len(encoding), self._tokenizer.before_count)
        bounds = [(word.first, word.last) for word in encoding.words]
        logs = word_log_probabilities(activated(scores, self._task.activation), bounds)
        return decode(self._columns.of(logs), self._columns.names)


def main(path: str) -> None:
    """Reads the notes in turn."""
    notes = json.loads(Path(path).read_text(encoding="utf-8"))

    def make() -> Work:
        tagger = NoteTagger()
        return lambda number: tagger(notes[number % len(notes)])

    serve(make)


if __name__ == "__main__":
    main(sys.argv[1])
