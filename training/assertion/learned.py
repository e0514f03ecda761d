"""An experiment: a classifier of mentions beside the assertion rules (docs/adr/0007 has its verdict).

`.venv-training/bin/python -m training.assertion.learned` compares it with the rules on the development half,
five-fold by note; `--split test` trains on the whole development half and compares on the other, once.

A logistic regression over hashed words: the words of the sentence on each side of the mention in ones, twos
and threes, those within three words by their place, the 30 words before, the section's headers, the mention's
type. The mention's own words are left out: "infection" must not come to mean a risk. It learns from the
labelled mentions, five times as heavy, and from silver ones: terms of the terminology in the notes that
nobody labelled, with what the rules say of them.
"""

from __future__ import annotations

import argparse
import random
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from services.language.assertion import assert_entities
from services.language.entities import EntityType, Span
from services.language.vocabulary import read_terms
from training.assertion.evaluate import CLASSES, Predictions
from training.assertion.evaluate_real import table
from training.assertion.real_notes import LabelledNote, read_notes, read_texts
from training.data_folder import data_folder
from training.figures import bootstrap_interval

FloatArray = npt.NDArray[np.float32]
SEED, FOLDS, EPOCHS, BATCH, RATE, DECAY = 0, 5, 12, 256, 0.03, 0.8
BUCKETS = 1 << 18
MOST_SILVER_A_CLASS = 1200
WEIGHT_OF_LABELLED, WEIGHT_OF_DEFAULT = 5.0, 0.7
SURE = 0.7  # what the classifier must reach to speak where the rules are silent
DOUBT = (0.7, 0.9)  # what it must reach to doubt an answer of the rules

_HEADER = re.compile(r"(?:^|(?<=[.\s:a-z0-9)]))([A-Z][A-Za-z/&,'\- ]{2,50}):")
_WORD = re.compile(r"\w+|[^\w\s]")
_END = frozenset(".;?!")


@dataclass(frozen=True, slots=True)
class Example:
    """A mention as the classifier sees it; `answer` is the rules', `silent` says that no trigger made it."""

    features: tuple[int, ...]
    note: str
    label: int
    weight: float
    answer: int
    silent: bool


def features(text: str, span: Span) -> tuple[int, ...]:
    """Hashes of what surrounds the mention, each in [0, BUCKETS)."""
    headers = [m[1] for m in _HEADER.finditer(text, 0, span.start) if m[1].istitle() or m[1].isupper()]
    header = headers[-1].lower() if headers else ""
    section = next((name.lower() for name in reversed(headers) if name.isupper()), "")
    before = _WORD.findall(text[max(0, span.start - 400) : span.start].lower())[-30:]
    after = _WORD.findall(text[span.end : span.end + 150].lower())[:12]
    kind = span.type.capitalize()  # as when the weights were trained
    names = {kind, f"header {header} {kind}", f"section {section} {kind}"}
    names |= {f"header word {word} {kind}" for word in f"{header} {section}".split()}
    names |= {f"before {word}" for word in before}
    names |= set(_side("left", _sentence(before[::-1])[::-1], reverse=True))
    names |= set(_side("right", _sentence(after), reverse=False))
    return tuple(zlib.crc32(name.encode()) % BUCKETS for name in sorted(names))


def _sentence(words: Sequence[str]) -> Sequence[str]:
    end = next((i for i, word in enumerate(words) if word in _END), len(words))
    return words[:end]


def _side(side: str, words: Sequence[str], *, reverse: bool) -> Iterator[str]:
    near = words[::-1] if reverse else words
    yield from (f"{side} {min(place, 3)} {word}" for place, word in enumerate(near[:6]))
    for size in (1, 2, 3):
        yield from (f"{side} {' '.join(words[i : i + size])}" for i in range(len(words) - size + 1))


def labelled(notes: Sequence[LabelledNote]) -> list[Example]:
    """The mentions of the notes that are not doubtful."""
    return [
        Example(
            features(note.text, mention.span),
            note.name,
            CLASSES.index(mention.label),
            WEIGHT_OF_LABELLED,
            CLASSES.index(result.assertion),
            not result.triggers,
        )
        for note in notes
        for mention, result in zip(
            note.mentions, assert_entities(note.text, [m.span for m in note.mentions]), strict=True
        )
        if not mention.doubtful
    ]


def silver(texts: Mapping[str, str]) -> list[Example]:
    """Terms of the terminology in the texts, labelled by the rules; at most so many a class."""
    types = {term.lower(): kind for kind in EntityType for term, _ in read_terms(kind) if len(term) >= 4}
    longest_first = sorted(types, key=len, reverse=True)
    terms = re.compile(rf"\b(?:{'|'.join(map(re.escape, longest_first))})\b")
    found = []
    for name, text in texts.items():
        lower = text.lower()
        if len(lower) != len(text):
            continue
        spans = [Span(match.start(), match.end(), types[match[0]]) for match in terms.finditer(lower)]
        for span, result in zip(spans, assert_entities(text, spans), strict=True):
            answer, silent = CLASSES.index(result.assertion), not result.triggers
            weight = WEIGHT_OF_DEFAULT if silent else 1.0
            found.append(Example(features(text, span), name, answer, weight, answer, silent))
    random.Random(SEED).shuffle(found)
    kept, counts = [], Counter[int]()
    for example in found:
        counts[example.label] += 1
        if counts[example.label] <= MOST_SILVER_A_CLASS:
            kept.append(example)
    return kept


