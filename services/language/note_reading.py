"""A note read by several models side by side, and what the reader of the answer should know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from medmesh.common.v1.answer_pb2 import Provenance
from services.chassis.errors import MedmeshError
from services.chassis.notices import Notice
from services.chassis.observability import telemetry
from services.chassis.off_loop import off_loop
from services.chassis.outcomes import outcomes
from services.language.allergies import allergy_notices
from services.language.chinese.reader import ChineseReader
from services.language.entities import Entity, Origin
from services.language.languages import CHINESE, ENGLISH, Languages
from services.language.legibility import damage_notices, language_notices, lines
from services.language.mentions import Mention, mentions
from services.language.note_entities import EntityReader
from services.language.tasks.text_classification import Classified, TextClassifier
from services.language.tasks.token_classification import TaggedText, TokenClassifier
from services.language.texts import check_text
from services.language.typography import plain

SHORT_CHARACTERS = 400
"""A note of fewer characters is read at once: so many take some four milliseconds."""


@dataclass(frozen=True)
class ModelReading:
    """What one model read: the entities of a tagger, or what a classifier says."""

    provenance: Provenance
    reads: Languages
    is_calibrated: bool
    entities: tuple[Entity, ...] = ()
    classified: Classified | None = None
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True)
class NoteReading:
    """What the models read in a note; `notices` are of the note as a whole."""

    results: tuple[ModelReading, ...]
    mentions: tuple[Mention, ...]
    notices: tuple[Notice, ...]


class NoteReader:
    """Reads notes; keeps nothing."""

    def __init__(self, entities: EntityReader, chinese: ChineseReader | None = None) -> None:
        self._entities = entities
        self._chinese = chinese

    async def read(
        self,
        note: str,
        models: Sequence[TokenClassifier | TextClassifier],
        refused: Sequence[str] = (),
        *,
        with_rules: bool = True,
    ) -> NoteReading:
        """What each of `models` (at least one) reads in `note`; one that fails beside others is told of,
        as those are that are `refused`. Passages in Chinese are read `with_rules` too.

        Raises InvalidInput naming `note`, and what the first model raised where every one failed.
        """
        check_text(note, "note")
        # Every offset of the plain text is one of the note.
        text = plain(note)
        answers = await outcomes([_ask(model, text) for model in models])
        asked, missing = [], [_not_answered(name, "it is refused") for name in refused]
        failures = []
        for model, answer in zip(models, answers, strict=True):
            if isinstance(answer, MedmeshError):
                failures.append(answer)
                missing.append(_not_answered(model.name, answer.reason))
            elif isinstance(answer, BaseException):
                raise answer
            else:
                asked.append((model, answer))
        if not asked:
            raise failures[0]
        # A long note takes tens of milliseconds to decode, and is looked through for what could not be read.
        is_short = len(note) < SHORT_CHARACTERS
        return await off_loop(is_short, None, self._read, note, text, asked, missing, with_rules)

    def _read(
        self,
        note: str,
        text: str,
        asked: Sequence[tuple[TokenClassifier | TextClassifier, TaggedText | Classified]],
        missing: Sequence[Notice],
        with_rules: bool,
    ) -> NoteReading:
        results = [self._of_model(note, text, model, answer) for model, answer in asked]
        return _reading(note, results, missing, self._chinese if with_rules else None)

    def _of_model(
        self, note: str, text: str, model: TokenClassifier | TextClassifier, answer: TaggedText | Classified
    ) -> ModelReading:
        if isinstance(answer, Classified):
            return ModelReading(
                answer.provenance,
                model.reads,
                model.is_calibrated,
                classified=answer,
                notices=_cut(answer),
            )
        with telemetry.span("read entities"):
            found = self._entities.read(text, answer.tagged)
        entities = tuple(replace(entity, text=note[entity.span.start : entity.span.end]) for entity in found)
        return ModelReading(answer.provenance, model.reads, model.is_calibrated, entities)


async def _ask(model: TokenClassifier | TextClassifier, text: str) -> TaggedText | Classified:
    return await (model.classify(text) if isinstance(model, TextClassifier) else model.tag(text))


def _reading(
    note: str, results: Sequence[ModelReading], missing: Sequence[Notice], chinese: ChineseReader | None
) -> NoteReading:
    together = results[0].reads
    for result in results[1:]:
        together = together.together(result.reads)
    by_model = [_with_notices(note, result, together) for result in results]
    by_rules = chinese.read(note) if chinese is not None else None
    read = by_rules.passages if by_rules is not None else ()
    if chinese is not None and by_rules is not None:
        notices = tuple(
            replace(notice, model_name=chinese.provenance.model_name) for notice in by_rules.notices
        )
        by_model.append(ModelReading(chinese.provenance, CHINESE, False, by_rules.entities, notices=notices))
    entities = [result.entities for result in by_model]
    of_the_note = [
        *language_notices(note, together, read),
        *damage_notices(note),
        *allergy_notices(note, [entity for own in entities for entity in own]),
        *missing,
    ]
    return NoteReading(
        results=tuple(by_model),
        mentions=tuple(mentions(entities)),
        notices=tuple(of_the_note),
    )


def _with_notices(note: str, result: ModelReading, together: Languages) -> ModelReading:
    """With what concerns this model alone."""
    notices = list(result.notices)
    if result.reads != together:
        notices += language_notices(note, result.reads)
    unread = [entity.span.start for entity in result.entities if entity.assertion is None]
    if unread:
        message = (
            f"The rules of assertion read {ENGLISH}: what the note says of the entities in other languages "
            "was not decided."
        )
        notices.append(Notice("ASSERTIONS_NOT_READ", message, True, lines(note, unread)))
    count = sum(entity.origin is Origin.TERMINOLOGY for entity in result.entities)
    if count:
        message = (
            f"The terminology, not the model, decided extent or type of {count} "
            f"{'entity' if count == 1 else 'entities'} (see `origin`); the confidence there is a constant."
        )
        notices.append(Notice("ENTITIES_FROM_TERMINOLOGY", message))
    name = result.provenance.model_name
    return replace(result, notices=tuple(replace(notice, model_name=name) for notice in notices))


def _cut(classified: Classified) -> tuple[Notice, ...]:
    if classified.token_room is None:
        return ()
    message = f"Only the first {classified.token_room} tokens of the note count."
    return (Notice("TEXT_TRUNCATED", message, review_required=True, places=("note",)),)


def _not_answered(name: str, why: str) -> Notice:
    message = f"The model did not answer ({why}); what only it would have found is missing."
    return Notice("MODEL_DID_NOT_ANSWER", message, review_required=True, model_name=name)
