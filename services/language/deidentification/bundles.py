"""A FHIR bundle -> the same without what identifies a patient: elements by their names, texts as texts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.chassis.errors import InvalidInput, Reason
from services.chassis.notices import Notice
from services.clinical.date_shift import MIN_KEY_BYTES
from services.clinical.fhir.bounded_json import parse
from services.clinical.fhir.deidentification import Change, Cleaned, Text, cleaned
from services.language.deidentification.identifiers import Kind
from services.language.deidentification.reading import MOST_CHARACTERS, Deidentifier
from services.language.deidentification.replacing import Known, Options
from services.language.tasks.token_classification import TokenClassifier

MAX_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 64
MOST_TEXTS = 256
MOST_KNOWN = 256
FIELD = "fhir_bundle"


@dataclass(frozen=True)
class DeidentifiedBundle:
    """What came of a bundle."""

    content: bytes
    changes: Sequence[tuple[str, Change, int]]
    """By element: what was done, and how many times."""
    notices: tuple[Notice, ...]


async def deidentify_bundle(
    content: bytes, key: bytes, patient: str, deidentifier: Deidentifier, model: TokenClassifier | None
) -> DeidentifiedBundle:
    """Raises InvalidInput (fields `fhir_bundle`, `key`): no JSON, no resource, too large, a key that is
    too short.
    """
    if len(key) < MIN_KEY_BYTES:
        raise InvalidInput(Reason.INPUT_OUT_OF_RANGE, "key", f"is shorter than {MIN_KEY_BYTES} bytes")
    try:
        done = await asyncio.to_thread(_structured, content, key, patient)
    except InvalidInput as error:
        where = f"{FIELD}.{error.field}" if error.field else FIELD
        raise InvalidInput(error.reason, where, error.description) from error
    options = Options(key=key, patient=patient, known=tuple(_known(done)))
    texts: list[str] = []
    notices: tuple[Notice, ...] = ()
    for some in _batches(done.texts):
        read = await deidentifier.deidentify([one.text for one in some], options, model)
        texts += [one.text for one in read.texts]
        notices = read.notices
    done.put_back(texts)
    written = await asyncio.to_thread(json.dumps, done.root, ensure_ascii=False, indent=1)
    changes = sorted((element, change, count) for (element, change), count in done.changes.items())
    return DeidentifiedBundle(written.encode(), changes, notices)


def _structured(content: bytes, key: bytes, patient: str) -> Cleaned:
    return cleaned(parse(content, max_bytes=MAX_BYTES, max_depth=MAX_DEPTH), key, patient)


def _known(done: Cleaned) -> Iterator[Known]:
    """What was removed, each once, the longest first: as much of it as texts are searched for."""
    values = sorted({(kind, text) for kind, text in done.known}, key=lambda one: (-len(one[1]), one))
    for kind, text in values[:MOST_KNOWN]:
        yield Known(Kind(kind), text[:512])


def _batches(texts: Sequence[Text]) -> Iterator[list[Text]]:
    """In the sizes that are read at once."""
    some: list[Text] = []
    length = 0
    for one in texts:
        if some and (len(some) == MOST_TEXTS or length + len(one.text) > MOST_CHARACTERS):
            yield some
            some, length = [], 0
        some.append(one)
        length += len(one.text)
    if some:
        yield some
