"""Drafts of a model's folder, counted: `python -m training.drafts.with_model triton_repo/report_writer`.

Runs the graph without Triton, the most probable token each time; needs onnxruntime. An oracle that shares
nothing with the check reads what stands.
"""

from __future__ import annotations

import argparse
import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from tokenizers import Tokenizer

from services.language.chat import ChatTemplate
from services.language.sentences import split_sentences
from services.language.writing.drafting import ReportDrafter, Written
from services.language.writing.prompts import Task, messages
from services.language.writing.templates import Section, SectionKind, Template
from training.drafts.made_cases import case
from training.drafts.oracle import unsupported

MOST_TOKENS = 160
ENDS = frozenset({"<|end|>", "<|im_end|>", "<|endoftext|>"})
REPORT = Template((Section(SectionKind.FINDINGS, "FINDINGS"), Section(SectionKind.IMPRESSION, "IMPRESSION")))


class Graph:
    """A causal model with a KV cache, as the embedded backend runs it."""

    def __init__(self, folder: Path) -> None:
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._template = ChatTemplate((folder / "chat_template.jinja").read_text(encoding="utf-8"))
        self._session = ort.InferenceSession(folder / "1" / "model.onnx", providers=["CPUExecutionProvider"])
        self._inputs = {one.name: one.shape for one in self._session.get_inputs()}
        self._outputs = [one.name for one in self._session.get_outputs()]

    async def sentences(self, task: Task, material: str) -> AsyncGenerator[Written]:
        """What it writes, whole."""
        text, ended = self._write(self._template.render(messages(task, material)))
        spans = list(split_sentences(text))
        for start, end in spans:
            yield Written(text[start:end].strip(), ended or end != spans[-1][1])

    def _write(self, prompt: str) -> tuple[str, bool]:
        past: dict[str, Any] = {
            name: np.zeros(
                [1 if at == 0 else 0 if at == 2 else size for at, size in enumerate(shape)], np.float32
            )
            for name, shape in self._inputs.items()
            if name.startswith("past_key_values")
        }
        ids, length = self._tokenizer.encode(prompt).ids, 0
        written: list[int] = []
        while len(written) < MOST_TOKENS:
            length += len(ids)
            feed = past | {
                "input_ids": np.array([ids], np.int64),
                "attention_mask": np.ones((1, length), np.int64),
                "position_ids": np.arange(length - len(ids), length, dtype=np.int64)[None],
            }
            given = {name: array for name, array in feed.items() if name in self._inputs}
            made = dict(zip(self._outputs, self._session.run(self._outputs, given), strict=True))
            token = int(made["logits"][0, -1].argmax())
            if self._tokenizer.id_to_token(token) in ENDS:
                return self._tokenizer.decode(written), True
            past = {name: made[name.replace("past_key_values", "present")] for name in past}
            ids = [token]
            written.append(token)
        return self._tokenizer.decode(written), False


async def main() -> None:
    """Prints what became of the sentences, every ten drafts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--drafts", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=11)
    given = parser.parse_args()
    graph, rng = Graph(given.folder), random.Random(given.seed)
    counted: Counter[str] = Counter()
    for number in range(1, given.drafts + 1):
        own = case(rng)
        drafter = ReportDrafter(own.items, REPORT, graph)
        async for _ in drafter.sentences():
            pass
        draft = drafter.draft()
        counted.update(f"stands: {one.origin.value}" for one in draft.sentences)
        counted.update(f"falls: {one.reason.name}" for one in draft.dropped)
        for one in draft.sentences:
            if wrong := unsupported(one.text, own.items):
                counted["unsupported"] += 1
                print(wrong, one.text, own.items)
        if number % 10 == 0:
            print(number, dict(counted), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