class Classifier(nn.Module):
    """Hashed features -> logits [examples, classes]."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.EmbeddingBag(BUCKETS, len(CLASSES), mode="sum")
        nn.init.zeros_(self.weights.weight)
        self.bias = nn.Parameter(torch.zeros(len(CLASSES)))

    def forward(self, examples: Sequence[Example]) -> torch.Tensor:
        flat = torch.tensor([feature for example in examples for feature in example.features])
        sizes = [len(example.features) for example in examples]
        logits: torch.Tensor = self.weights(flat, torch.tensor(np.cumsum([0, *sizes[:-1]]))) + self.bias
        return logits


def fit(examples: Sequence[Example]) -> Classifier:
    """Adam on the weighted cross-entropy, labels smoothed by 0.05."""
    torch.manual_seed(SEED)
    classifier = Classifier()
    optimizer = torch.optim.Adam(classifier.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, DECAY)
    order = np.arange(len(examples))
    rng = np.random.default_rng(SEED)
    for _ in range(EPOCHS):
        rng.shuffle(order)
        for start in range(0, len(order), BATCH):
            batch = [examples[i] for i in order[start : start + BATCH]]
            target = torch.tensor([example.label for example in batch])
            weight = torch.tensor([example.weight for example in batch])
            losses = nn.functional.cross_entropy(
                classifier(batch), target, reduction="none", label_smoothing=0.05
            )
            optimizer.zero_grad()
            (weight * losses).mean().backward()
            optimizer.step()
        schedule.step()
    return classifier


def probabilities(classifier: Classifier, examples: Sequence[Example]) -> FloatArray:
    """[examples, classes]."""
    with torch.inference_mode():
        result: FloatArray = torch.softmax(classifier(examples), -1).numpy()
    return result


def across_folds(examples: Sequence[Example], others: Sequence[Example]) -> FloatArray:
    """Each example's probabilities by a classifier that learned from the other folds and `others`."""
    names = sorted({example.note for example in examples})
    random.Random(SEED).shuffle(names)
    fold = {name: number % FOLDS for number, name in enumerate(names)}
    result = np.zeros((len(examples), len(CLASSES)), dtype=np.float32)
    for number in range(FOLDS):
        held = [i for i, example in enumerate(examples) if fold[example.note] == number]
        rest = [example for example in examples if fold[example.note] != number]
        result[held] = probabilities(fit([*others, *rest]), [examples[i] for i in held])
    return result


def compare(examples: Sequence[Example], chances: FloatArray) -> None:
    """Prints the figures of the rules, of the classifier, and of the rules with it where they are silent."""
    label = np.array([example.label for example in examples])
    rules = np.array([example.answer for example in examples])
    silent = np.array([example.silent for example in examples])
    learned = chances.argmax(1)
    spoken = np.where(silent & (chances.max(1) >= SURE), learned, rules)
    notes = np.unique([example.note for example in examples], return_inverse=True)[1]
    answers = {"rules": rules, "classifier": learned, "classifier where the rules are silent": spoken}
    for name, answer in answers.items():
        print(name, *table(Predictions(label, answer, notes)), "", sep="\n")
    gain = (spoken == label).astype(float) - (rules == label)
    low, high = bootstrap_interval(lambda rows: float(gain[rows].mean()), notes)
    print(f"accuracy gained where the rules are silent: {gain.mean():+.3f} ({low:+.3f} to {high:+.3f})")
    wrong = rules != label
    for least in DOUBT:
        doubted = (learned != rules) & (chances.max(1) >= least)
        print(
            f"doubted with {least} or more: {doubted.sum()} of {len(label)} answers of the rules; "
            f"{(doubted & wrong).sum()} of the {wrong.sum()} wrong ones are among them"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", choices=("dev", "test"), default="dev")
    options = parser.parse_args()
    data = data_folder()
    notes = read_notes(data)
    names = {note.name for note in notes}
    others = silver({name: text for name, text in read_texts(data).items() if name not in names})
    print("silver:", {kind.value: sum(e.label == i for e in others) for i, kind in enumerate(CLASSES)})
    development = labelled([note for note in notes if note.split == "dev"])
    if options.split == "dev":
        compare(development, across_folds(development, others))
    else:
        held_out = labelled([note for note in notes if note.split == "test"])
        compare(held_out, probabilities(fit([*others, *development]), held_out))


if __name__ == "__main__":
    main()
