"""The writer's tokens: byte-level pieces, digits one by one, and the marks of a prompt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

PAD, PROMPT, ANSWER, END = "<|pad|>", "<|prompt|>", "<|answer|>", "<|end|>"
MARKS = (PAD, PROMPT, ANSWER, END)
"""Tokens 0 to 3. A prompt is `<|prompt|>` text `<|answer|>`; the answer ends with `<|end|>`."""

_REPEATS = 30


def build(notes: Iterable[str], size: int) -> Tokenizer:
    """Learn `size` pieces (Sennrich et al. 2016) from notes and from `vocabulary.txt`.

    A number is read digit by digit, so that one that was never seen is copied like any other.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\d"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(MARKS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(notes), trainer)
    return tokenizer


def _texts(notes: Iterable[str]) -> Iterator[str]:
    sentences = Path(__file__).with_name("vocabulary.txt").read_text(encoding="utf-8").splitlines()
    for sentence in sentences:
        if not sentence.startswith("#"):
            yield from [sentence] * _REPEATS
    yield from notes
