"""The labelled mentions of real notes: the file is sound, and the data holds the text that was labelled."""

from __future__ import annotations

import csv
from collections import Counter
from itertools import pairwise

import pytest

from services.language.entities import Assertion
from training.assertion.evaluate_real import predict_notes
from training.assertion.real_notes import LABELS, LabelledNote, read_imaging, read_notes

# Kinds of which the rules had sentences when they were written (assertion_sentences.tsv).
WRITTEN_ON = {"narrative", "radiology", "uncertainty", "past_in_text", "past_history"}


# Reported F1 (`python -m training.assertion.evaluate_real`, and with `--split test`) less 0.03.
FLOORS = {
    "dev": {
        "present": 0.915,
        "absent": 0.956,
        "possible": 0.808,
        "historical": 0.877,
        "family": 0.956,
        "hypothetical": 0.895,
        "allergy": 0.970,
    },
    "test": {
        "present": 0.902,
        "absent": 0.901,
        "possible": 0.830,
        "historical": 0.842,
        "family": 0.962,
        "hypothetical": 0.854,
        "allergy": 0.956,
    },
}


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    lines = (line for line in LABELS.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    return list(csv.DictReader(lines, delimiter="\t"))


@pytest.fixture(scope="module")
def notes(shared_data) -> list[LabelledNote]:
    return read_notes(shared_data)


def test_the_set_is_large_varied_and_split_by_note(rows):
    labels = Counter(row["label"] for row in rows if row["doubtful"] == "no")
    assert len(rows) >= 1500
    assert all(labels[kind.value] >= 65 for kind in Assertion), labels
    held_out = [row for row in rows if row["split"] == "test"]
    assert sum(row["kind"] not in WRITTEN_ON for row in held_out) >= 2 / 3 * len(held_out)
    splits = {
        note: {row["split"] for row in rows if row["note"] == note} for note in {r["note"] for r in rows}
    }
    assert all(len(names) == 1 for names in splits.values())
    tested = sum(names == {"test"} for names in splits.values())
    assert 0.5 <= tested / len(splits) <= 0.7
    passages = Counter(note for note, _, _ in {(r["note"], r["kind"], r["sentence_start"]) for r in rows})
    assert max(passages.values()) <= 3


def test_mentions_lie_in_their_sentence_and_do_not_overlap(notes):
    for note in notes:
        for mention in note.mentions:
            start, end = mention.sentence
            assert start <= mention.span.start < mention.span.end <= end <= len(note.text)
        spans = [mention.span for mention in note.mentions]
        assert all(one.end <= other.start for one, other in pairwise(spans))


def test_a_changed_text_is_refused(tmp_path, shared_data):
    changed = tmp_path / "labels.tsv"
    *head, first = LABELS.read_text(encoding="utf-8").splitlines()[:5]
    fields = first.split("\t")
    fields[5] = str(int(fields[5]) - 1)
    changed.write_text("\n".join([*head, "\t".join(fields)]), encoding="utf-8")
    with pytest.raises(ValueError, match="not the one that was labelled"):
        read_notes(shared_data, changed)


@pytest.mark.parametrize("split", FLOORS)
def test_f1_a_class_is_not_under_its_floor(notes, split):
    predictions = predict_notes([note for note in notes if note.split == split])
    f1 = {kind.value: round(predictions.f1(kind), 3) for kind in Assertion}
    assert all(f1[kind] >= floor for kind, floor in FLOORS[split].items()), f1


def test_the_sentences_of_imaging_are_there(shared_data):
    sentences = [sentence for _, group in read_imaging(shared_data) for sentence in group]
    assert len(sentences) == 150
    assert sum(bool(sentence.present) for sentence in sentences) >= 60
    assert sum(not sentence.present and not sentence.possible for sentence in sentences) >= 50
